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

  # What a run found away and will find again, perhaps: where a person must act, the line is an ERROR and calls at once.
  faults = "${local.log_of.reconcile} AND jsonPayload.message = (\"${join("\" OR \"", ["cluster unreadable", "zones unreadable", "versions unreadable", "certificate not handed on"])}\") AND severity < ERROR"

  # A name => what is counted, and the fields that the counts are told apart by.
  counters = {
    runs     = { filter = "${local.log_of.reconcile} AND jsonPayload.message = \"reconciled\"", labels = [], description = "Runs of reconcile that came to their end." }
    issued   = { filter = "${local.log_of.issue} AND jsonPayload.message = \"certificate issued\"", labels = [], description = "Certificates issued." }
    failures = { filter = "${local.log_of.issue} AND jsonPayload.message = \"certificate failed\"", labels = ["code"], description = "Attempts that failed, by the code of the failure." }
    errors   = { filter = local.errors, labels = ["code"], description = "What waiting alone does not mend, by code." }
    faults   = { filter = local.faults, labels = ["message", "cluster", "project"], description = "What a run could not read or hand on and may pass by itself, by what it was." }
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
  in_promql = { for name in keys(local.counters) : name => "logging_googleapis_com:${replace("user/${var.installation}/${name}", "/[^a-z0-9]/", "_")}{monitored_resource=\"cloud_run_revision\"}" }
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
      query                     = "(sum(increase(${local.in_promql.runs}[105m])) or vector(0)) < 1"
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

resource "google_monitoring_alert_policy" "lasting_fault" {
  project               = var.project_id
  display_name          = "Certherd ${var.installation}: a fault that three hours of waiting did not mend"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = local.labels

  conditions {
    display_name = "the same fault in run after run"

    # A run comes each hour: faults in two of them fill two hours and a half with these windows, and only the third makes it three hours. A
    # run that a person asks for in between adds to the count, but not to the hours.
    condition_prometheus_query_language {
      query                     = "sum by (message, cluster, project) (increase(${local.in_promql.faults}[90m])) > 0"
      duration                  = "10800s"
      evaluation_interval       = "300s"
      disable_metric_validation = true
    }
  }

  documentation {
    subject = "Certherd ${var.installation}: a fault that three hours of waiting did not mend"
    content = "The labels name what it is: `cluster` an API server that cannot be reached, `project` one whose zones cannot be listed, neither of them Secret Manager or Cloud Tasks. The sentence: `gcloud logging read 'resource.labels.service_name=\"${var.installation}-reconcile\" AND severity=WARNING' --freshness=3h`, or `certherd plan` for how it is now. What is served goes on being renewed as far as it can be; new requests of that cluster, and names in those zones, wait."
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

locals {
  depth    = "cloudtasks_googleapis_com:queue_depth"
  attempts = "cloudtasks_googleapis_com:queue_task_attempt_count"
  of_queue = { for issuer, queue in google_cloud_tasks_queue.issuer : issuer => "monitored_resource=\"cloud_tasks_queue\",queue_id=\"${queue.name}\"" }
  # Issue answers 200 to every attempt that it could record, however that ended.
  answered = "ok|OK|2.."
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

  # No task is enqueued more than 24 hours ahead: what was there for an hour, 25 hours ago, was attempted since, or the queue is paused. An
  # empty queue may have no depth at all, so that nothing can be asked of all the hours between.
  conditions {
    display_name = "queue ${each.value.name} has tasks and makes no attempt"

    condition_prometheus_query_language {
      query                     = "min_over_time(${local.depth}{${local.of_queue[each.key]}}[1h] offset 25h) > 0 unless on (queue_id) sum by (queue_id) (increase(${local.attempts}{${local.of_queue[each.key]}}[26h])) > 0"
      duration                  = "600s"
      evaluation_interval       = "600s"
      disable_metric_validation = true
    }
  }

  # A task that is refused is tried for an hour and gone; another one, under a new name, comes seven hours after the first at the latest.
  # Eight hours always hold one of them as long as anything is to do, and the ten that follow leave out what was refused but once, as in the
  # minutes until a grant holds.
  conditions {
    display_name = "queue ${each.value.name} is refused by issue"

    condition_prometheus_query_language {
      query                     = "sum by (queue_id) (increase(${local.attempts}{${local.of_queue[each.key]},response_code!~\"${local.answered}\"}[8h])) > 0 unless on (queue_id) sum by (queue_id) (increase(${local.attempts}{${local.of_queue[each.key]},response_code=~\"${local.answered}\"}[8h])) > 0"
      duration                  = "36000s"
      evaluation_interval       = "600s"
      disable_metric_validation = true
    }
  }

  documentation {
    subject = "Certherd ${var.installation}: the queue of ${each.key} stands still"
    content = "Nothing is issued by ${each.key}, and the functions do not know. `gcloud tasks queues describe ${each.value.name} --location ${var.location}`: when it is PAUSED, `gcloud tasks queues resume ${each.value.name} --location ${var.location}`. Otherwise issue cannot be entered: `gcloud logging read 'resource.labels.service_name=\"${var.installation}-issue\" AND httpRequest.status>=400' --freshness=1d` shows 403 when ${google_service_account.caller["queue"].email} lacks roles/run.invoker on ${var.installation}-issue (docs/permissions.md: `terraform apply` grants it again), 5xx when issue ends with an error that its own log names, and nothing when issueUrl of the configuration is not its address. Then `certherd run`; what was refused comes again within seven hours, or at once with `certherd renew ID`."
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

  # Google keeps a check that an alert asks about: the new one first, then the alert turns to it, then the old one goes.
  lifecycle {
    create_before_destroy = true
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
    content = "Renewal goes on without it. Look at the revisions of ${var.installation}-api: a configuration that is wrong is named in its log, by `CERTHERD_CONFIG has`."
  }
}

locals {
  charts = [
    { title = "Runs of reconcile", metric = local.metric_type.runs, by = [] },
    { title = "Certificates issued", metric = local.metric_type.issued, by = [] },
    { title = "Failed attempts by code", metric = local.metric_type.failures, by = ["metric.label.code"] },
    { title = "Errors by code", metric = local.metric_type.errors, by = ["metric.label.code"] },
    { title = "Faults of runs", metric = local.metric_type.faults, by = ["metric.label.message", "metric.label.cluster", "metric.label.project"] },
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
