# What the module makes when nothing special is asked for. The real provider plans, because it knows the e-mails of accounts before they are made;
# it makes no call but one for the token's owner: HTTPS_PROXY=http://127.0.0.1:9 lets that fail at once.

provider "google" {
  project      = "acme-tls"
  access_token = "none"
}

variables {
  project_id       = "acme-tls"
  project_number   = "123456789"
  source_directory = "../dist"
  issuers = {
    production = { directory = "https://ca.test/directory" }
    staging    = { directory = "https://staging.ca.test/directory", dispatches_per_second = 0.5, max_concurrent_dispatches = 1 }
  }
  default_issuer        = "production"
  clusters              = [{ name = "main", gke = "projects/acme-tls/locations/europe-west1/clusters/main" }]
  zones                 = [{ project = "acme-tls", name = "example-org" }]
  notification_channels = ["projects/acme-tls/notificationChannels/1"]
}

run "defaults" {
  command = plan

  assert {
    condition = toset([
      for grant in google_project_iam_member.function : grant.member if endswith(grant.role, "_key_reader")
    ]) == toset(["serviceAccount:certherd-issue@acme-tls.iam.gserviceaccount.com"])
    error_message = "Only issue may read account and pending keys."
  }
  assert {
    condition = toset([
      for grant in google_project_iam_member.function : grant.member if endswith(grant.role, "_payload_reader")
    ]) == toset(["serviceAccount:certherd-sync@acme-tls.iam.gserviceaccount.com"])
    error_message = "Only sync may read certificates."
  }
  assert {
    condition = alltrue([
      for grant in google_project_iam_member.function :
      startswith(grant.condition[0].expression, "resource.service == \"secretmanager.googleapis.com\" && ") && strcontains(grant.condition[0].expression, "projects/123456789/secrets/certherd-")
      if can(regex("_(key_reader|payload_reader|version_adder|version_destroyer|version_lister|record_keeper)$", grant.role))
    ])
    error_message = "Every right on versions and records ends where the installation's own names end."
  }
  assert {
    condition     = google_project_iam_custom_role.main["secret_creator"].permissions == toset(["secretmanager.secrets.create"])
    error_message = "secrets.create cannot have a condition, so it stands alone."
  }
  assert {
    condition = alltrue([
      for grant in google_dns_managed_zone_iam_member.txt_writer :
      strcontains(grant.condition[0].expression, "endsWith(\"/TXT\")") && strcontains(grant.condition[0].expression, "_acme-challenge.") && grant.member == "serviceAccount:certherd-issue@acme-tls.iam.gserviceaccount.com"
    ])
    error_message = "Only issue writes record sets, and only TXT at _acme-challenge."
  }

  assert {
    condition     = google_cloud_scheduler_job.reconcile.schedule == "41 * * * *" && google_cloud_scheduler_job.reconcile.time_zone == "Etc/UTC"
    error_message = "Hourly, at the minute that is the hash of acme-tls/certherd."
  }
  assert {
    condition     = google_cloud_scheduler_job.reconcile.http_target[0].oidc_token[0].service_account_email == "certherd-schedule@acme-tls.iam.gserviceaccount.com"
    error_message = "Scheduler calls as its own account."
  }
  assert {
    condition     = google_cloud_scheduler_job.reconcile.retry_config[0].retry_count == 3 && google_cloud_scheduler_job.reconcile.attempt_deadline == "320s"
    error_message = "Scheduler tries a run again, and waits for longer than the function may take."
  }

  assert {
    condition     = keys(google_cloud_tasks_queue.issuer) == ["production", "staging"]
    error_message = "Each issuer has a queue of its own."
  }
  assert {
    condition     = one(google_cloud_tasks_queue.issuer["staging"].rate_limits).max_dispatches_per_second == 0.5 && one(google_cloud_tasks_queue.issuer["staging"].rate_limits).max_concurrent_dispatches == 1
    error_message = "A queue has its issuer's own limits."
  }
  assert {
    condition = alltrue([
      for queue in google_cloud_tasks_queue.issuer :
      one(queue.retry_config).max_attempts == 5 && one(queue.retry_config).min_backoff == "10s" && one(queue.retry_config).max_retry_duration == "3600s"
    ])
    error_message = "A task that ends with an error comes back five times within the hour; then the tick makes it again."
  }
  assert {
    condition     = google_cloudfunctions2_function.main["issue"].service_config[0].timeout_seconds == 110
    error_message = "issue outlives its task (100 s) and ends before the lease (120 s)."
  }

  assert {
    condition     = google_pubsub_subscription.sync.filter == "attributes.eventType = \"SECRET_VERSION_ADD\" OR attributes.eventType = \"SECRET_VERSION_ENABLE\" OR attributes.eventType = \"SECRET_VERSION_DISABLE\" OR attributes.eventType = \"CERTHERD_REPAIR\""
    error_message = "sync is woken by what changes the served version, and by repairs."
  }
  assert {
    condition     = one(google_pubsub_subscription.sync.dead_letter_policy).max_delivery_attempts == 20 && one(google_pubsub_subscription.sync.retry_policy).minimum_backoff == "10s" && one(google_pubsub_subscription.sync.retry_policy).maximum_backoff == "600s"
    error_message = "A message is tried for hours, ever more slowly, and then kept as a dead letter."
  }
  assert {
    condition     = google_pubsub_subscription.sync.push_config[0].oidc_token[0].service_account_email == "certherd-push@acme-tls.iam.gserviceaccount.com" && google_pubsub_subscription.sync.ack_deadline_seconds >= google_cloudfunctions2_function.main["sync"].service_config[0].timeout_seconds
    error_message = "Pub/Sub calls as its own account, and waits for as long as sync may take."
  }

  assert {
    condition     = google_monitoring_alert_policy.line["below_20_percent"].conditions[0].condition_matched_log[0].filter == "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"certherd-reconcile\" AND resource.labels.location = \"europe-west1\" AND jsonPayload.message = \"certificate running out\" AND jsonPayload.lifeLeft < 0.2 AND jsonPayload.lifeLeft >= 0.1"
    error_message = "Below a fifth of its life a certificate calls somebody."
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.line["below_10_percent"].conditions[0].condition_matched_log[0].filter, "AND jsonPayload.lifeLeft < 0.1") && google_monitoring_alert_policy.line["below_10_percent"].severity == "CRITICAL"
    error_message = "Below a tenth of its life it calls louder."
  }
  assert {
    condition     = alltrue([for policy in concat([google_monitoring_alert_policy.no_run, google_monitoring_alert_policy.lasting_fault], values(google_monitoring_alert_policy.queue_stands_still)) : alltrue([for condition in policy.conditions : one(condition.condition_prometheus_query_language).disable_metric_validation])])
    error_message = "A metric that nothing was written to yet keeps nobody from making its alert."
  }
  assert {
    condition = keys(google_monitoring_alert_policy.queue_stands_still) == ["production", "staging"] && alltrue(flatten([
      for issuer, policy in google_monitoring_alert_policy.queue_stands_still : [
        for condition in policy.conditions :
        length(regexall("queue_id=\"certherd-queue-${issuer}\"", one(condition.condition_prometheus_query_language).query)) == 2
      ]
    ]))
    error_message = "Each queue has an alert of its own, which asks about no other."
  }
  assert {
    condition     = google_project_iam_member.build["roles/storage.objectViewer"].condition[0].expression == "resource.name == \"projects/_/buckets/gcf-v2-sources-123456789-europe-west1\" || resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-123456789-europe-west1/\") || resource.name == \"projects/_/buckets/certherd-zips-123456789-europe-west1\" || resource.name.startsWith(\"projects/_/buckets/certherd-zips-123456789-europe-west1/\")"
    error_message = "Who builds reads the zips, and no other bucket of the project."
  }
  assert {
    condition     = length(setsubtract(["cloudresourcemanager", "iamcredentials", "serviceusage"], keys(google_project_service.main))) == 0 && !contains(keys(google_project_service.main), "compute")
    error_message = "What Terraform itself asks is enabled too; Compute Engine is not, unless there is a network."
  }

  assert {
    condition     = length(google_cloudfunctions2_function.main["reconcile"].service_config[0].direct_vpc_network_interface) == 0 && length(google_storage_bucket.source.encryption) == 0 && google_pubsub_topic.versions.kms_key_name == null
    error_message = "Neither a network nor a key of one's own unless asked for."
  }
  assert {
    condition     = !google_cloud_run_v2_service.api.iap_enabled && length(google_iap_web_cloud_run_service_iam_member.api) == 0 && !contains(keys(google_project_service.main), "iap")
    error_message = "No Identity-Aware Proxy unless asked for."
  }
  assert {
    condition     = google_cloud_run_v2_service.api.template[0].scaling[0].min_instance_count == 0 && alltrue([for function in google_cloudfunctions2_function.main : function.service_config[0].min_instance_count == 0])
    error_message = "Nothing idles at a price."
  }
}
