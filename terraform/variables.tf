locals {
  # What the functions would refuse when they start is refused here. A DNS name may be in any spelling, so only what no name has is kept out.
  dns_label = "[^\\s.*_/:,]+"
  # A last label of digits alone makes it an IPv4 address.
  dns_last      = "[^\\s.*_/:,]*[^0-9\\s.*_/:,][^\\s.*_/:,]*"
  dns_suffix    = "(${local.dns_label}\\.)*${local.dns_last}"
  dns_name      = "(${local.dns_label}\\.)+${local.dns_last}"
  kubernetes_id = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
}

variable "project_id" {
  type        = string
  description = "The Google Cloud project that Certherd runs in and that keeps the certificates."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Give the id of a project: 6 to 30 lower-case letters, digits and \"-\", beginning with a letter."
  }
}

variable "project_number" {
  type        = string
  description = "The number of that project (`gcloud projects describe ID --format='value(projectNumber)'`). Conditions on secrets and the e-mails of Google's service agents are made of it."
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "Give the project's number, digits only: gcloud projects describe PROJECT --format='value(projectNumber)'."
  }
}

variable "location" {
  type        = string
  description = "The region of functions, queues, the Scheduler job and the source bucket."
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.location))
    error_message = "Give a region such as \"europe-west1\" (gcloud functions regions list), not a zone."
  }
}

variable "installation" {
  type        = string
  description = "Prefix of everything that is made: secrets, service accounts, queues, functions, labels. Two installations in one project never touch each other's things."
  default     = "certherd"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.installation))
    error_message = "Give 2 to 20 lower-case letters, digits and \"-\", beginning with a letter and not ending with \"-\"."
  }
  validation {
    # The secrets of "a" begin with "a-cert-", and so would all of an installation "a-cert" or "a-cert-b"; its queues with "a-queue-".
    condition     = !can(regex("-(cert|account|pending|queue)(-|$)", var.installation))
    error_message = "Give a name without \"-cert\", \"-account\", \"-pending\" or \"-queue\" as a word: its secrets or queues would lie inside another installation's."
  }
}

variable "role_suffix" {
  type        = string
  description = "Ends the id of each custom role, as in \"certherd_secret_lister_2\". Google keeps the id of a deleted role for 37 days and gives the role back in the first 7 alone: between the two, roles are made again with another suffix."
  default     = ""
  nullable    = false

  validation {
    # A role's id has at most 64 characters: 20 of the installation, 17 of the longest name, 13 of a project's number, 8 of these, with "_" between.
    condition     = can(regex("^[a-z0-9_.]{0,8}$", var.role_suffix))
    error_message = "Give at most 8 lower-case letters, digits, \"_\" and \".\", such as \"2\"."
  }
}

variable "source_directory" {
  type        = string
  description = "The folder with reconcile.zip, issue.zip, sync.zip and api.zip, as `npm run build` makes it; none: dist beside the module."
  default     = null
}

