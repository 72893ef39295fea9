locals {
  environment = {
    CERTHERD_CONFIG = jsonencode(local.config)
    NODE_ENV        = "production"
  }
  # Terraform counts characters; base64 has four for three bytes.
  config_bytes = floor(length(base64encode(local.environment.CERTHERD_CONFIG)) * 3 / 4)

  # A worker has 90 s, its task 100 s, its function 110 s and its lease 120 s: none may outlive the next.
  shapes = {
    # Ten thousand Ingresses and certificates in 256 MiB; Node's own idea of a heap is made for larger machines.
    reconcile = { memory = "512Mi", cpu = "1", timeout = 300, instances = 3, concurrency = 1, environment = { NODE_OPTIONS = "--max-semi-space-size=16 --max-old-space-size=256" } }
    issue     = { memory = "512Mi", cpu = "1", timeout = 110, instances = 20, concurrency = 1, environment = {} }
    # A message needs little memory at a time: a small nursery keeps the whole small, and glibc is to give back what is free.
    sync = { memory = "512Mi", cpu = "1", timeout = 120, instances = 20, concurrency = 1, environment = { NODE_OPTIONS = "--max-semi-space-size=1", MALLOC_TRIM_THRESHOLD_ = "131072" } }
  }
}

resource "google_cloudfunctions2_function" "main" {
  for_each = local.shapes

  project     = var.project_id
  location    = var.location
  name        = "${var.installation}-${each.key}"
  description = "Certherd ${var.installation}: ${each.key}"
  labels      = local.labels

  build_config {
    runtime         = "nodejs24"
    entry_point     = each.key
    service_account = "${local.project_path}/serviceAccounts/${google_service_account.build.email}"

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source[each.key].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function[each.key].email
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    timeout_seconds                  = each.value.timeout
    min_instance_count               = 0
    max_instance_count               = each.value.instances
    max_instance_request_concurrency = each.value.concurrency
    environment_variables            = merge(local.environment, each.value.environment)
    # Who may call is decided by IAM: Cloud Tasks, Pub/Sub and Scheduler each have an account of their own.
    ingress_settings = "ALLOW_ALL"

    # issue talks to the CA and to name servers of the world alone. What is public is called directly, so that the network needs no Cloud NAT.
    direct_vpc_egress = var.vpc_egress == null || each.key == "issue" ? null : "VPC_EGRESS_PRIVATE_RANGES_ONLY"

    dynamic "direct_vpc_network_interface" {
      for_each = each.key == "issue" ? [] : var.vpc_egress[*]

      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
        tags       = direct_vpc_network_interface.value.tags
      }
    }
  }

  depends_on = [google_project_iam_member.build, google_project_iam_member.function]
}

locals {
  # function => who wakes it; the api asks reconcile for plans and looks, and issue whether it could write the zones. It may give issue tasks
  # by the queue anyhow.
  invokers = {
    reconcile-schedule = { function = "reconcile", member = google_service_account.caller["schedule"].member }
    reconcile-api      = { function = "reconcile", member = google_service_account.function["api"].member }
    issue-api          = { function = "issue", member = google_service_account.function["api"].member }
    issue-queue        = { function = "issue", member = google_service_account.caller["queue"].member }
    sync-push          = { function = "sync", member = google_service_account.caller["push"].member }
  }
}

# The Run service of a function has the function's name.
resource "google_cloud_run_v2_service_iam_member" "function" {
  for_each = local.invokers

  project  = var.project_id
  location = var.location
  name     = google_cloudfunctions2_function.main[each.value.function].name
  role     = "roles/run.invoker"
  member   = each.value.member
}
