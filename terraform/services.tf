locals {
  apis = [
    "artifactregistry", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler", "cloudtasks", "container", "dns", "iam",
    "iamcredentials", "logging", "monitoring", "pubsub", "run", "secretmanager", "serviceusage", "storage",
  ]
  asked_for_apis = concat(var.iap ? ["iap"] : [], var.vpc_egress != null ? ["compute"] : [])
}

resource "google_project_service" "main" {
  for_each = var.activate_apis ? toset(concat(local.apis, local.asked_for_apis)) : []

  project = var.project_id
  service = "${each.key}.googleapis.com"
  # Others in the project may use them too.
  disable_on_destroy = false
}
