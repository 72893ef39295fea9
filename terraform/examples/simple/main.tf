# One GKE cluster, one zone, one CA.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45, < 8.0"
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

variable "cluster" {
  type        = string
  description = "The GKE cluster: \"projects/P/locations/L/clusters/C\"."
}

variable "zone" {
  type        = string
  description = "The managed zone whose names get certificates, by its name in Cloud DNS: \"example-org\"."
}

variable "contact" {
  type        = string
  description = "Where the CA writes to."
}

variable "people" {
  type        = list(string)
  description = "Who may do everything over the api, as \"user:EMAIL\", \"group:EMAIL\" or \"serviceAccount:EMAIL\", by acting as the account certherd-people."
  nullable    = false

  validation {
    condition     = length(var.people) > 0
    error_message = "Name at least one who may use the api, such as [\"user:ops@example.org\"]."
  }
  validation {
    condition     = alltrue([for member in var.people : can(regex("^(user|group|serviceAccount):[^@\\s:]+@[^@\\s:]+$", member))])
    error_message = "Give each as \"user:EMAIL\", \"group:EMAIL\" or \"serviceAccount:EMAIL\"; everybody is not possible, for whoever is named may do everything."
  }
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
      contact   = var.contact
    }
  }

  clusters = [{
    name            = "main"
    gke             = var.cluster
    ingress_classes = ["nginx"]
  }]

  zones  = [{ project = var.project_id, name = var.zone }]
  access = { admins = [google_service_account.people.member] }

  notification_channels = [var.notification_channel]
}

# A person's own account gets no token for an audience from gcloud; this one does, and has no key.
resource "google_service_account" "people" {
  account_id   = "certherd-people"
  display_name = "Certherd: whoever acts on it by hand"
}

resource "google_service_account_iam_member" "people" {
  for_each = toset(var.people)

  service_account_id = google_service_account.people.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}

output "api_url" {
  description = "For certherd --url, and the audience of its tokens."
  value       = module.certherd.api_url
}

output "service_accounts" {
  description = "For modules/cluster-access: reconcile reads, sync writes."
  value       = module.certherd.service_accounts
}

output "token_command" {
  description = "For certherd --token-command."
  value       = "gcloud auth print-identity-token --impersonate-service-account=${google_service_account.people.email} --include-email --audiences=${module.certherd.api_url}"
}

output "config" {
  description = "For certherd doctor."
  value       = module.certherd.config
}
