# The secrets of certificates and keys are made by the functions. Those for kubeconfigs are made here, empty: a person puts the
# kubeconfig in, so that no key ever stands in Terraform's state.

locals {
  kubeconfigs = merge([
    for cluster in local.config.clusters : {
      for function, id in { reconcile = try(cluster.kubeconfigSecret.reader, null), sync = try(cluster.kubeconfigSecret.writer, null) } :
      "${cluster.name}-${function}" => { id = id, function = function } if id != null
    }
  ]...)
}

resource "google_secret_manager_secret" "kubeconfig" {
  for_each = toset(values(local.kubeconfigs)[*].id)

  project   = var.project_id
  secret_id = each.key
  labels    = local.labels

  replication {
    dynamic "auto" {
      for_each = length(local.replicas) == 0 ? [true] : []

      content {}
    }

    dynamic "user_managed" {
      for_each = length(local.replicas) == 0 ? [] : [true]

      content {
        dynamic "replicas" {
          for_each = local.replicas

          content {
            location = replicas.value.location

            dynamic "customer_managed_encryption" {
              for_each = try([replicas.value.kmsKey], [])

              content {
                kms_key_name = customer_managed_encryption.value
              }
            }
          }
        }
      }
    }
  }

  # What Google cannot change, Terraform does by deleting the secret, and with it what a person put in.
  lifecycle {
    ignore_changes = [replication]
  }

  depends_on = [google_project_service.main]
}

resource "google_project_iam_custom_role" "kubeconfig_reader" {
  project     = var.project_id
  role_id     = "${local.role_prefix}_kubeconfig_reader${local.role_suffix}"
  title       = "Certherd ${var.installation}: kubeconfig reader"
  description = "See docs/permissions.md of Certherd."
  permissions = ["secretmanager.versions.access", "secretmanager.versions.list"]
  depends_on  = [google_project_service.main]
}

resource "google_secret_manager_secret_iam_member" "kubeconfig" {
  for_each = local.kubeconfigs

  project    = var.project_id
  secret_id  = google_secret_manager_secret.kubeconfig[each.value.id].secret_id
  role       = "${local.project_path}/roles/${google_project_iam_custom_role.kubeconfig_reader.role_id}"
  member     = google_service_account.function[each.value.function].member
  depends_on = [google_project_iam_custom_role.kubeconfig_reader]
}