variable "issuers" {
  type = map(object({
    # Optional for Terraform alone, here and below: what is missing is told by a sentence.
    directory                 = optional(string)
    contact                   = optional(string)
    key_type                  = optional(string, "ec-p256")
    ca_certificate            = optional(string)
    dispatches_per_second     = optional(number, 2)
    max_concurrent_dispatches = optional(number, 4)
  }))
  description = "The ACME accounts by name: `directory` (https), `contact` (e-mail), `key_type` (\"ec-p256\" or \"rsa-2048\"), `ca_certificate` (PEM root of a private directory's own TLS). `dispatches_per_second` and `max_concurrent_dispatches` limit the issuer's queue; four issues of two writes a second stay below Secret Manager's 600 writes a minute."
  nullable    = false

  validation {
    condition     = length(var.issuers) > 0
    error_message = "Configure at least one issuer, such as { production = { directory = \"https://acme-v02.api.letsencrypt.org/directory\" } }."
  }
  validation {
    condition     = alltrue([for name in keys(var.issuers) : can(regex("^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$", name))])
    error_message = "Name each issuer in at most 30 lower-case letters, digits and \"-\"."
  }
  validation {
    condition     = alltrue([for issuer in values(var.issuers) : can(regex("^https://[^/]+/", issuer.directory))])
    error_message = "Each issuer's directory must be an https:// URL with a path (RFC 8555 section 7.1.1)."
  }
  validation {
    condition     = alltrue([for issuer in values(var.issuers) : contains(["ec-p256", "rsa-2048"], issuer.key_type)])
    error_message = "Each issuer's key_type must be \"ec-p256\" or \"rsa-2048\"."
  }
  validation {
    condition     = alltrue([for issuer in values(var.issuers) : issuer.contact == null || can(regex("^[A-Za-z0-9_'+.-]+@([A-Za-z0-9][A-Za-z0-9-]*\\.)+[A-Za-z]{2,}$", issuer.contact))])
    error_message = "Each issuer's contact must be an e-mail address, without \"mailto:\"."
  }
  validation {
    condition     = alltrue([for issuer in values(var.issuers) : issuer.ca_certificate == null || can(regex("(?s)-----BEGIN CERTIFICATE-----\\s.*\\S.*\\s-----END CERTIFICATE-----", issuer.ca_certificate))])
    error_message = "Each issuer's ca_certificate must be the PEM text of a certificate, from its BEGIN line to its END line: file(\"root.pem\")."
  }
  validation {
    condition     = alltrue([for issuer in values(var.issuers) : issuer.dispatches_per_second > 0 && issuer.dispatches_per_second <= 500])
    error_message = "Each issuer's dispatches_per_second must be above 0 and at most 500 (Cloud Tasks)."
  }
  validation {
    condition     = alltrue([for issuer in values(var.issuers) : issuer.max_concurrent_dispatches >= 1 && issuer.max_concurrent_dispatches <= 5000 && floor(issuer.max_concurrent_dispatches) == issuer.max_concurrent_dispatches])
    error_message = "Each issuer's max_concurrent_dispatches must be a whole number from 1 to 5000 (Cloud Tasks)."
  }
}

variable "default_issuer" {
  type        = string
  description = "The issuer of Ingresses that name none; required with several issuers."
  default     = null

  validation {
    condition     = var.default_issuer == null ? length(var.issuers) <= 1 : contains(keys(var.issuers), coalesce(var.default_issuer, "-"))
    error_message = var.default_issuer == null ? "With several issuers, say which one an Ingress gets that names none: one of ${join(", ", keys(var.issuers))}." : "There is no issuer \"${coalesce(var.default_issuer, "-")}\"; give one of ${join(", ", keys(var.issuers))}."
  }
}

