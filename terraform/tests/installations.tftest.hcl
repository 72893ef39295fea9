# Staging and production in one project share nothing.

provider "google" {
  project      = "acme-tls"
  access_token = "none"
}

variables {
  project_id            = "acme-tls"
  project_number        = "123456789"
  source_directory      = "../dist"
  issuers               = { letsencrypt = { directory = "https://ca.test/directory" } }
  clusters              = [{ name = "main", gke = "projects/acme-tls/locations/europe-west1/clusters/main" }]
  notification_channels = ["projects/acme-tls/notificationChannels/1"]
}

run "staging" {
  command = plan

  variables {
    installation = "staging"
    zones        = [{ project = "acme-tls", name = "staging-example-org" }]
  }
}

run "production" {
  command = plan

  variables {
    installation = "production"
    zones        = [{ project = "acme-tls", name = "example-org" }]
  }

  assert {
    condition     = length(setintersection(values(output.service_accounts), values(run.staging.service_accounts))) == 0
    error_message = "No account is shared."
  }
  assert {
    condition     = length(setintersection(values(output.callers), values(run.staging.callers))) == 0
    error_message = "No caller is shared."
  }
  assert {
    condition     = length(setintersection(values(output.function_urls), values(run.staging.function_urls))) == 0 && output.api_url != run.staging.api_url
    error_message = "No address is shared."
  }
  assert {
    condition     = length(setintersection(values(output.config.runtime.queues), values(run.staging.config.runtime.queues))) == 0 && output.config.runtime.topic != run.staging.config.runtime.topic && output.config.runtime.schedulerJob != run.staging.config.runtime.schedulerJob
    error_message = "Neither queue, topic nor job is shared."
  }
  assert {
    condition     = output.config.installation == "production" && run.staging.config.installation == "staging"
    error_message = "Secrets and labels have a prefix of their own."
  }
  assert {
    condition = alltrue([
      for grant in google_project_iam_member.function : !strcontains(try(grant.condition[0].expression, ""), "secrets/staging-")
    ])
    error_message = "Production may not touch staging's secrets."
  }
  assert {
    condition     = values(google_dns_managed_zone_iam_member.txt_writer)[*].managed_zone == ["example-org"]
    error_message = "Production writes its own zone alone."
  }
  assert {
    condition     = output.schedule != run.staging.schedule
    error_message = "They do not ask the CA in the same minute."
  }
}
