#!/bin/sh
# Makes a new project ready for the first `terraform apply`: enables the APIs and makes Google's service agents, which a grant wants there
# to be. It may be run again at any time. What a service account calls must be enabled in the account's own project as well, so where an
# account of another project applies, that project is to be made ready in the same way.
#
#     sh terraform/prepare.sh PROJECT [iap] [compute] [kms]
#
# iap: the api is to be behind Identity-Aware Proxy. compute: calls are to go through a network (vpc_egress). kms: secrets, topics, images and
# zips are to have a key of one's own (kms_key).
set -eu

usage() {
  echo "usage: sh prepare.sh PROJECT [iap] [compute] [kms]" >&2
  exit 2
}

[ $# -ge 1 ] || usage
project=$1
shift

# As in services.tf. The first four are what Terraform itself asks.
apis="cloudresourcemanager serviceusage iam iamcredentials
artifactregistry cloudbuild cloudfunctions cloudscheduler cloudtasks container dns logging monitoring pubsub run secretmanager storage"
# Secret Manager's tells of new versions, Pub/Sub's moves dead letters, Monitoring's looks whether the api answers.
agents="secretmanager pubsub monitoring"

for asked in "$@"; do
  case $asked in
    iap) apis="$apis iap" agents="$agents iap" ;;
    compute) apis="$apis compute" ;;
    kms) agents="$agents artifactregistry storage" ;;
    *) usage ;;
  esac
done

services=$(for api in $apis; do printf '%s.googleapis.com ' "$api"; done)
echo "enable in $project: $services"
# shellcheck disable=SC2086 # one word each; Google takes at most twenty at once
gcloud services enable $services --project="$project" --quiet

for agent in $agents; do
  echo "make the service agent of $agent.googleapis.com in $project"
  case $agent in
    # Cloud Storage's is made by a command of its own.
    storage) gcloud storage service-agent --project="$project" --quiet ;;
    *) gcloud beta services identity create --service="$agent.googleapis.com" --project="$project" --quiet ;;
  esac
done

echo "$project is ready for terraform apply"
