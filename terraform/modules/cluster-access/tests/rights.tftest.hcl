# Who may do what, without a cluster: a right that slips in here opens every Secret of somebody.

mock_provider "kubernetes" {}

variables {
  reader     = "certherd-reconcile@p.iam.gserviceaccount.com"
  writer     = "certherd-sync@p.iam.gserviceaccount.com"
  namespaces = ["web", "shop"]
}

run "reader_never_writes_and_lists_no_secrets" {
  command = plan

  assert {
    condition     = alltrue([for role in kubernetes_role_v1.reader : role.rule[0].resources == toset(["secrets"]) && role.rule[0].verbs == toset(["get"])])
    error_message = "The reader may get Secrets."
  }
  assert {
    condition     = alltrue([for role in kubernetes_role_v1.reader : role.rule[1].resources == toset(["namespaces"]) && role.rule[1].verbs == toset(["get"]) && length(role.rule) == 2])
    error_message = "The reader may see that the namespace is there, and nothing else."
  }
  assert {
    condition     = keys(kubernetes_role_v1.reader) == ["shop", "web"] && alltrue([for namespace, role in kubernetes_role_v1.reader : role.metadata[0].namespace == namespace])
    error_message = "The reader reads Secrets in the named namespaces alone."
  }
  assert {
    condition     = alltrue([for binding in kubernetes_role_binding_v1.writer : binding.subject[*].name == tolist([var.writer])])
    error_message = "The writer's role is bound to the writer alone."
  }
  assert {
    condition     = alltrue([for binding in kubernetes_role_binding_v1.reader : binding.subject[*].name == tolist([var.reader])])
    error_message = "The reader's role is bound to the reader alone."
  }
}

run "writer_lists_no_secrets" {
  command = plan

  assert {
    condition     = alltrue([for role in kubernetes_role_v1.writer : length(role.rule) == 1 && role.rule[0].resources == toset(["secrets"]) && role.rule[0].verbs == toset(["create", "get", "patch"])])
    error_message = "The writer may get, create and patch Secrets, and nothing else."
  }
  assert {
    condition     = keys(kubernetes_role_v1.writer) == ["shop", "web"] && alltrue([for namespace, role in kubernetes_role_v1.writer : role.metadata[0].namespace == namespace])
    error_message = "The writer writes Secrets in the named namespaces alone."
  }
}

run "no_cluster_role_grants_secrets" {
  command = plan

  assert {
    condition     = alltrue([for rule in kubernetes_cluster_role_v1.sources.rule : !contains(rule.api_groups, "") && !contains(rule.api_groups, "*") && !contains(rule.resources, "secrets") && !contains(rule.resources, "*")])
    error_message = "What is granted everywhere must not hold Secrets."
  }
  assert {
    condition     = alltrue([for rule in kubernetes_cluster_role_v1.sources.rule : toset(rule.verbs) == toset(["list"]) || (toset(rule.api_groups) == toset(["events.k8s.io"]) && toset(rule.resources) == toset(["events"]))])
    error_message = "Everywhere only Events are written; all else is listed."
  }
  assert {
    condition     = [for subject in kubernetes_cluster_role_binding_v1.sources.subject : "${subject.kind} ${subject.name}"] == ["User ${var.reader}", "User ${var.writer}"]
    error_message = "The sources are listed by reader and writer alone."
  }
}

run "listing_is_given_on_request_and_to_the_reader_alone" {
  command = plan

  variables {
    list_secrets = true
  }

  assert {
    condition     = alltrue([for role in kubernetes_role_v1.reader : role.rule[0].verbs == toset(["get", "list"]) && role.rule[1].verbs == toset(["get"])])
    error_message = "list_secrets lets the reader list Secrets, and nothing more."
  }
  assert {
    condition     = alltrue([for role in kubernetes_role_v1.writer : !contains(role.rule[0].verbs, "list")])
    error_message = "The writer never lists Secrets."
  }
}

run "policy_holds_the_writer_and_denies" {
  command = plan

  assert {
    condition     = kubernetes_validating_admission_policy_v1.writer.spec.failure_policy == "Fail"
    error_message = "A policy that cannot be evaluated denies."
  }
  assert {
    condition     = kubernetes_validating_admission_policy_v1.writer.spec.match_conditions[*].expression == tolist(["request.userInfo.username == \"certherd-sync@p.iam.gserviceaccount.com\""])
    error_message = "The policy looks at the writer alone."
  }
  assert {
    condition = kubernetes_validating_admission_policy_v1.writer.spec.validations[*].expression == tolist([
      "object.type == 'kubernetes.io/tls'",
      "oldObject == null || oldObject.metadata.?labels[?'app.kubernetes.io/managed-by'].orValue('') == 'certherd'",
    ])
    error_message = "The writer writes TLS Secrets, and changes its own."
  }
  assert {
    condition     = kubernetes_manifest.writer.manifest.spec == { policyName = "certherd-writer", validationActions = ["Deny"] }
    error_message = "What the policy finds is denied, not only noted."
  }
}

run "installations_share_nothing" {
  command = plan

  variables {
    installation = "staging"
  }

  assert {
    condition = distinct([
      kubernetes_cluster_role_v1.sources.metadata[0].name,
      kubernetes_cluster_role_binding_v1.sources.metadata[0].name,
      kubernetes_role_v1.reader["web"].metadata[0].name,
      kubernetes_role_v1.writer["web"].metadata[0].name,
      kubernetes_validating_admission_policy_v1.writer.metadata.name,
    ]) == tolist(["staging-sources", "staging-reader", "staging-writer"])
    error_message = "The names begin with the installation."
  }
  assert {
    condition     = endswith(kubernetes_validating_admission_policy_v1.writer.spec.validations[1].expression, "== 'staging'")
    error_message = "Only its own Secrets are changed."
  }
}
