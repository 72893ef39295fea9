# Each validation refuses what it is there for. No provider is asked, so nothing of Google is needed.

mock_provider "google" {}

variables {
  project_id            = "acme-tls"
  project_number        = "123456789"
  source_directory      = "../dist"
  issuers               = { test = { directory = "https://ca.test/directory" } }
  clusters              = [{ name = "main", gke = "projects/acme-tls/locations/europe-west1/clusters/main" }]
  zones                 = [{ project = "acme-tls", name = "example-org" }]
  notification_channels = ["projects/acme-tls/notificationChannels/1"]
}

run "a_project_id_in_capitals" {
  command         = plan
  expect_failures = [var.project_id]

  variables {
    project_id = "Acme"
  }
}

run "a_project_number_that_is_a_name" {
  command         = plan
  expect_failures = [var.project_number]

  variables {
    project_number = "acme-tls"
  }
}

run "a_zone_in_place_of_a_region" {
  command         = plan
  expect_failures = [var.location]

  variables {
    location = "europe-west1-b"
  }
}

run "an_installation_that_ends_with_a_dash" {
  command         = plan
  expect_failures = [var.installation]

  variables {
    installation = "herd-"
  }
}

run "an_installation_whose_secrets_would_lie_inside_those_of_another" {
  command         = plan
  expect_failures = [var.installation]

  variables {
    installation = "herd-cert"
  }
}

run "a_suffix_too_long_for_a_role" {
  command         = plan
  expect_failures = [var.role_suffix]

  variables {
    role_suffix = "november21"
  }
}

run "a_folder_without_the_zips" {
  command         = plan
  expect_failures = [google_storage_bucket.source]

  variables {
    source_directory = "."
  }
}

run "no_issuer" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = {}
  }
}

run "an_issuer_whose_name_is_no_name" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { "Let's Encrypt" = { directory = "https://ca.test/directory" } }
  }
}

run "an_issuer_without_tls" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { test = { directory = "http://ca.test/directory" } }
  }
}

run "a_key_that_no_ca_signs" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { test = { directory = "https://ca.test/directory", key_type = "rsa-1024" } }
  }
}

run "a_contact_with_a_scheme" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { test = { directory = "https://ca.test/directory", contact = "mailto:ops@example.org" } }
  }
}

run "a_root_given_by_its_path" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { test = { directory = "https://ca.test/directory", ca_certificate = "root.pem" } }
  }
}

run "a_queue_that_hands_out_nothing" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { test = { directory = "https://ca.test/directory", dispatches_per_second = 0 } }
  }
}

run "half_a_task_at_once" {
  command         = plan
  expect_failures = [var.issuers]

  variables {
    issuers = { test = { directory = "https://ca.test/directory", max_concurrent_dispatches = 0.5 } }
  }
}

run "an_unknown_default_issuer" {
  command         = plan
  expect_failures = [var.default_issuer]

  variables {
    default_issuer = "production"
  }
}

run "no_cluster" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = []
  }
}

run "a_cluster_without_a_name" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{ gke = "projects/p/locations/l/clusters/c" }]
  }
}

run "two_clusters_of_one_name" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [
      { name = "main", gke = "projects/p/locations/l/clusters/c", allow = [{ namespaces = ["*"], names = ["*"] }] },
      { name = "main", gke = "projects/p/locations/l/clusters/d", allow = [{ namespaces = ["*"], names = ["*"] }] },
    ]
  }
}

run "a_cluster_that_is_reached_in_two_ways" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{
      name               = "main"
      gke                = "projects/p/locations/l/clusters/c"
      kubeconfig_secrets = { reader = "kubeconfig-main" }
    }]
  }
}

run "a_gke_cluster_by_its_bare_name" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{ name = "main", gke = "main" }]
  }
}

run "a_kubeconfig_by_its_path" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{ name = "main", kubeconfig_secrets = { reader = "projects/p/secrets/kubeconfig" } }]
  }
}

run "a_kubeconfig_among_the_certificates" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{ name = "main", kubeconfig_secrets = { reader = "certherd-cert-main" } }]
  }
}

run "a_list_of_no_ingress_class" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{
      name            = "main"
      gke             = "projects/p/locations/l/clusters/c"
      ingress_classes = []
    }]
  }
}

run "several_clusters_and_anybody_may_have_any_name" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [
      { name = "one", gke = "projects/p/locations/l/clusters/c" },
      { name = "two", gke = "projects/p/locations/l/clusters/d" },
    ]
  }
}

run "an_allow_rule_with_a_wildcard_for_a_name" {
  command         = plan
  expect_failures = [var.clusters]

  variables {
    clusters = [{
      name  = "main"
      gke   = "projects/p/locations/l/clusters/c"
      allow = [{ namespaces = ["web"], names = ["*.example.org"] }]
    }]
  }
}

run "no_zone" {
  command         = plan
  expect_failures = [var.zones]

  variables {
    zones = []
  }
}

run "a_zone_without_a_project" {
  command         = plan
  expect_failures = [var.zones]

  variables {
    zones = [{ name = "example-org" }]
  }
}

