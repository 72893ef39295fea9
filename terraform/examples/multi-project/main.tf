# Certherd in a project of its own, the zones in another team's, the cluster in a third.

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

variable "people" {
  type        = list(string)
  description = "Who may do everything over the api: in a browser as themselves, on the command line by acting as the account certherd-people. \"user:EMAIL\" or \"serviceAccount:EMAIL\"."
  nullable    = false

  validation {
    condition     = length(var.people) > 0
    error_message = "Name at least one who may use the api, such as [\"user:ops@example.org\"]."
  }
  validation {
    condition     = alltrue([for member in var.people : can(regex("^(user|serviceAccount):[^@\\s:]+@[^@\\s:]+$", member))])
    error_message = "Give each as \"user:EMAIL\" or \"serviceAccount:EMAIL\"; groups are not possible, because Identity-Aware Proxy tells the api a person."
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
  access = { admins = concat([google_service_account.people.member], var.people) }

  notification_channels = [var.notification_channel]
}

# The command line has no browser to log in with: the proxy takes what this account signs, which has no key.
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
  description = "For certherd --url."
  value       = module.certherd.api_url
}

output "service_accounts" {
  description = "For modules/cluster-access: reconcile reads, sync writes."
  value       = module.certherd.service_accounts
}

# docs/day-one.md, "The doors": Identity-Aware Proxy takes no ID token, and this only a real project can show.
output "token_command" {
  description = "For certherd --token-command."
  value       = "printf '{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"%s/*\",\"iat\":%d,\"exp\":%d}' ${google_service_account.people.email} ${google_service_account.people.email} ${module.certherd.api_url} $(date +%s) $(($(date +%s)+600)) | gcloud iam service-accounts sign-jwt --iam-account=${google_service_account.people.email} /dev/stdin /dev/stdout"
}

output "config" {
  description = "For certherd doctor."
  value       = module.certherd.config
}
