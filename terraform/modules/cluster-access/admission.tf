# RBAC alone would let the writer make a Secret of any type, a service account's token among them, and take over every Secret of its
# namespaces. What the policy denies is answered as Invalid (422): the provider (3.2.1) leaves the reason of a validation out.

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
      expression = "request.userInfo.username == ${jsonencode(var.writer)}"
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
