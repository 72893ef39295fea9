# Each validation refuses what it is there for, and nothing else; what it says is in variables.tf.

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

run "reader_as_a_grant_names_it" {
  command = plan

  variables {
    reader = "serviceAccount:certherd-reconcile@p.iam.gserviceaccount.com"
  }
  expect_failures = [var.reader]
}

run "reader_as_a_grant_names_a_person" {
  command = plan

  variables {
    reader = "user:ops@example.org"
  }
  expect_failures = [var.reader]
}

run "reader_who_is_everybody" {
  command = plan

  variables {
    reader = "system:anonymous"
  }
  expect_failures = [var.reader]
}

run "reader_of_a_project_that_is_not_filled_in" {
  command = plan

  variables {
    reader = "certherd-reconcile@PROJECT.iam.gserviceaccount.com"
  }
  expect_failures = [var.reader]
}

run "writer_as_a_grant_names_it" {
  command = plan

  variables {
    writer = "serviceAccount:certherd-sync@p.iam.gserviceaccount.com"
  }
  expect_failures = [var.writer]
}

run "writer_as_a_grant_names_a_person" {
  command = plan

  variables {
    writer = "user:ops@example.org"
  }
  expect_failures = [var.writer]
}

run "writer_who_is_everybody" {
  command = plan

  variables {
    writer = "system:anonymous"
  }
  expect_failures = [var.writer]
}

run "writer_of_a_project_that_is_not_filled_in" {
  command = plan

  variables {
    writer = "certherd-sync@PROJECT.iam.gserviceaccount.com"
  }
  expect_failures = [var.writer]
}

run "accounts_of_kubernetes" {
  command = plan

  variables {
    reader = "system:serviceaccount:certherd:reader"
    writer = "system:serviceaccount:certherd:writer"
  }
}

run "accounts_by_number" {
  command = plan

  variables {
    reader = "101234567890123456789"
    writer = "109876543210987654321"
  }
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
