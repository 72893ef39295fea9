# Secret Manager says that a version was added, enabled or disabled, reconcile asks for a repair: both wake sync by the same topic.

resource "google_pubsub_topic" "versions" {
  project      = var.project_id
  name         = "${var.installation}-versions"
  kms_key_name = var.kms_key
  labels       = local.labels
  depends_on   = [google_project_service.main]
}

resource "google_pubsub_topic" "dead" {
  project      = var.project_id
  name         = "${var.installation}-dead"
  kms_key_name = var.kms_key
  labels       = local.labels
  depends_on   = [google_project_service.main]
}

resource "google_pubsub_subscription" "sync" {
  project = var.project_id
  name    = "${var.installation}-sync"
  topic   = google_pubsub_topic.versions.id
  # The three events that change which version is served, and reconcile's own messages.
  filter = join(" OR ", [
    for type in ["SECRET_VERSION_ADD", "SECRET_VERSION_ENABLE", "SECRET_VERSION_DISABLE", "CERTHERD_REPAIR"] : "attributes.eventType = \"${type}\""
  ])
  ack_deadline_seconds       = 130
  message_retention_duration = "86400s"
  labels                     = local.labels

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = 20
  }

  push_config {
    push_endpoint = local.function_urls.sync

    oidc_token {
      service_account_email = google_service_account.caller["push"].email
      audience              = local.function_urls.sync
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.function]
}

# Kept for a week, for a person to look at; the next tick has asked for the same repair long before.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project_id
  name                       = "${var.installation}-dead"
  topic                      = google_pubsub_topic.dead.id
  message_retention_duration = "604800s"
  labels                     = local.labels

  expiration_policy {
    ttl = ""
  }
}

# Google makes an agent when its service is first used, and a grant to what there is not fails: in a new project prepare.sh makes them first,
# these two, that of the uptime check (monitoring.tf) and that of Identity-Aware Proxy (api.tf).
locals {
  agents = {
    secret_manager = "serviceAccount:service-${var.project_number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    pubsub         = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  }

  publishers = {
    versions-secret-manager = { topic = google_pubsub_topic.versions.name, member = local.agents.secret_manager }
    versions-reconcile      = { topic = google_pubsub_topic.versions.name, member = google_service_account.function["reconcile"].member }
    dead-pubsub             = { topic = google_pubsub_topic.dead.name, member = local.agents.pubsub }
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publishers

  project = var.project_id
  topic   = each.value.topic
  role    = "roles/pubsub.publisher"
  member  = each.value.member
}

# Pub/Sub takes a message off the subscription when it forwards it to the dead letters.
resource "google_pubsub_subscription_iam_member" "dead_letter" {
  project      = var.project_id
  subscription = google_pubsub_subscription.sync.name
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub
}