variable "clusters" {
  type = list(object({
    name = optional(string)
    gke  = optional(string)
    kubeconfig_secrets = optional(object({
      reader = optional(string)
      writer = optional(string)
    }))
    ingress_classes = optional(list(string))
    allow = optional(list(object({
      namespaces = optional(list(string), [])
      names      = optional(list(string), [])
      wildcards  = optional(bool, false)
    })))
  }))
  description = "The clusters. Each is reached by `gke` (\"projects/P/locations/L/clusters/C\") or by `kubeconfig_secrets` (ids of secrets that this module makes and a person fills; `writer` defaults to `reader`). `allow` says which namespaces may have which names, and is required with several clusters."
  nullable    = false

  validation {
    condition     = length(var.clusters) > 0
    error_message = "Configure at least one cluster."
  }
  validation {
    condition     = alltrue([for cluster in var.clusters : can(regex("^${local.kubernetes_id}$", cluster.name))])
    error_message = "Give each cluster a name of lower-case letters, digits and \"-\"; it stands in logs, plans and records."
  }
  validation {
    condition     = length(distinct(var.clusters[*].name)) == length(var.clusters)
    error_message = "Two clusters have the same name; a name must say which one is meant."
  }
  validation {
    condition     = alltrue([for cluster in var.clusters : (cluster.gke == null) != (cluster.kubeconfig_secrets == null)])
    error_message = "Give each cluster either gke or kubeconfig_secrets, so that it can be reached in one way."
  }
  validation {
    condition     = alltrue([for cluster in var.clusters : cluster.gke == null || can(regex("^projects/[^/]+/locations/[^/]+/clusters/[^/]+$", cluster.gke))])
    error_message = "A cluster's gke must be \"projects/P/locations/L/clusters/C\"."
  }
  validation {
    condition = alltrue(flatten([
      for cluster in var.clusters : [
        for secrets in cluster.kubeconfig_secrets[*] : can(regex("^[A-Za-z0-9_-]{1,255}$", secrets.reader)) && can(regex("^[A-Za-z0-9_-]{1,255}$", coalesce(secrets.writer, secrets.reader)))
      ]
    ]))
    error_message = "Give kubeconfig_secrets a reader, and a writer if it is another: each the id of a secret (letters, digits, \"_\" and \"-\"), not its path."
  }
  validation {
    condition = alltrue(flatten([
      for cluster in var.clusters : [
        for id in compact(cluster.kubeconfig_secrets == null ? [] : values(cluster.kubeconfig_secrets)) :
        alltrue([for kind in ["cert", "account", "pending"] : !startswith(id, "${var.installation}-${kind}-")])
      ]
    ]))
    error_message = "A kubeconfig secret must not begin like this installation's own secrets (cert, account, pending): who may read those could read it. Call it \"kubeconfig-CLUSTER\"."
  }
  validation {
    condition = alltrue([
      for cluster in var.clusters : cluster.ingress_classes == null || length(compact(coalesce(cluster.ingress_classes, []))) > 0
    ])
    error_message = "A cluster's ingress_classes must name at least one class; leave it out for any class."
  }
  validation {
    condition     = length(var.clusters) == 1 || alltrue([for cluster in var.clusters : cluster.allow != null])
    error_message = "With several clusters each needs allow: which of its namespaces may have which names. Anybody who may write an Ingress could else have every name."
  }
  validation {
    condition = alltrue(flatten([
      for cluster in var.clusters : [
        for rule in coalesce(cluster.allow, []) :
        length(rule.namespaces) > 0 && length(rule.names) > 0 &&
        alltrue([for name in rule.namespaces : name == "*" || can(regex("^${local.kubernetes_id}$", name))]) &&
        alltrue([for name in rule.names : name == "*" || can(regex("^${local.dns_suffix}$", name))])
      ]
    ]))
    error_message = "Each allow rule needs at least one namespace and one DNS name, such as { namespaces = [\"web\"], names = [\"example.org\"] }; \"*\" stands for all, and wildcards = true takes the place of \"*.\"."
  }
}

variable "zones" {
  type = list(object({
    project = optional(string)
    name    = optional(string)
  }))
  description = "The public managed zones that challenges may be written to: the project of each and its name (not its DNS name). Only TXT record sets at `_acme-challenge` names are writable."
  nullable    = false

  validation {
    condition     = length(var.zones) > 0
    error_message = "Name at least one managed zone: { project = \"dns-project\", name = \"example-org\" } (gcloud dns managed-zones list)."
  }
  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", zone.project))])
    error_message = "Give each zone the id of its project, { project = \"dns-project\", name = \"example-org\" }; it may be another than project_id."
  }
  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", zone.name))])
    error_message = "Give the name of a managed zone, such as \"example-org\", not its DNS name."
  }
  validation {
    condition     = length(distinct([for zone in var.zones : jsonencode(zone)])) == length(var.zones)
    error_message = "A zone is named twice."
  }
}

variable "delegated" {
  type        = list(string)
  description = "DNS suffixes elsewhere whose `_acme-challenge` names are CNAMEs to an `_acme-challenge` name in one of the zones."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.delegated : can(regex("^${local.dns_suffix}$", name))])
    error_message = "Give DNS names such as \"partner.example\", no addresses, without \"*.\" and without a final dot."
  }
}

variable "wildcards" {
  type        = list(string)
  description = "Names such as \"example.org\" whose direct children share one wildcard certificate where a rule grants it."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.wildcards : can(regex("^${local.dns_name}$", name))])
    error_message = "Give each name without \"*.\" and without a final dot, such as \"example.org\"."
  }
}

