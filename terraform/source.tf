# The zips by their content: an object of a new name is the only thing that makes Cloud Functions build again.

locals {
  source_directory = coalesce(var.source_directory, "${path.module}/../dist")
  # A bucket's name is the whole world's: with the region in it, one in a region that is down stands in no other's way.
  source_bucket = "${var.installation}-zips-${var.project_number}-${var.location}"
  zips          = { for name in local.functions : name => "${local.source_directory}/${name}.zip" }
}

resource "google_storage_bucket" "source" {
  project                     = var.project_id
  name                        = local.source_bucket
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
  labels                      = local.labels

  versioning {
    enabled = false
  }

  dynamic "encryption" {
    for_each = var.kms_key[*]

    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_project_service.main]

  lifecycle {
    # Here, because it is said once and before any zip is hashed, and `terraform validate` needs no build.
    precondition {
      condition     = alltrue([for zip in values(local.zips) : fileexists(zip)])
      error_message = "${local.source_directory} must hold reconcile.zip, issue.zip, sync.zip and api.zip: run `npm run build` and give its dist folder."
    }
  }
}

resource "google_storage_bucket_object" "source" {
  for_each = local.zips

  bucket = google_storage_bucket.source.name
  name   = "${each.key}-${filesha256(each.value)}.zip"
  source = each.value
}
