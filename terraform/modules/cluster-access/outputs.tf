output "namespaces" {
  description = "The namespaces whose Secrets may be written."
  value       = sort(var.namespaces)
}
