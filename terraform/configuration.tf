# The document that every function reads from CERTHERD_CONFIG; docs/config.schema.json describes it. A key without a value is left out.

locals {
  project_path   = "projects/${var.project_id}"
  zone_projects  = distinct(var.zones[*].project)
  default_issuer = coalesce(var.default_issuer, keys(var.issuers)[0])
  labels         = merge(var.labels, { certherd-installation = var.installation })

  # A function's environment cannot refer to its own url, and reconcile and the api need each other's: these two forms are fixed.
  function_urls = {
    for name in ["reconcile", "issue", "sync"] :
    name => "https://${var.location}-${var.project_id}.cloudfunctions.net/${var.installation}-${name}"
  }
  api_url = "https://${var.installation}-api-${var.project_number}.${var.location}.run.app"

  # A key of one's own is good for its own region alone.
  replicas = var.kms_key != null ? [{ location = var.location, kmsKey = var.kms_key }] : [for location in var.secret_locations : { location = location }]

  config = {
    format    = 1
    project   = var.project_id
    location  = var.location
    issuers   = { for name, issuer in var.issuers : name => { for key, value in local.issuer_documents[name] : key => value if value != null } }
    clusters  = [for cluster in local.cluster_documents : { for key, value in cluster : key => value if value != null }]
    zones     = [for project in local.zone_projects : { project = project }]
    delegated = var.delegated
    wildcards = var.wildcards
    certificates = [
      for certificate in var.certificates : { for key, value in certificate : key => value if value != null }
    ]
    defaultIssuer = local.default_issuer
    optIn         = { annotation = var.opt_in_annotation }
    access        = var.access
    installation  = var.installation
    keepVersions  = var.keep_versions
    replicas      = local.replicas
    dns           = { settleSeconds = var.settle_seconds }
    handshake     = { allow = var.handshake_allow }
    runtime = merge({
      reconcileUrl = local.function_urls.reconcile
      issueUrl     = local.function_urls.issue
      queues       = { for name in keys(var.issuers) : name => "${var.installation}-queue-${name}" }
      topic        = "${local.project_path}/topics/${var.installation}-versions"
      schedulerJob = "${var.installation}-reconcile"
      audience     = local.api_url
      invoker      = google_service_account.caller["queue"].email
    }, var.iap ? { iapAudience = "/projects/${var.project_number}/locations/${var.location}/services/${var.installation}-api" } : {})
  }

  issuer_documents = {
    for name, issuer in var.issuers : name => {
      directory     = issuer.directory
      contact       = issuer.contact
      keyType       = issuer.key_type
      caCertificate = issuer.ca_certificate
    }
  }

  cluster_documents = [
    for cluster in var.clusters : {
      name             = cluster.name
      gke              = cluster.gke
      kubeconfigSecret = cluster.kubeconfig_secrets == null ? null : { reader = cluster.kubeconfig_secrets.reader, writer = coalesce(cluster.kubeconfig_secrets.writer, cluster.kubeconfig_secrets.reader) }
      ingressClasses   = cluster.ingress_classes
      allow            = cluster.allow
    }
  ]
}
