locals {
  # As a grant of Google would name somebody, and everybody: RBAC would take the one and let nobody in, or take the other and let all of them in.
  no_user = "^(user:|group:|serviceAccount:|system:anonymous$)"
}

variable "installation" {
  type        = string
  description = "The installation whose functions get in; names of what is made begin with it."
  default     = "certherd"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.installation))
    error_message = "Give at most 20 lower-case letters, digits and \"-\", beginning with a letter and not ending with \"-\"."
  }
  validation {
    condition     = !can(regex("-(cert|account|pending|queue)(-|$)", var.installation))
    error_message = "No installation is called so: \"-cert\", \"-account\", \"-pending\" and \"-queue\" as a word are refused."
  }
}

variable "reader" {
  type        = string
  description = "Who reads as reconcile: the e-mail of its service account on GKE, else the user name of the kubeconfig (\"system:serviceaccount:NAMESPACE:NAME\" for a Kubernetes service account)."

  validation {
    condition     = length(trimspace(var.reader)) > 0
    error_message = "Give reconcile's account, such as module.certherd.service_accounts.reconcile."
  }
  validation {
    condition     = !can(regex(local.no_user, var.reader))
    error_message = "Give reconcile's user name as the cluster knows it: an e-mail alone, without \"serviceAccount:\" or \"user:\" before it, or \"system:serviceaccount:NAMESPACE:NAME\"."
  }
  validation {
    condition     = !can(regex("\\bPROJECT\\b", var.reader))
    error_message = "Put the id of the project in place of PROJECT, such as \"certherd-reconcile@acme-tls.iam.gserviceaccount.com\"."
  }
}

variable "writer" {
  type        = string
  description = "Who writes as sync, in the same form."

  validation {
    condition     = length(trimspace(var.writer)) > 0
    error_message = "Give sync's account, such as module.certherd.service_accounts.sync."
  }
  validation {
    condition     = !can(regex(local.no_user, var.writer))
    error_message = "Give sync's user name as the cluster knows it: an e-mail alone, without \"serviceAccount:\" or \"user:\" before it, or \"system:serviceaccount:NAMESPACE:NAME\"."
  }
  validation {
    condition     = !can(regex("\\bPROJECT\\b", var.writer))
    error_message = "Put the id of the project in place of PROJECT, such as \"certherd-sync@acme-tls.iam.gserviceaccount.com\"."
  }
  validation {
    condition     = var.writer != var.reader
    error_message = "Reader and writer must be two accounts, or whoever reads could write too."
  }
}

variable "namespaces" {
  type        = list(string)
  description = "The namespaces whose Secrets are written. They must exist: this module makes none. A Secret of any other namespace is refused by RBAC."

  validation {
    condition     = length(var.namespaces) > 0
    error_message = "Name at least one namespace. There is no \"all\": the right to patch Secrets everywhere is the right to read all of them."
  }
  validation {
    condition     = alltrue([for name in var.namespaces : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "Give names of namespaces in lower-case letters, digits and \"-\"; \"*\" is not possible."
  }
}

variable "list_secrets" {
  type        = bool
  description = "Also lets the reader list Secrets in these namespaces. RBAC does not tell metadata from data: whoever lists can read every Secret there. Nothing of today needs it."
  default     = false
}
