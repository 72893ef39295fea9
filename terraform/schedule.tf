locals {
  # Not every project in the world is to ask its CA at the full hour.
  minute   = parseint(substr(sha256("${var.project_id}/${var.installation}"), 0, 8), 16) % 60
  schedule = coalesce(var.schedule, "${local.minute} * * * *")
}

resource "google_cloud_scheduler_job" "reconcile" {
  project     = var.project_id
  region      = var.location
  name        = local.config.runtime.schedulerJob
  description = "Certherd ${var.installation}: looks at everything once an hour"
  schedule    = local.schedule
  time_zone   = var.time_zone
  # Longer than the function may take, so that Scheduler hears how it ended.
  attempt_deadline = "320s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "300s"
    max_doublings        = 3
  }

  http_target {
    http_method = "POST"
    uri         = local.function_urls.reconcile

    oidc_token {
      service_account_email = google_service_account.caller["schedule"].email
      audience              = local.function_urls.reconcile
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.function]
}
