# What Certherd needs inside one cluster, and no more. Rights on Secrets are weaker than they look: `get` cannot be limited to metadata,
# and `patch` alone reads any Secret whose name is known, so both are granted namespace by namespace, and the admission policy keeps the
# writer to TLS Secrets of its own.

locals {
  name   = var.installation
  labels = { "app.kubernetes.io/managed-by" = "terraform", "app.kubernetes.io/part-of" = var.installation }

  # The reader plans by these; the writer derives its targets again from the same.
  sources = {
    "networking.k8s.io"         = ["ingresses"]
    "gateway.networking.k8s.io" = ["gateways", "listenersets"]
    "k8s.nginx.org"             = ["virtualservers"]
  }
}

resource "kubernetes_cluster_role_v1" "sources" {
  metadata {
    name   = "${local.name}-sources"
    labels = local.labels
  }

  dynamic "rule" {
    for_each = local.sources

    content {
      api_groups = [rule.key]
      resources  = rule.value
      verbs      = ["list"]
    }
  }

  # What was decided about an Ingress is said where its owner looks.
  rule {
    api_groups = ["events.k8s.io"]
    resources  = ["events"]
    verbs      = ["create", "patch"]
  }
}

resource "kubernetes_cluster_role_binding_v1" "sources" {
  metadata {
    name   = "${local.name}-sources"
    labels = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "ClusterRole"
    name      = kubernetes_cluster_role_v1.sources.metadata[0].name
  }

  dynamic "subject" {
    for_each = [var.reader, var.writer]

    content {
      api_group = "rbac.authorization.k8s.io"
      kind      = "User"
      name      = subject.value
    }
  }
}

resource "kubernetes_role_v1" "reader" {
  for_each = toset(var.namespaces)

  metadata {
    name      = "${local.name}-reader"
    namespace = each.key
    labels    = local.labels
  }

  rule {
    api_groups = [""]
    resources  = ["secrets"]
    verbs      = var.list_secrets ? ["get", "list"] : ["get"]
  }

  # To Kubernetes a namespace lies in itself, so this is the right to see this one alone.
  rule {
    api_groups = [""]
    resources  = ["namespaces"]
    verbs      = ["get"]
  }
}

resource "kubernetes_role_binding_v1" "reader" {
  for_each = kubernetes_role_v1.reader

  metadata {
    name      = each.value.metadata[0].name
    namespace = each.key
    labels    = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = each.value.metadata[0].name
  }

  subject {
    api_group = "rbac.authorization.k8s.io"
    kind      = "User"
    name      = var.reader
  }
}

resource "kubernetes_role_v1" "writer" {
  for_each = toset(var.namespaces)

  metadata {
    name      = "${local.name}-writer"
    namespace = each.key
    labels    = local.labels
  }

  rule {
    api_groups = [""]
    resources  = ["secrets"]
    verbs      = ["get", "create", "patch"]
  }
}

resource "kubernetes_role_binding_v1" "writer" {
  for_each = kubernetes_role_v1.writer

  metadata {
    name      = each.value.metadata[0].name
    namespace = each.key
    labels    = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = each.value.metadata[0].name
  }

  subject {
    api_group = "rbac.authorization.k8s.io"
    kind      = "User"
    name      = var.writer
  }

  # There is no moment at which the writer may write and nothing keeps it to what is its own.
  depends_on = [kubernetes_manifest.writer]
}
