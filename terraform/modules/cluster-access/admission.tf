# Without these two the writer's `patch` could read any Secret of its namespaces: an empty server-side dry-run apply returns the whole object.

resource "kubernetes_validating_admission_policy_v1" "writer" {
  metadata = {
    name   = "${local.name}-writer"
    labels = local.labels
  }

  spec = {
    failure_policy    = "Fail"
    audit_annotations = []

    match_constraints = {
      resource_rules = [{
        api_groups   = [""]
        api_versions = ["v1"]
        operations   = ["CREATE", "UPDATE"]
        resources    = ["secrets"]
      }]
    }

    match_conditions = [{
      name       = "writer"
      expression = "request.userInfo.username == '${var.writer}'"
    }]

    validations = [
      {
        expression = "object.type == 'kubernetes.io/tls'"
        message    = "${var.installation} writes Secrets of type kubernetes.io/tls only"
      },
      {
        expression = "oldObject == null || oldObject.metadata.?labels[?'app.kubernetes.io/managed-by'].orValue('') == '${var.installation}'"
        message    = "${var.installation} changes no Secret that it has not made"
      },
    ]
  }
}

# The provider has no resource of its own for it.
resource "kubernetes_manifest" "writer" {
  manifest = {
    apiVersion = "admissionregistration.k8s.io/v1"
    kind       = "ValidatingAdmissionPolicyBinding"

    metadata = {
      name   = kubernetes_validating_admission_policy_v1.writer.metadata.name
      labels = local.labels
    }

    spec = {
      policyName        = kubernetes_validating_admission_policy_v1.writer.metadata.name
      validationActions = ["Deny"]
    }
  }
}