variable "certificates" {
  type = list(object({
    cluster   = optional(string)
    namespace = optional(string)
    secret    = optional(string)
    names     = optional(list(string), [])
    issuer    = optional(string)
  }))
  description = "Certificates that are asked for here instead of by an Ingress, such as a controller's default certificate."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for certificate in var.certificates : contains(var.clusters[*].name, coalesce(certificate.cluster, "-"))])
    error_message = "A certificate names no cluster, or one that is not configured; give one of ${join(", ", compact(var.clusters[*].name))}."
  }
  validation {
    condition     = alltrue([for certificate in var.certificates : certificate.issuer == null || contains(keys(var.issuers), coalesce(certificate.issuer, "-"))])
    error_message = "A certificate names an unknown issuer; give one of ${join(", ", keys(var.issuers))}."
  }
  validation {
    condition     = alltrue([for certificate in var.certificates : length(certificate.names) >= 1 && length(certificate.names) <= 100])
    error_message = "A certificate has from 1 to 100 names."
  }
  validation {
    condition = alltrue(flatten([
      for certificate in var.certificates : [for name in certificate.names : can(regex("^(\\*\\.)?${local.dns_name}$", name))]
    ]))
    error_message = "A certificate's names must be DNS names such as \"www.example.org\" or \"*.example.org\"."
  }
  validation {
    condition = alltrue([
      for certificate in var.certificates :
      can(regex("^${local.kubernetes_id}$", certificate.namespace)) && can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", certificate.secret))
    ])
    error_message = "A certificate's namespace and secret must be given, as names of a Kubernetes namespace and Secret: lower-case letters, digits and \"-\"."
  }
}

variable "opt_in_annotation" {
  type        = string
  description = "The annotation by which an Ingress opts in. Another one lets a staging installation live beside production."
  default     = "kubernetes.io/tls-acme"
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$", var.opt_in_annotation))
    error_message = "Give the key of a Kubernetes annotation, such as \"kubernetes.io/tls-acme\"."
  }
}

variable "access" {
  type = object({
    viewers   = optional(list(string), [])
    operators = optional(list(string), [])
    admins    = optional(list(string), [])
  })
  description = "Who may use the api: \"user:EMAIL\" or \"serviceAccount:EMAIL\". Each also becomes an invoker of its Run service."
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in flatten(values(var.access)) : can(regex("^(user|serviceAccount):[^@\\s:]+@[^@\\s:]+$", member))])
    error_message = "Give each member as \"user:EMAIL\" or \"serviceAccount:EMAIL\"; groups and everybody are not possible, because a token names a person."
  }
}

variable "keep_versions" {
  type        = number
  description = "Versions of a certificate that are kept for going back."
  default     = 2
  nullable    = false

  validation {
    condition     = var.keep_versions >= 1 && var.keep_versions <= 50 && floor(var.keep_versions) == var.keep_versions
    error_message = "Give a whole number from 1 to 50."
  }
}

variable "settle_seconds" {
  type        = number
  description = "How long to wait after every name server answers, for those that cannot be seen (anycast)."
  default     = 20
  nullable    = false

  validation {
    condition     = var.settle_seconds >= 0 && var.settle_seconds <= 60
    error_message = "Give from 0 to 60 seconds: a worker has 90."
  }
}

variable "handshake_allow" {
  type        = list(string)
  description = "Private ranges (CIDR) that may be dialled to prove that a host serves its certificate."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.handshake_allow : can(cidrhost(range, 0))])
    error_message = "Give ranges such as \"10.0.0.0/8\"."
  }
}

variable "schedule" {
  type        = string
  description = "When reconcile runs, as cron of five fields; default: hourly, at a minute that is a hash of project and installation, so that not all projects ask their CA at once. Certificates are looked at for the hour to come, so it must fire at least hourly."
  default     = null

  validation {
    condition     = var.schedule == null || can(regex("^(\\*(/([1-9]|[1-5][0-9]))?|[1-5]?[0-9](,[1-5]?[0-9])*) \\*(/1)? \\* \\* \\*$", coalesce(var.schedule, "-")))
    error_message = "Give a cron schedule that fires every hour of every day, such as \"17 * * * *\" or \"*/20 * * * *\"; a rarer one would miss renewals, and one such as \"0 0 31 2 *\" never fires."
  }
}

variable "time_zone" {
  type        = string
  description = "The time zone of the schedule, by its name in the tz database. A city that there is not is only known to Cloud Scheduler, which refuses the job when it is applied."
  default     = "Etc/UTC"
  nullable    = false

  validation {
    condition     = can(regex("^(UTC|(Etc|Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)(/[A-Za-z][A-Za-z0-9_+-]*){1,2})$", var.time_zone))
    error_message = "Give a name of the tz database, \"UTC\" or area and city, such as \"Europe/Berlin\"."
  }
}

