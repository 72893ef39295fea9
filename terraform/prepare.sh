#!/bin/sh
# Makes a new project ready for the first `terraform apply`: enables the APIs and makes Google's service agents, which a grant wants there
# to be. It may be run again at any time.
#
#     sh terraform/prepare.sh PROJECT [iap] [compute]
#
# iap: the api is to be behind Identity-Aware Proxy. compute: calls are to go through a network (vpc_egress).
set -eu

usage() {
  echo "usage: sh prepare.sh PROJECT [iap] [compute]" >&2
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
    *) usage ;;
  esac
done

services=$(for api in $apis; do printf '%s.googleapis.com ' "$api"; done)
echo "enable in $project: $services"
# shellcheck disable=SC2086 # one word each; Google takes at most twenty at once
gcloud services enable $services --project="$project" --quiet

for agent in $agents; do
  echo "make the service agent of $agent.googleapis.com in $project"
  gcloud beta services identity create --service="$agent.googleapis.com" --project="$project" --quiet
done

echo "$project is ready for terraform apply"
