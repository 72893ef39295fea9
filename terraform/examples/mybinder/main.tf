# mybinder.org: GKE and OVH, two zones, and a staging installation that shares nothing with production.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45, < 8.0"
    }
  }
}

variable "environment" {
  type        = string
  description = "Which of the two is applied; each has a state of its own."

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "Give \"staging\" or \"production\"."
  }
}

variable "project_id" {
  type        = string
  description = "The project of this environment."
}

variable "project_number" {
  type        = string
  description = "The number of that project."
}

variable "zone_project" {
  type        = string
  description = "The project of the zones."
}

variable "people" {
  type        = list(string)
  description = "Who may do everything over the api, as \"user:EMAIL\", \"group:EMAIL\" or \"serviceAccount:EMAIL\", by acting as the account certherd-ENVIRONMENT-people."
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

locals {
  environments = {
    # Certificates that no browser trusts, from limits that trials cannot use up for production.
    staging = {
      directory = "https://acme-staging-v02.api.letsencrypt.org/directory"
      zones     = ["staging-mybinder-org"]
      wildcards = []
      clusters = [{
        name            = "staging"
        gke             = "projects/${var.project_id}/locations/us-central1-a/clusters/staging"
        ingress_classes = ["nginx"]
        allow           = [{ namespaces = ["staging"], names = ["staging.mybinder.org"] }]
      }]
      certificates = []
    }

    production = {
      directory = "https://acme-v02.api.letsencrypt.org/directory"
      zones     = ["mybinder-org", "mybinder-ovh"]
      wildcards = ["mybinder.ovh"]
      clusters = [
        {
          name            = "prod"
          gke             = "projects/${var.project_id}/locations/us-central1-a/clusters/prod"
          ingress_classes = ["nginx"]
          allow           = [{ namespaces = ["prod"], names = ["mybinder.org"] }]
        },
        {
          name = "ovh"
          kubeconfig_secrets = {
            reader = "certherd-kubeconfig-ovh-reader"
            writer = "certherd-kubeconfig-ovh-writer"
          }
          ingress_classes = ["nginx"]
          allow           = [{ namespaces = ["ovh"], names = ["mybinder.ovh", "ovh.mybinder.org"], wildcards = true }]
        },
      ]
      certificates = [{ cluster = "ovh", namespace = "ovh", secret = "tls-crt", names = ["*.mybinder.ovh"] }]
    }
  }

  environment = local.environments[var.environment]
}

provider "google" {
  project = var.project_id
  region  = "us-central1"
}

module "certherd" {
  source = "../.."

  project_id     = var.project_id
  project_number = var.project_number
  location       = "us-central1"
  installation   = "certherd-${var.environment}"

  issuers = {
    letsencrypt = {
      directory = local.environment.directory
      contact   = "ops@example.org"
    }
  }

  clusters     = local.environment.clusters
  zones        = [for name in local.environment.zones : { project = var.zone_project, name = name }]
  wildcards    = local.environment.wildcards
  certificates = local.environment.certificates

  # viewers and operators are lists of the same form.
  access = { admins = [google_service_account.people.member] }

  labels                = { environment = var.environment }
  notification_channels = [var.notification_channel]
}

# A person's own account gets no token for an audience from gcloud; this one does, and has no key.
resource "google_service_account" "people" {
  account_id   = "certherd-${var.environment}-people"
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
  description = "For modules/cluster-access on GKE: reconcile reads, sync writes."
  value       = module.certherd.service_accounts
}

output "kubeconfig_secrets" {
  description = "The secrets that a person puts kubeconfigs into."
  value       = module.certherd.kubeconfig_secrets
}

output "token_command" {
  description = "For certherd --token-command."
  value       = "gcloud auth print-identity-token --impersonate-service-account=${google_service_account.people.email} --include-email --audiences=${module.certherd.api_url}"
}

output "config" {
  description = "For certherd doctor."
  value       = module.certherd.config
}
