# One account for each function, and one for each of the engines that wake them: who calls is who may.

locals {
  functions = ["reconcile", "issue", "sync", "api"]
  callers = {
    schedule = "Cloud Scheduler wakes reconcile as this"
    queue    = "Cloud Tasks wakes issue as this"
    push     = "Pub/Sub wakes sync as this"
  }
}

resource "google_service_account" "function" {
  for_each = toset(local.functions)

  project      = var.project_id
  account_id   = "${var.installation}-${each.key}"
  display_name = "Certherd ${var.installation}: ${each.key}"
  depends_on   = [google_project_service.main]
}

resource "google_service_account" "caller" {
  for_each = local.callers

  project      = var.project_id
  account_id   = "${var.installation}-${each.key}"
  display_name = "Certherd ${var.installation}: ${each.value}"
  depends_on   = [google_project_service.main]
}

# Cloud Build makes the images of the functions as this, and not as the default account that may do nearly everything.
resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "${var.installation}-build"
  display_name = "Certherd ${var.installation}: builds the functions"
  depends_on   = [google_project_service.main]
}
