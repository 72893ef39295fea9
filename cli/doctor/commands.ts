import type { Config } from '../../shared/config.ts';

/** What is made anew, or put right, by the deployment itself. */
export const APPLY = 'terraform apply';

/** The name at the end of a resource's path. */
const short = (name: string) => name.split('/').at(-1) ?? name;

const place = ({ project, location }: Config) => `--location=${location} --project=${project}`;

export const resumeJob = (config: Config) =>
  `gcloud scheduler jobs resume ${short(config.runtime.schedulerJob)} ${place(config)}`;

export const resumeQueue = (queue: string, config: Config) =>
  `gcloud tasks queues resume ${short(queue)} ${place(config)}`;

export const readLog = (name: string, { installation, location, project }: Config) =>
  `gcloud functions logs read ${installation}-${name} --region=${location} --project=${project} --limit=50`;

export const describeSubscription = ({ installation, project }: Config) =>
  `gcloud pubsub subscriptions describe ${installation}-sync --project=${project}`;

export const closeFunction = (name: string, { installation, location, project }: Config) =>
  `gcloud run services remove-iam-policy-binding ${installation}-${name} --member=allUsers --role=roles/run.invoker --region=${location} --project=${project}`;

export const nameServers = (zone: string, project: string) =>
  `gcloud dns managed-zones describe ${zone} --project=${project} --format='value(nameServers)'`;

/** What shows a person why a cluster is away: where it should be, or a place for a kubeconfig that works. */
export function reachCluster(
  { gke, kubeconfigSecret }: Config['clusters'][number],
  project: string,
) {
  const [, owner, location, name] =
    /^projects\/([^/]+)\/locations\/([^/]+)\/clusters\/([^/]+)$/.exec(gke ?? '') ?? [];
  if (name)
    return `gcloud container clusters describe ${name} --location=${location} --project=${owner}`;
  const [secret = ''] =
    typeof kubeconfigSecret === 'string'
      ? [kubeconfigSecret]
      : Object.values(kubeconfigSecret ?? {});
  return `gcloud secrets versions add ${secret} --data-file=KUBECONFIG --project=${project}`;
}
