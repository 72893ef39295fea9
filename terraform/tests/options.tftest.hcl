# What can be asked for besides, each on.

provider "google" {
  project      = "acme-tls"
  access_token = "none"
}

variables {
  project_id            = "acme-tls"
  project_number        = "123456789"
  source_directory      = "../dist"
  issuers               = { production = { directory = "https://ca.test/directory" } }
  clusters              = [{ name = "ovh", kubeconfig_secrets = { reader = "kubeconfig-ovh-reader", writer = "kubeconfig-ovh-writer" } }]
  zones                 = [{ project = "acme-dns", name = "example-org" }]
  access                = { viewers = ["user:sre@example.org"] }
  notification_channels = ["projects/acme-tls/notificationChannels/1"]
}

run "everything_on" {
  command = plan

  variables {
    vpc_egress    = { network = "main", subnetwork = "main-europe", tags = ["certherd"] }
    kms_key       = "projects/acme-keys/locations/europe-west1/keyRings/tls/cryptoKeys/certherd"
    iap           = true
    min_instances = 1
    schedule      = "*/20 * * * *"
    activate_apis = false
  }

  assert {
    condition = alltrue([
      for name in ["reconcile", "sync"] :
      google_cloudfunctions2_function.main[name].service_config[0].direct_vpc_egress == "VPC_EGRESS_PRIVATE_RANGES_ONLY" && google_cloudfunctions2_function.main[name].service_config[0].direct_vpc_network_interface[0].subnetwork == "main-europe"
    ])
    error_message = "What reaches into clusters goes through the network, and what is public does not."
  }
  assert {
    condition     = length(google_cloudfunctions2_function.main["issue"].service_config[0].direct_vpc_network_interface) == 0
    error_message = "issue asks the CA and the world's name servers, and needs no network of ours."
  }
  assert {
    condition     = google_storage_bucket.source.encryption[0].default_kms_key_name == var.kms_key && google_pubsub_topic.versions.kms_key_name == var.kms_key && google_pubsub_topic.dead.kms_key_name == var.kms_key && google_artifact_registry_repository.api.kms_key_name == var.kms_key
    error_message = "Everything that takes a key of one's own has it."
  }
  assert {
    condition     = output.config.replicas[0].location == "europe-west1" && output.config.replicas[0].kmsKey == var.kms_key
    error_message = "The functions make their secrets in the key's location, under the key."
  }
  assert {
    condition     = google_cloud_run_v2_service.api.iap_enabled && google_iap_web_cloud_run_service_iam_member.api["user:sre@example.org"].role == "roles/iap.httpsResourceAccessor"
    error_message = "Identity-Aware Proxy stands before the api and lets in whom `access` names."
  }
  assert {
    condition     = contains(keys(google_cloud_run_v2_service_iam_member.api), "serviceAccount:service-123456789@gcp-sa-iap.iam.gserviceaccount.com")
    error_message = "Identity-Aware Proxy itself may call the api."
  }
  assert {
    condition     = output.config.runtime.iapAudience == "/projects/123456789/locations/europe-west1/services/${var.installation}-api"
    error_message = "The api knows whom the assertions of Identity-Aware Proxy must be made out to."
  }
  assert {
    condition     = google_cloud_run_v2_service.api.template[0].scaling[0].min_instance_count == 1
    error_message = "The api is kept warm when asked for."
  }
  assert {
    condition     = output.schedule == "*/20 * * * *" && length(google_project_service.main) == 0
    error_message = "A schedule of one's own; APIs are left to the project's owners."
  }
  assert {
    condition = { for key, grant in google_secret_manager_secret_iam_member.kubeconfig : key => "${grant.secret_id} ${grant.member}" } == {
      ovh-reconcile = "kubeconfig-ovh-reader serviceAccount:certherd-reconcile@acme-tls.iam.gserviceaccount.com"
      ovh-sync      = "kubeconfig-ovh-writer serviceAccount:certherd-sync@acme-tls.iam.gserviceaccount.com"
    }
    error_message = "Each of the two reads its own kubeconfig."
  }
  assert {
    condition     = length(google_project_iam_custom_role.cluster_connector) == 0
    error_message = "Without a GKE cluster nobody may look for one."
  }
  assert {
    condition     = toset(values(google_project_iam_custom_role.dns)[*].project) == toset(["acme-dns"])
    error_message = "The roles on zones lie in the zones' project."
  }
  assert {
    condition = toset(values(google_project_iam_custom_role.dns)[*].role_id) == toset([
      "certherd_zone_lister_123456789", "certherd_change_maker_123456789", "certherd_txt_writer_123456789",
    ])
    error_message = "In another project a role has the deployment's number, so that two deployments may share it."
  }
}