run "a_zone_by_its_dns_name" {
  command         = plan
  expect_failures = [var.zones]

  variables {
    zones = [{ project = "acme-dns", name = "example.org." }]
  }
}

run "a_zone_twice" {
  command         = plan
  expect_failures = [var.zones]

  variables {
    zones = [{ project = "acme-dns", name = "example-org" }, { project = "acme-dns", name = "example-org" }]
  }
}

run "a_delegated_wildcard" {
  command         = plan
  expect_failures = [var.delegated]

  variables {
    delegated = ["*.partner.example"]
  }
}

run "a_wildcard_with_its_star" {
  command         = plan
  expect_failures = [var.wildcards]

  variables {
    wildcards = ["*.example.org"]
  }
}

run "a_certificate_for_a_cluster_that_there_is_not" {
  command         = plan
  expect_failures = [var.certificates]

  variables {
    certificates = [{ cluster = "other", namespace = "web", secret = "tls", names = ["example.org"] }]
  }
}

run "a_certificate_of_an_unknown_issuer" {
  command         = plan
  expect_failures = [var.certificates]

  variables {
    certificates = [{ cluster = "main", namespace = "web", secret = "tls", names = ["example.org"], issuer = "other" }]
  }
}

run "a_certificate_of_no_name" {
  command         = plan
  expect_failures = [var.certificates]

  variables {
    certificates = [{ cluster = "main", namespace = "web", secret = "tls", names = [] }]
  }
}

run "a_certificate_for_a_single_label" {
  command         = plan
  expect_failures = [var.certificates]

  variables {
    certificates = [{ cluster = "main", namespace = "web", secret = "tls", names = ["localhost"] }]
  }
}

run "a_certificate_for_a_secret_in_capitals" {
  command         = plan
  expect_failures = [var.certificates]

  variables {
    certificates = [{ cluster = "main", namespace = "web", secret = "TLS", names = ["example.org"] }]
  }
}

run "an_opt_in_that_is_no_annotation" {
  command         = plan
  expect_failures = [var.opt_in_annotation]

  variables {
    opt_in_annotation = "tls acme"
  }
}

run "a_group_in_place_of_a_person" {
  command         = plan
  expect_failures = [var.access]

  variables {
    access = { admins = ["group:sre@example.org"] }
  }
}

run "no_version_kept" {
  command         = plan
  expect_failures = [var.keep_versions]

  variables {
    keep_versions = 0
  }
}

run "a_pause_that_outlasts_the_worker" {
  command         = plan
  expect_failures = [var.settle_seconds]

  variables {
    settle_seconds = 61
  }
}

run "an_address_in_place_of_a_range" {
  command         = plan
  expect_failures = [var.handshake_allow]

  variables {
    handshake_allow = ["10.0.0.1"]
  }
}

run "a_schedule_that_never_fires" {
  command         = plan
  expect_failures = [var.schedule]

  variables {
    schedule = "0 0 31 2 *"
  }
}

run "a_time_zone_by_its_abbreviation" {
  command         = plan
  expect_failures = [var.time_zone]

  variables {
    time_zone = "CET"
  }
}

run "an_alert_without_a_channel" {
  command         = plan
  expect_failures = [var.notification_channels]

  variables {
    notification_channels = []
  }
}

run "an_e_mail_address_for_a_channel" {
  command         = plan
  expect_failures = [var.notification_channels]

  variables {
    notification_channels = ["ops@example.org"]
  }
}

run "a_channel_of_another_project" {
  command         = plan
  expect_failures = [var.notification_channels]

  variables {
    notification_channels = ["projects/acme-alerts/notificationChannels/1"]
  }
}

run "a_network_without_its_subnetwork" {
  command         = plan
  expect_failures = [var.vpc_egress]

  variables {
    vpc_egress = { network = "main", subnetwork = "" }
  }
}

run "a_key_by_its_bare_name" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "secrets"
  }
}

run "half_an_instance" {
  command         = plan
  expect_failures = [var.min_instances]

  variables {
    min_instances = 0.5
  }
}

run "a_label_in_capitals" {
  command         = plan
  expect_failures = [var.labels]

  variables {
    labels = { Team = "SRE" }
  }
}

run "more_labels_than_a_resource_takes" {
  command         = plan
  expect_failures = [var.labels]

  variables {
    labels = { for n in range(61) : "k${n}" => "v" }
  }
}

run "key_of_another_place" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "projects/acme-keys/locations/us-east1/keyRings/tls/cryptoKeys/certherd"
  }
}

run "secrets_in_no_region" {
  command         = plan
  expect_failures = [var.secret_locations]

  variables {
    secret_locations = ["europe"]
  }
}

run "secrets_elsewhere_than_their_key" {
  command         = plan
  expect_failures = [var.secret_locations]

  variables {
    kms_key          = "projects/acme-keys/locations/europe-west1/keyRings/tls/cryptoKeys/certherd"
    secret_locations = ["europe-west4"]
  }
}
