# A Run service, because a function can have neither an audience of its own nor Identity-Aware Proxy.

resource "google_artifact_registry_repository" "api" {
  project       = var.project_id
  location      = var.location
  repository_id = "${var.installation}-api"
  description   = "Images of the api of Certherd ${var.installation}."
  format        = "DOCKER"
  labels        = local.labels
  kms_key_name  = var.kms_key
  depends_on    = [google_project_service.main]
}

locals {
  api_image = "${var.location}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.api.repository_id}/api"
}

resource "google_cloud_run_v2_service" "api" {
  project             = var.project_id
  location            = var.location
  name                = "${var.installation}-api"
  description         = "Certherd ${var.installation}: issue, renew, plan, status"
  ingress             = "INGRESS_TRAFFIC_ALL"
  iap_enabled         = var.iap
  custom_audiences    = [local.api_url]
  deletion_protection = var.deletion_protection
  labels              = local.labels

  build_config {
    source_location          = "gs://${google_storage_bucket.source.name}/${google_storage_bucket_object.source["api"].name}"
    function_target          = "api"
    image_uri                = local.api_image
    base_image               = "${var.location}-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes/nodejs24"
    enable_automatic_updates = true
    service_account          = "${local.project_path}/serviceAccounts/${google_service_account.build.email}"
  }

  template {
    service_account                  = google_service_account.function["api"].email
    timeout                          = "300s"
    max_instance_request_concurrency = 20

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = 5
    }

    containers {
      image          = local.api_image
      base_image_uri = "${var.location}-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes/nodejs24"

      resources {
        limits            = { cpu = "1", memory = "512Mi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment

        content {
          name  = env.key
          value = env.value
        }
      }

      startup_probe {
        period_seconds    = 1
        failure_threshold = 30

        http_get {
          path = "/health"
        }
      }
    }
  }

  depends_on = [google_project_iam_member.build, google_project_iam_member.function]
}

locals {
  people = toset(flatten(values(var.access)))
}

# The first door: IAM lets in whom the configuration names, and the api looks at the role.
resource "google_cloud_run_v2_service_iam_member" "api" {
  for_each = setunion(local.people, var.iap ? ["serviceAccount:service-${var.project_number}@gcp-sa-iap.iam.gserviceaccount.com"] : [])

  project  = var.project_id
  location = var.location
  name     = google_cloud_run_v2_service.api.name
  role     = "roles/run.invoker"
  member   = each.key
}

# The second door: people in browsers, by Identity-Aware Proxy.
resource "google_iap_web_cloud_run_service_iam_member" "api" {
  for_each = var.iap ? local.people : []

  project                = var.project_id
  location               = var.location
  cloud_run_service_name = google_cloud_run_v2_service.api.name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.key
}
