# To find a GKE cluster and to be let in; what may be done inside is RBAC (modules/cluster-access). IAM has no condition for a cluster.

locals {
  gke_projects = distinct([for cluster in var.clusters : split("/", cluster.gke)[1] if cluster.gke != null])
}

resource "google_project_iam_custom_role" "cluster_connector" {
  for_each = toset(local.gke_projects)

  project     = each.key
  role_id     = "${local.role_prefix}_cluster_connector${local.role_endings[each.key]}"
  title       = "Certherd ${var.installation}: cluster connector"
  description = "See docs/permissions.md of Certherd."
  permissions = ["container.clusters.connect", "container.clusters.get"]
  depends_on  = [google_project_service.main]
}

resource "google_project_iam_member" "cluster_connector" {
  for_each = merge([
    for project in local.gke_projects : {
      for function in ["reconcile", "sync"] : "${project}-${function}" => { project = project, function = function }
    }
  ]...)

  project    = each.value.project
  role       = "projects/${each.value.project}/roles/${google_project_iam_custom_role.cluster_connector[each.value.project].role_id}"
  member     = google_service_account.function[each.value.function].member
  depends_on = [google_project_iam_custom_role.cluster_connector]
}
