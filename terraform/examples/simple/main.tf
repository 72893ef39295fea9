# One GKE cluster, one zone, one CA.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.0, < 8.0"
    }
  }
}

variable "project_id" {
  type        = string
  description = "The project of Certherd, the cluster and the zone."
}

variable "project_number" {
  type        = string
  description = "The number of that project."
}

variable "notification_channel" {
  type        = string
  description = "Where alerts go: \"projects/P/notificationChannels/N\"."
}

provider "google" {
  project = var.project_id
  region  = "europe-west1"
}

module "certherd" {
  source = "../.."

  project_id     = var.project_id
  project_number = var.project_number

  issuers = {
    production = {
      directory = "https://acme-v02.api.letsencrypt.org/directory"
      contact   = "ops@example.org"
    }
  }

  clusters = [{
    name            = "main"
    gke             = "projects/${var.project_id}/locations/europe-west1/clusters/main"
    ingress_classes = ["nginx"]
  }]

  zones  = [{ project = var.project_id, name = "example-org" }]
  access = { admins = ["user:ops@example.org"] }

  notification_channels = [var.notification_channel]
}

output "api_url" {
  description = "For certherd --url."
  value       = module.certherd.api_url
}

output "service_accounts" {
  description = "For modules/cluster-access: reconcile reads, sync writes."
  value       = module.certherd.service_accounts
}
