project_id           = "acme-tls"
project_number       = "123456789012" # gcloud projects describe acme-tls --format='value(projectNumber)'
cluster              = "projects/acme-tls/locations/europe-west1/clusters/main"
zone                 = "example-org" # gcloud dns managed-zones list
contact              = "ops@example.org"
people               = ["user:ops@example.org"]
notification_channel = "projects/acme-tls/notificationChannels/1" # gcloud beta monitoring channels list
