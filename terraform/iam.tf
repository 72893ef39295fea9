# What each function may do in this project, and nothing else: docs/permissions.md has the same table with the reasons.
# A custom role for each row, so that none brings along what nobody asked for.

locals {
  # Secret Manager compares names with the project's number in them.
  secret_prefix = "projects/${var.project_number}/secrets/${var.installation}-"
  is_secret     = "resource.service == \"secretmanager.googleapis.com\""
  names = {
    certificates = "${local.is_secret} && resource.name.startsWith(\"${local.secret_prefix}cert-\")"
    keys         = "${local.is_secret} && (resource.name.startsWith(\"${local.secret_prefix}account-\") || resource.name.startsWith(\"${local.secret_prefix}pending-\"))"
    pending      = "${local.is_secret} && resource.name.startsWith(\"${local.secret_prefix}pending-\")"
  }

  # role => permissions. `secrets.create` and `secrets.list` are asked of the project, so no condition on names can hold them: they stand alone.
  roles = {
    secret_creator    = ["secretmanager.secrets.create"]
    secret_lister     = ["secretmanager.secrets.list"]
    record_keeper     = ["secretmanager.secrets.get", "secretmanager.secrets.update"]
    version_lister    = ["secretmanager.versions.list"]
    version_adder     = ["secretmanager.versions.add"]
    key_reader        = ["secretmanager.versions.access", "secretmanager.versions.list"]
    version_destroyer = ["secretmanager.versions.destroy", "secretmanager.versions.get"]
    payload_reader    = ["secretmanager.versions.access"]
    task_creator      = ["cloudtasks.tasks.create"]
    queue_viewer      = ["cloudtasks.queues.get"]
    job_runner        = ["cloudscheduler.jobs.get", "cloudscheduler.jobs.run"]
  }

  # function => role => condition on the secret's name; null: none.
  grants = {
    reconcile = {
      secret_creator = null
      secret_lister  = null
      record_keeper  = local.names.certificates
      version_lister = local.names.certificates
    }
    issue = {
      secret_creator    = null
      record_keeper     = local.names.certificates
      version_lister    = local.names.certificates
      version_adder     = "${local.names.certificates} || ${local.names.keys}"
      key_reader        = local.names.keys
      version_destroyer = local.names.pending
    }
    sync = {
      record_keeper     = local.names.certificates
      version_lister    = local.names.certificates
      payload_reader    = local.names.certificates
      version_destroyer = local.names.certificates
    }
    api = {
      secret_creator = null
      secret_lister  = null
      record_keeper  = local.names.certificates
      job_runner     = null
    }
  }

  project_grants = merge([
    for function, roles in local.grants : {
      for role, condition in roles : "${function}-${role}" => { function = function, role = role, condition = condition }
    }
  ]...)
}

resource "google_project_iam_custom_role" "main" {
  for_each = local.roles

  project     = var.project_id
  role_id     = "${local.role_prefix}_${each.key}${local.role_suffix}"
  title       = "Certherd ${var.installation}: ${replace(each.key, "_", " ")}"
  description = "See docs/permissions.md of Certherd."
  permissions = each.value
  depends_on  = [google_project_service.main]
}

locals {
  # The id of a role takes no "-".
  role_prefix = replace(var.installation, "-", "_")
  role_suffix = var.role_suffix == "" ? "" : "_${var.role_suffix}"

  # A custom role's own id is not known before it is made.
  role_ids = { for role in keys(local.roles) : role => "${local.project_path}/roles/${local.role_prefix}_${role}${local.role_suffix}" }
}

resource "google_project_iam_member" "function" {
  for_each = local.project_grants

  project = var.project_id
  role    = local.role_ids[each.value.role]
  member  = google_service_account.function[each.value.function].member

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]

    content {
      title      = "own-secrets"
      expression = condition.value
    }
  }

  depends_on = [google_project_iam_custom_role.main]
}

# The task that a function makes says which account calls issue; to name an account one must be allowed to act as it.
resource "google_service_account_iam_member" "acts_as_queue" {
  for_each = toset(["reconcile", "issue", "api"])

  service_account_id = "${local.project_path}/serviceAccounts/${google_service_account.caller["queue"].email}"
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.function[each.key].member
}

locals {
  # Cloud Functions copies a zip into a bucket of its own before it is built. A region's name may begin another's: europe-west1, europe-west10.
  build_sources = [
    for bucket in ["gcf-v2-sources-${var.project_number}-${var.location}", local.source_bucket] :
    "resource.name == \"projects/_/buckets/${bucket}\" || resource.name.startsWith(\"projects/_/buckets/${bucket}/\")"
  ]

  # role => condition; null: none.
  build_roles = {
    "roles/logging.logWriter"       = null
    "roles/artifactregistry.writer" = null
    "roles/storage.objectViewer"    = join(" || ", local.build_sources)
  }
}

resource "google_project_iam_member" "build" {
  for_each = local.build_roles

  project = var.project_id
  role    = each.key
  member  = google_service_account.build.member

  dynamic "condition" {
    for_each = each.value[*]

    content {
      title      = "sources-only"
      expression = condition.value
    }
  }
}
