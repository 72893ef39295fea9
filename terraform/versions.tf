terraform {
  # Validation of one variable against another came with 1.9.
  required_version = ">= 1.9"

  required_providers {
    google = {
      source = "hashicorp/google"
      # The oldest that the module was applied with; versions before 7.21 lack what the functions' network and the api's proxy need.
      version = ">= 7.45, < 8.0"
    }
  }
}
