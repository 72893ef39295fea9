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
      google_cloudfunctions2_function.main[name].service_config[0].direct_vpc_egress == "VPC_EGRESS_ALL_TRAFFIC" && google_cloudfunctions2_function.main[name].service_config[0].direct_vpc_network_interface[0].subnetwork == "main-europe"
    ])
    error_message = "What reaches into clusters goes through the network."
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
    condition     = google_cloud_run_v2_service.api.iap_enabled && google_iap_web_cloud_run_service_iam_member.api["user:sre@example.org"].role == "roles/iap.httpsResourceAccessor"
    error_message = "Identity-Aware Proxy stands before the api and lets in whom `access` names."
  }
  assert {
    condition     = contains(keys(google_cloud_run_v2_service_iam_member.api), "serviceAccount:service-123456789@gcp-sa-iap.iam.gserviceaccount.com")
    error_message = "Identity-Aware Proxy itself may call the api."
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
}