variable "notification_channels" {
  type        = list(string)
  description = "Cloud Monitoring channels that alerts go to: \"projects/P/notificationChannels/N\" (gcloud beta monitoring channels list)."
  nullable    = false

  validation {
    condition     = length(var.notification_channels) > 0
    error_message = "Give at least one notification channel: an alert that reaches nobody is none (gcloud beta monitoring channels create)."
  }
  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "Give each channel as \"projects/P/notificationChannels/N\"."
  }
  validation {
    condition = alltrue([
      for channel in var.notification_channels : !can(regex("^projects/[^/]+/notificationChannels/", channel)) || can(regex("^projects/(${var.project_id}|${var.project_number})/", channel))
    ])
    error_message = "A channel must be of the project itself, \"projects/${var.project_id}/notificationChannels/N\": its alerts can reach no other's."
  }
}

variable "vpc_egress" {
  type = object({
    network    = optional(string)
    subnetwork = optional(string)
    tags       = optional(list(string), [])
  })
  description = "Sends what reconcile and sync call through this network (direct VPC egress), for clusters that have private addresses only. What is public is called past it, so Cloud NAT is not needed; for a shared VPC, Google's agent `service-NUMBER@serverless-robot-prod` needs `roles/compute.networkUser` on the subnetwork."
  default     = null

  validation {
    condition     = var.vpc_egress == null || try(length(trimspace(var.vpc_egress.network)) > 0 && length(trimspace(var.vpc_egress.subnetwork)) > 0, false)
    error_message = "Give network and subnetwork, by name or as \"projects/P/regions/R/subnetworks/S\" when they are another project's."
  }
}

variable "kms_key" {
  type        = string
  description = "A Cloud KMS key of the same location (\"projects/P/locations/L/keyRings/R/cryptoKeys/K\") for all secrets, the source bucket and the topics; secrets then lie in that location alone, and those that exist stay where and as they are. Google's service agents of Secret Manager, Cloud Storage, Pub/Sub and Artifact Registry must be allowed to encrypt and decrypt with it first. The images of reconcile, issue and sync are Google's to keep and have none of it."
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", coalesce(var.kms_key, "-")))
    error_message = "Give \"projects/P/locations/L/keyRings/R/cryptoKeys/K\"."
  }
  validation {
    condition     = var.kms_key == null || strcontains(coalesce(var.kms_key, "-"), "/locations/${var.location}/")
    error_message = "Give a key in the location of everything else (${var.location}): Cloud Storage and Secret Manager take no other."
  }
}

variable "secret_locations" {
  type        = list(string)
  description = "The regions in which secrets lie, for an organisation whose location policy forbids \"global\"; none: Google chooses. Secrets that exist stay where they are, those of kubeconfigs too."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for location in var.secret_locations : can(regex("^[a-z]+-[a-z]+[0-9]+$", location))])
    error_message = "Give regions such as \"europe-west1\"."
  }
  validation {
    condition     = var.kms_key == null || length(var.secret_locations) == 0
    error_message = "Give kms_key or secret_locations: with a key of your own the secrets lie where the key does."
  }
}

variable "iap" {
  type        = bool
  description = "Puts Identity-Aware Proxy before the api, so that people open its status page in a browser."
  default     = false
  nullable    = false
}

variable "min_instances" {
  type        = number
  description = "Instances of the api that are kept warm; 0 costs nothing while nobody asks."
  default     = 0
  nullable    = false

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= 10 && floor(var.min_instances) == var.min_instances
    error_message = "Give a whole number from 0 to 10."
  }
}

variable "activate_apis" {
  type        = bool
  description = "Enables the APIs that are used; false when the project's owners do it."
  default     = true
  nullable    = false
}

variable "labels" {
  type        = map(string)
  description = "Labels of everything that takes some, at most 60."
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "Give labels in lower-case letters, digits, \"_\" and \"-\", at most 63 characters each, keys beginning with a letter."
  }
  validation {
    # Google takes 64; the module and Google's own tools add some.
    condition     = length(var.labels) <= 60
    error_message = "Give at most 60 labels: a resource takes 64, some of which are not yours."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Keeps Terraform from deleting the api."
  default     = true
  nullable    = false
}
