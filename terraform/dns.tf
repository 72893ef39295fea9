# Zones may lie in other projects, and a custom role is good only in its own: each project of zones gets the three.

locals {
  dns_roles = {
    zone_lister = ["dns.managedZones.list"]
    # A change is authorised once for itself and once for each record set in it.
    change_maker = ["dns.changes.create", "dns.changes.get", "dns.managedZones.get", "dns.resourceRecordSets.list"]
    txt_writer   = ["dns.resourceRecordSets.create", "dns.resourceRecordSets.delete", "dns.resourceRecordSets.get", "dns.resourceRecordSets.update"]
  }

  dns_project_roles = merge([
    for project in local.zone_projects : {
      for role, permissions in local.dns_roles : "${project}-${role}" => { project = project, role = role, permissions = permissions }
    }
  ]...)

  # Two deployments of one installation's name may share a project of zones or clusters; there a role has the number of its deployment's own.
  role_endings = {
    for project in setunion(local.zone_projects, local.gke_projects) :
    project => "${project == var.project_id ? "" : "_${var.project_number}"}${local.role_suffix}"
  }

  dns_role_ids = {
    for key, it in local.dns_project_roles : key => "${local.role_prefix}_${it.role}${local.role_endings[it.project]}"
  }
  dns_roles_by_project = { for key, it in local.dns_project_roles : key => "projects/${it.project}/roles/${local.dns_role_ids[key]}" }

  challenges_only = "resource.type == \"dns.googleapis.com/ResourceRecordSet\" && resource.name.endsWith(\"/TXT\") && resource.name.extract(\"/rrsets/{owner}/TXT\").startsWith(\"_acme-challenge.\")"

  zones = { for zone in var.zones : "${zone.project}/${zone.name}" => zone }
}

resource "google_project_iam_custom_role" "dns" {
  for_each = local.dns_project_roles

  project     = each.value.project
  role_id     = local.dns_role_ids[each.key]
  title       = "Certherd ${var.installation}: ${replace(each.value.role, "_", " ")}"
  description = "See docs/permissions.md of Certherd."
  permissions = each.value.permissions
  depends_on  = [google_project_service.main]
}

# Which zones there are is asked of the project.
resource "google_project_iam_member" "zone_lister" {
  for_each = merge([
    for project in local.zone_projects : {
      for function in ["reconcile", "issue"] : "${project}-${function}" => { project = project, function = function }
    }
  ]...)

  project    = each.value.project
  role       = local.dns_roles_by_project["${each.value.project}-zone_lister"]
  member     = google_service_account.function[each.value.function].member
  depends_on = [google_project_iam_custom_role.dns]
}

resource "google_dns_managed_zone_iam_member" "change_maker" {
  for_each = local.zones

  project      = each.value.project
  managed_zone = each.value.name
  role         = local.dns_roles_by_project["${each.value.project}-change_maker"]
  member       = google_service_account.function["issue"].member
  depends_on   = [google_project_iam_custom_role.dns]
}

resource "google_dns_managed_zone_iam_member" "txt_writer" {
  for_each = local.zones

  project      = each.value.project
  managed_zone = each.value.name
  role         = local.dns_roles_by_project["${each.value.project}-txt_writer"]
  member       = google_service_account.function["issue"].member

  condition {
    title      = "acme-challenges-only"
    expression = local.challenges_only
  }

  depends_on = [google_project_iam_custom_role.dns]
}
