# What a team would write, with the providers' addresses turned to this machine.

terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

variable "project_id" {
  type = string
}

variable "project_number" {
  type = string
}

variable "zones_project_id" {
  type = string
}

variable "endpoints" {
  type        = map(string)
  description = "Base URLs without a version: the stand-ins, and the stub for all the rest."
}

variable "issuer" {
  type = object({ directory = string, ca_certificate = string })
}

variable "source_directory" {
  type = string
}

provider "google" {
  project                           = var.project_id
  region                            = "europe-west1"
  dns_custom_endpoint               = "${var.endpoints.dns}/dns/v1/"
  secret_manager_custom_endpoint    = "${var.endpoints.secret_manager}/v1/"
  pubsub_custom_endpoint            = "${var.endpoints.pubsub}/v1/"
  cloud_tasks_custom_endpoint       = "${var.endpoints.tasks}/v2/"
  cloud_scheduler_custom_endpoint   = "${var.endpoints.scheduler}/v1/"
  iam_beta_custom_endpoint          = "${var.endpoints.stub}/iam/v1/"
  resource_manager_custom_endpoint  = "${var.endpoints.stub}/resourcemanager/v1/"
  cloudfunctions2_custom_endpoint   = "${var.endpoints.stub}/cloudfunctions/v2/"
  cloud_run_v2_custom_endpoint      = "${var.endpoints.stub}/run/v2/"
  storage_custom_endpoint           = "${var.endpoints.stub}/storage/v1/"
  monitoring_custom_endpoint        = "${var.endpoints.stub}/monitoring/"
  logging_custom_endpoint           = "${var.endpoints.stub}/logging/v2/"
  artifact_registry_custom_endpoint = "${var.endpoints.stub}/artifactregistry/v1/"
  iap_custom_endpoint               = "${var.endpoints.stub}/iap/v1/"
  service_usage_custom_endpoint     = "${var.endpoints.stub}/serviceusage/v1/"

  # Grants on one policy are sent together when they come within this time of each other; by default it is three seconds.
  batching {
    enable_batching = true
    send_after      = "500ms"
  }
}

resource "google_dns_managed_zone" "main" {
  for_each = { "a-test" = var.project_id, "b-test" = var.zones_project_id }

  project     = each.value
  name        = each.key
  dns_name    = "${replace(each.key, "-", ".")}."
  description = "A zone for tests."
}

resource "google_dns_record_set" "www" {
  project      = google_dns_managed_zone.main["a-test"].project
  managed_zone = google_dns_managed_zone.main["a-test"].name
  name         = "www.a.test."
  type         = "A"
  ttl          = 300
  rrdatas      = ["192.0.2.1"]
}

module "certherd" {
  source = "./certherd"

  project_id          = var.project_id
  project_number      = var.project_number
  source_directory    = var.source_directory
  deletion_protection = false
  issuers             = { test = var.issuer }
  settle_seconds      = 0
  handshake_allow     = ["127.0.0.0/8"]
  wildcards           = ["b.test"]

  clusters = [
    {
      name = "main"
      gke  = "projects/${var.project_id}/locations/europe-west1/clusters/main"
      allow = [
        { namespaces = ["web"], names = ["a.test", "b.test"], wildcards = true },
      ]
    },
    {
      name               = "other"
      kubeconfig_secrets = { reader = "other-reader", writer = "other-writer" }
      allow = [
        { namespaces = ["web"], names = ["a.test"] },
      ]
    },
  ]

  zones                 = [for zone in google_dns_managed_zone.main : { project = zone.project, name = zone.name }]
  access                = { admins = ["user:ops@a.test"] }
  notification_channels = ["projects/${var.project_id}/notificationChannels/1"]
}
