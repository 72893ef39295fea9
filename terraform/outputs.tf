output "api_url" {
  description = "The address of the api, and the audience that tokens for it must be made out to: certherd --url."
  value       = local.api_url
}

output "function_urls" {
  description = "The addresses of reconcile, issue and sync."
  value       = local.function_urls
}

output "service_accounts" {
  description = "The e-mails of the functions' accounts; modules/cluster-access wants reconcile's as reader and sync's as writer."
  value       = { for name, account in google_service_account.function : name => account.email }
}

output "callers" {
  description = "The e-mails of the accounts that Cloud Scheduler, Cloud Tasks and Pub/Sub call as."
  value       = { for name, account in google_service_account.caller : name => account.email }
}

output "kubeconfig_secrets" {
  description = "The secrets that a person has to put a kubeconfig into: gcloud secrets versions add ID --data-file=FILE."
  value       = sort(keys(google_secret_manager_secret.kubeconfig))
}

output "schedule" {
  description = "When reconcile runs."
  value       = local.schedule
}

output "config" {
  description = "The configuration document as the functions have it."
  value       = local.config

  precondition {
    condition     = local.config_bytes <= 32768
    error_message = "The configuration is ${local.config_bytes} bytes and a function's environment takes 32768: ask for fewer certificates here (an Ingress asks for its own), shorten `allow`, or give some of the clusters to an installation of their own."
  }
}
