# Each validation refuses what it is there for; what it says is in variables.tf.

mock_provider "kubernetes" {}

variables {
  reader     = "certherd-reconcile@p.iam.gserviceaccount.com"
  writer     = "certherd-sync@p.iam.gserviceaccount.com"
  namespaces = ["web"]
}

run "installation_in_capitals" {
  command = plan

  variables {
    installation = "Certherd"
  }
  expect_failures = [var.installation]
}

run "installation_inside_another" {
  command = plan

  variables {
    installation = "herd-cert-b"
  }
  expect_failures = [var.installation]
}

run "installation_whose_queues_would_be_another_s" {
  command = plan

  variables {
    installation = "herd-queue"
  }
  expect_failures = [var.installation]
}

run "no_reader" {
  command = plan

  variables {
    reader = " "
  }
  expect_failures = [var.reader]
}

run "no_writer" {
  command = plan

  variables {
    writer = ""
  }
  expect_failures = [var.writer]
}

run "reader_who_writes" {
  command = plan

  variables {
    writer = "certherd-reconcile@p.iam.gserviceaccount.com"
  }
  expect_failures = [var.writer]
}

run "no_namespace" {
  command = plan

  variables {
    namespaces = []
  }
  expect_failures = [var.namespaces]
}

run "every_namespace" {
  command = plan

  variables {
    namespaces = ["*"]
  }
  expect_failures = [var.namespaces]
}
