# Certherd in a project of its own, the zones in another team's, the cluster in a third.

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
  description = "The project that Certherd runs in and that keeps the certificates."
}

variable "project_number" {
  type        = string
  description = "The number of that project."
}

variable "zone_project" {
  type        = string
  description = "The project of the zones."
}

variable "cluster_project" {
  type        = string
  description = "The project of the cluster."
}

variable "admins" {
  type        = list(string)
  description = "Who may do everything over the api: \"user:EMAIL\" or \"serviceAccount:EMAIL\"."
  nullable    = false
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
    letsencrypt = { directory = "https://acme-v02.api.letsencrypt.org/directory", contact = "ops@example.org" }
    staging     = { directory = "https://acme-staging-v02.api.letsencrypt.org/directory" }
  }
  default_issuer = "letsencrypt"

  clusters = [{
    name            = "main"
    gke             = "projects/${var.cluster_project}/locations/europe-west1/clusters/main"
    ingress_classes = ["nginx"]
  }]

  zones = [
    { project = var.zone_project, name = "example-org" },
    { project = var.zone_project, name = "example-net" },
    { project = var.project_id, name = "acme-example-org" },
  ]
  # Names below these have a CNAME from _acme-challenge into acme-example-org.
  delegated = ["partner.example"]

  # People open the status page in a browser.
  iap = true
  # viewers and operators are lists of the same form.
  access = { admins = var.admins }

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

output "config" {
  description = "For certherd doctor."
  value       = module.certherd.config
}