run "another_deployment_with_the_same_zones_and_clusters" {
  command = plan

  variables {
    project_id            = "acme-two"
    project_number        = "987654321"
    clusters              = [{ name = "main", gke = "projects/acme-clusters/locations/europe-west1/clusters/main" }]
    notification_channels = ["projects/acme-two/notificationChannels/1"]
  }

  assert {
    condition     = alltrue([for role in values(google_project_iam_custom_role.dns) : endswith(role.role_id, "_987654321") && role.project == "acme-dns"])
    error_message = "Its roles on zones are others."
  }
  assert {
    condition     = google_project_iam_custom_role.cluster_connector["acme-clusters"].role_id == "certherd_cluster_connector_987654321" && google_project_iam_member.cluster_connector["acme-clusters-sync"].role == "projects/acme-clusters/roles/certherd_cluster_connector_987654321"
    error_message = "Its role on clusters is another too."
  }
}

# With the longest of everything that a role's id is made of.
run "roles_made_again_while_google_still_holds_their_ids" {
  command = plan

  variables {
    installation   = "certherd-production1"
    project_number = "1234567890123"
    role_suffix    = "20261121"
    clusters       = [{ name = "main", gke = "projects/acme-clusters/locations/europe-west1/clusters/main" }]
  }

  assert {
    condition = alltrue([
      for role in concat(values(google_project_iam_custom_role.main), values(google_project_iam_custom_role.dns), values(google_project_iam_custom_role.cluster_connector), [google_project_iam_custom_role.kubeconfig_reader]) :
      can(regex("^certherd_production1_[a-z_]+(_1234567890123)?_20261121$", role.role_id)) && length(role.role_id) <= 64
    ])
    error_message = "Each custom role ends with the suffix, and Google takes its id."
  }
  assert {
    condition = alltrue([
      for grant in concat(values(google_project_iam_member.function), values(google_project_iam_member.zone_lister), values(google_project_iam_member.cluster_connector), values(google_dns_managed_zone_iam_member.change_maker), values(google_dns_managed_zone_iam_member.txt_writer), values(google_cloud_tasks_queue_iam_member.function)) :
      endswith(grant.role, "_20261121")
    ])
    error_message = "What is granted is the role with the suffix."
  }
}

run "a_network_takes_compute_engine" {
  command = plan

  variables {
    vpc_egress = { network = "main", subnetwork = "main-europe" }
  }

  assert {
    condition     = google_project_service.main["compute"].service == "compute.googleapis.com"
    error_message = "Direct VPC egress asks Compute Engine for the network."
  }
}

run "more_issuers_than_a_policy_takes_conditions" {
  command = plan

  variables {
    issuers        = { for name in ["a", "b", "c", "d", "e", "f", "g"] : name => { directory = "https://ca.test/directory" } }
    default_issuer = "a"
  }

  assert {
    condition     = length(google_monitoring_alert_policy.queue_stands_still) == 7 && alltrue([for policy in google_monitoring_alert_policy.queue_stands_still : length(policy.conditions) == 2])
    error_message = "Each issuer's queue has a policy of its own."
  }
}

run "a_configuration_that_no_environment_takes" {
  command         = plan
  expect_failures = [output.config]

  variables {
    certificates = [for n in range(500) : { cluster = "ovh", namespace = "web", secret = "tls-${n}", names = ["${n}.example.org"] }]
  }
}

run "names_of_queues_tell_installation_and_issuer_apart" {
  command = plan

  variables {
    installation = "certherd-staging"
    issuers      = { x = { directory = "https://ca.test/directory" } }
  }

  assert {
    # An issuer "staging-x" of the installation "certherd" has "certherd-queue-staging-x".
    condition     = google_cloud_tasks_queue.issuer["x"].name == "certherd-staging-queue-x"
    error_message = "Two installations may have no queue of the same name."
  }
}
