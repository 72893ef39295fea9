locals {
  apis = [
    "artifactregistry", "cloudbuild", "cloudfunctions", "cloudscheduler", "cloudtasks", "container", "dns", "iam",
    "logging", "monitoring", "pubsub", "run", "secretmanager", "storage",
  ]
}

resource "google_project_service" "main" {
  for_each = var.activate_apis ? toset(concat(local.apis, var.iap ? ["iap"] : [])) : []

  project = var.project_id
  service = "${each.key}.googleapis.com"
  # Others in the project may use them too.
  disable_on_destroy = false
}
