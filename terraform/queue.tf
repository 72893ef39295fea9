# One queue for each issuer: a CA that is slow or away holds up no other.

resource "google_cloud_tasks_queue" "issuer" {
  for_each = var.issuers

  project  = var.project_id
  location = var.location
  name     = local.config.runtime.queues[each.key]

  rate_limits {
    max_dispatches_per_second = each.value.dispatches_per_second
    max_concurrent_dispatches = each.value.max_concurrent_dispatches
  }

  # Only what could not even be recorded as a failure comes back with an error; the next tick makes the task again.
  retry_config {
    max_attempts       = 5
    min_backoff        = "10s"
    max_backoff        = "300s"
    max_doublings      = 4
    max_retry_duration = "3600s"
  }

  depends_on = [google_project_service.main]
}

locals {
  queue_roles = { reconcile = ["task_creator"], issue = ["task_creator"], api = ["task_creator", "queue_viewer"] }
  queue_grants = merge([
    for issuer in keys(var.issuers) : merge([
      for function, roles in local.queue_roles : {
        for role in roles : "${issuer}-${function}-${role}" => { issuer = issuer, function = function, role = role }
      }
    ]...)
  ]...)
}

resource "google_cloud_tasks_queue_iam_member" "function" {
  for_each = local.queue_grants

  project    = var.project_id
  location   = var.location
  name       = google_cloud_tasks_queue.issuer[each.value.issuer].name
  role       = local.role_ids[each.value.role]
  member     = google_service_account.function[each.value.function].member
  depends_on = [google_project_iam_custom_role.main]
}
