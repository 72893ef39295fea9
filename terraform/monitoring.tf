# Metrics, alerts, dashboard and uptime check, on what the functions really log: one JSON object a line, `message` a constant phrase.

locals {
  log_of = {
    for name in local.functions :
    name => "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${var.installation}-${name}\" AND resource.labels.location = \"${var.location}\""
  }
  log_of_all = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = (\"${join("\" OR \"", [for name in local.functions : "${var.installation}-${name}"])}\") AND resource.labels.location = \"${var.location}\""

  # What a function says is an ERROR. A certificate that runs out has alerts of its own; the platform's line about a request that ended with
  # 5xx comes beside the function's own, or is one that comes again anyhow.
  errors = "${local.log_of_all} AND severity >= ERROR AND NOT jsonPayload.message = \"certificate running out\" AND NOT logName = \"${local.project_path}/logs/run.googleapis.com%2Frequests\""

  # A name => what is counted, and the fields that the counts are told apart by.
  counters = {
    runs     = { filter = "${local.log_of.reconcile} AND jsonPayload.message = \"reconciled\"", labels = [], description = "Runs of reconcile that came to their end." }
    issued   = { filter = "${local.log_of.issue} AND jsonPayload.message = \"certificate issued\"", labels = [], description = "Certificates issued." }
    failures = { filter = "${local.log_of.issue} AND jsonPayload.message = \"certificate failed\"", labels = ["code"], description = "Attempts that failed, by the code of the failure." }
    errors   = { filter = local.errors, labels = ["code"], description = "What waiting alone does not mend, by code." }
    unproven = { filter = "${local.log_of.sync} AND jsonPayload.message = \"host not proven\"", labels = [], description = "Hosts that served another certificate than the one just delivered." }
  }
}

resource "google_logging_metric" "counter" {
  for_each = local.counters

  project     = var.project_id
  name        = "${var.installation}/${each.key}"
  description = each.value.description
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }
  depends_on       = [google_project_service.main]
}

locals {
  metric_type = { for name in keys(local.counters) : name => "logging.googleapis.com/user/${var.installation}/${name}" }
  running_out = "${local.log_of.reconcile} AND jsonPayload.message = \"certificate running out\""

  # Alerts on single lines: who is called reads in the alert itself which certificate it is.
  line_alerts = {
    below_20_percent = {
      title    = "a certificate has less than a fifth of its life left"
      severity = "WARNING"
      filter   = "${local.running_out} AND jsonPayload.lifeLeft < 0.2 AND jsonPayload.lifeLeft >= 0.1"
      labels   = { certificate = "EXTRACT(jsonPayload.certificate)", until = "EXTRACT(jsonPayload.notAfter)" }
      runbook  = "Renewal has failed since two thirds of its life. `certherd status` shows the sentence of the last failure and when it is tried again; `certherd plan` shows what stands in the way. Mend that, then `certherd renew ID --wait`."
    }
    below_10_percent = {
      title    = "a certificate has less than a tenth of its life left"
      severity = "CRITICAL"
      filter   = "${local.running_out} AND jsonPayload.lifeLeft < 0.1"
      labels   = { certificate = "EXTRACT(jsonPayload.certificate)", until = "EXTRACT(jsonPayload.notAfter)" }
      runbook  = "Nginx will soon serve an expired certificate. Read the failure with `certherd status`. When the CA or the zone cannot be mended in time, get a certificate elsewhere and import it: `gcloud secrets versions add INSTALLATION-cert-ID --data-file=BUNDLE.pem` (key first, then the chain); it is delivered within a minute."
    }
    failure = {
      title    = "a failure that waiting does not mend"
      severity = "ERROR"
      filter   = local.errors
      labels   = { code = "EXTRACT(jsonPayload.code)", function = "EXTRACT(resource.labels.service_name)" }
      runbook  = "The line says what happened to which resource and what to do next: `gcloud logging read` with the filter of this alert. `cluster-forbidden`, `secret-refused`: RBAC or somebody else's Secret. `ca-rejected`, `challenge-failed`, `dns-not-delegated`: the zone. `not-permitted`: a grant of docs/permissions.md is missing. `config-invalid`: the deployment."
    }
  }
}

resource "google_monitoring_alert_policy" "line" {
  for_each = local.line_alerts

  project               = var.project_id
  display_name          = "Certherd ${var.installation}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = var.notification_channels
  user_labels           = local.labels

  conditions {
    display_name = each.value.title

    condition_matched_log {
      filter           = each.value.filter
      label_extractors = each.value.labels
    }
  }

  # Every tick says it again; a person needs to hear it once in a while.
  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    subject = "Certherd ${var.installation}: ${each.value.title}"
    content = each.value.runbook
  }

  depends_on = [google_project_service.main]
}

locals {
  # PromQL has the first "/" of a metric's type as ":" and every other character that is neither letter nor digit as "_".
  runs_in_promql = "logging_googleapis_com:${replace("user/${var.installation}/runs", "/[^a-z0-9]/", "_")}"
}

resource "google_monitoring_alert_policy" "no_run" {
  project               = var.project_id
  display_name          = "Certherd ${var.installation}: no run has come to its end for three hours"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = local.labels

  conditions {
    display_name = "no run has come to its end for three hours"

    # A query and not an absence: what was never there is not absent to Cloud Monitoring, and the counter made just before may not be known
    # to it for ten minutes. A run comes each hour: the 105 minutes always hold one, and the 75 that follow make the three hours. They are
    # longer than it takes a new deployment to come to its first.
    condition_prometheus_query_language {
      query                     = "(sum(increase(${local.runs_in_promql}{monitored_resource=\"cloud_run_revision\"}[105m])) or vector(0)) < 1"
      duration                  = "4500s"
      evaluation_interval       = "300s"
      disable_metric_validation = true
    }
  }

  documentation {
    subject = "Certherd ${var.installation} does not run"
    content = "`certherd doctor` says what is wrong. Otherwise: is the job enabled (`gcloud scheduler jobs describe ${var.installation}-reconcile --location ${var.location}`), and how did its last run end (logs of ${var.installation}-reconcile)? `certherd run` runs it now."
  }

  depends_on = [google_logging_metric.counter]
}

resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project_id
  display_name          = "Certherd ${var.installation}: messages to sync were given up"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = local.labels

  conditions {
    display_name = "messages to sync were given up"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.sync.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/dead_letter_message_count\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_SUM"
      }
    }
  }

  documentation {
    subject = "Certherd ${var.installation}: messages to sync were given up"
    content = "A new certificate may not be in its clusters. `gcloud pubsub subscriptions pull ${google_pubsub_subscription.dead.name} --limit=10` names them, the log of ${var.installation}-sync says why. When that is mended, `certherd run` delivers what is behind; the messages need not be sent again."
  }
}

# A policy each: one takes six conditions at most, and there may be more issuers.
resource "google_monitoring_alert_policy" "queue_stands_still" {
  for_each = google_cloud_tasks_queue.issuer

  project               = var.project_id
  display_name          = "Certherd ${var.installation}: the queue of ${each.key} stands still"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = local.labels

  # A task waits at most a day for its moment: what has tasks and made no attempt in 26 hours is paused or may not call issue.
  conditions {
    display_name = "queue ${each.value.name} has tasks and makes no attempt"

    condition_prometheus_query_language {
      query                     = "min_over_time(cloudtasks_googleapis_com:queue_depth{monitored_resource=\"cloud_tasks_queue\",queue_id=\"${each.value.name}\"}[26h]) > 0 unless on (queue_id) sum by (queue_id) (increase(cloudtasks_googleapis_com:queue_task_attempt_count{monitored_resource=\"cloud_tasks_queue\",queue_id=\"${each.value.name}\"}[26h])) > 0"
      duration                  = "600s"
      evaluation_interval       = "600s"
      disable_metric_validation = true
    }
  }

  documentation {
    subject = "Certherd ${var.installation}: the queue of ${each.key} stands still"
    content = "`gcloud tasks queues describe ${each.value.name} --location ${var.location}`: when it is PAUSED, `gcloud tasks queues resume ${each.value.name} --location ${var.location}`. Otherwise the account ${google_service_account.caller["queue"].email} may not call ${var.installation}-issue, or may not be named by the functions (docs/permissions.md)."
  }
}

# Not before Identity-Aware Proxy, which takes no token of the checker's.
resource "google_monitoring_uptime_check_config" "api" {
  count = var.iap ? 0 : 1

  project          = var.project_id
  display_name     = "Certherd ${var.installation}: api"
  timeout          = "10s"
  period           = "900s"
  selected_regions = ["EUROPE", "USA_VIRGINIA", "ASIA_PACIFIC"]
  user_labels      = local.labels

  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    service_agent_authentication {
      type = "OIDC_TOKEN"
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = trimprefix(local.api_url, "https://")
    }
  }

  depends_on = [google_project_service.main]
}

# The checker's own account; it may see no more than /health, for it has no role in the api.
resource "google_cloud_run_v2_service_iam_member" "uptime" {
  count = var.iap ? 0 : 1

  project  = var.project_id
  location = var.location
  name     = google_cloud_run_v2_service.api.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${var.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
}

resource "google_monitoring_alert_policy" "api_down" {
  count = var.iap ? 0 : 1

  project               = var.project_id
  display_name          = "Certherd ${var.installation}: the api does not answer"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = local.labels

  conditions {
    display_name = "the api does not answer"

    condition_threshold {
      filter          = "resource.type = \"uptime_url\" AND metric.type = \"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id = \"${google_monitoring_uptime_check_config.api[0].uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "900s"

      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    subject = "Certherd ${var.installation}: the api does not answer"
    content = "Renewal goes on without it. Look at the revisions of ${var.installation}-api: a configuration that is wrong is named in its log by `config-invalid`."
  }
}

locals {
  charts = [
    { title = "Runs of reconcile", metric = local.metric_type.runs, by = [] },
    { title = "Certificates issued", metric = local.metric_type.issued, by = [] },
    { title = "Failed attempts by code", metric = local.metric_type.failures, by = ["metric.label.code"] },
    { title = "Errors by code", metric = local.metric_type.errors, by = ["metric.label.code"] },
    { title = "Hosts not proven", metric = local.metric_type.unproven, by = [] },
  ]
}

resource "google_monitoring_dashboard" "main" {
  project = var.project_id

  dashboard_json = jsonencode({
    displayName = "Certherd ${var.installation}"
    labels      = { certherd = "" }
    gridLayout = {
      columns = "2"
      widgets = concat(
        [for chart in local.charts : {
          title = chart.title
          xyChart = {
            dataSets = [{
              plotType = "STACKED_BAR"
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter = "metric.type=\"${chart.metric}\" resource.type=\"cloud_run_revision\""
                  aggregation = {
                    alignmentPeriod    = "3600s"
                    perSeriesAligner   = "ALIGN_SUM"
                    crossSeriesReducer = "REDUCE_SUM"
                    groupByFields      = chart.by
                  }
                }
              }
            }]
          }
        }],
        [{
          title = "What reconcile says"
          logsPanel = {
            filter        = "${local.log_of.reconcile} AND severity >= WARNING"
            resourceNames = [local.project_path]
          }
        }],
      )
    }
  })

  depends_on = [google_logging_metric.counter]
}
