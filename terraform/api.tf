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

# A Run service is given an image and builds none: the provider's `build_config` starts no build. A function does, so this one is made for
# its image alone, and nobody may call it. docs/decisions/008-the-api-is-built-by-a-function.md
resource "google_cloudfunctions2_function" "api_build" {
  project     = var.project_id
  location    = var.location
  name        = "${var.installation}-api-build"
  description = "Certherd ${var.installation}: builds the image of the api"
  labels      = local.labels

  build_config {
    runtime           = "nodejs24"
    entry_point       = "api"
    service_account   = "${local.project_path}/serviceAccounts/${google_service_account.build.email}"
    docker_repository = "${local.project_path}/locations/${var.location}/repositories/${google_artifact_registry_repository.api.repository_id}"

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source["api"].name
      }
    }

    # The image must be whole. By default Google puts the operating system beneath a function's image only where the function runs.
    on_deploy_update_policy {}
  }

  service_config {
    service_account_email = google_service_account.function["api"].email
    available_memory      = "512Mi"
    available_cpu         = "1"
    min_instance_count    = 0
    max_instance_count    = 1
    # Its revision must become healthy, and for that it starts once.
    environment_variables = local.environment
    ingress_settings      = "ALLOW_INTERNAL_ONLY"
  }

  depends_on = [google_project_iam_member.build, google_project_iam_member.function]
}

# Read when the function has been built again, and at once when nothing about it changes.
data "google_cloud_run_v2_service" "api_build" {
  project    = var.project_id
  location   = var.location
  name       = "${var.installation}-api-build"
  depends_on = [google_cloudfunctions2_function.api_build]
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

  template {
    service_account                  = google_service_account.function["api"].email
    timeout                          = "300s"
    max_instance_request_concurrency = 20
    # A function's image may keep its tag from build to build: only another template makes a revision, and that takes what the tag means by then.
    annotations = { certherd-source = google_storage_bucket_object.source["api"].name }

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = 5
    }

    containers {
      image = data.google_cloud_run_v2_service.api_build.template[0].containers[0].image

      resources {
        limits            = { cpu = "1", memory = "512Mi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        # The functions framework in the image reads which function it is to serve.
        for_each = merge(local.environment, { FUNCTION_TARGET = "api" })

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
