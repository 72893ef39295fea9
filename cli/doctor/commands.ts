import type { Config } from '../../shared/config.ts';
import type { Remedy } from './finding.ts';

/** What is made anew, or put right, by the deployment itself. */
export const APPLY = 'terraform apply';

/** A job or queue as gcloud takes it; a whole path says by itself where it is. */
function placed(resource: string, config: Config): string {
  const [, project = config.project, location = config.location, name = resource] =
    /^projects\/([^/]+)\/locations\/([^/]+)\/[^/]+\/([^/]+)$/.exec(resource) ?? [];
  return `${name} --location=${location} --project=${project}`;
}

export const resumeJob = (config: Config) =>
  `gcloud scheduler jobs resume ${placed(config.runtime.schedulerJob, config)}`;

export const resumeQueue = (queue: string, config: Config) =>
  `gcloud tasks queues resume ${placed(queue, config)}`;

export const readLog = (name: string, { installation, location, project }: Config) =>
  `gcloud functions logs read ${installation}-${name} --region=${location} --project=${project} --limit=50`;

export const closeFunction = (name: string, { installation, location, project }: Config) =>
  `gcloud run services remove-iam-policy-binding ${installation}-${name} --member=allUsers --role=roles/run.invoker --region=${location} --project=${project}`;

export const nameServers = (zone: string, project: string) =>
  `gcloud dns managed-zones describe ${zone} --project=${project} --format='value(nameServers)'`;

/** Of a service that is no function, as the api is. */
export const readServiceLog = (name: string, { installation, location, project }: Config) =>
  `gcloud run services logs read ${installation}-${name} --region=${location} --project=${project} --limit=50`;

type Cluster = Config['clusters'][number];

/** Who of us a cluster knows. */
export type Who = 'reader' | 'writer';

/** How a cluster lets in whoever it refuses. */
export const admit = ({ name }: Cluster, who: Who) => ({
  advice: `apply terraform/modules/cluster-access to cluster ${name}; its ${who} is ${who === 'reader' ? 'reconcile' : 'sync'} of "terraform output service_accounts" on GKE, else the user of the kubeconfig`,
});

/** What brings back our way to a cluster, by what was said of it. */
export function reachCluster(
  cluster: Cluster,
  { who, project, problem }: Readonly<{ who: Who; project: string; problem: string }>,
): Remedy {
  if (problem.includes('does not let us')) return admit(cluster, who);
  if (/; grant /.test(problem)) return APPLY;
  const { gke, kubeconfigSecret } = cluster;
  if (kubeconfigSecret) return addKubeconfig(kubeconfigSecret[who], project);
  const [, owner, location, name] =
    /^projects\/([^/]+)\/locations\/([^/]+)\/clusters\/([^/]+)$/.exec(gke ?? '') ?? [];
  return `gcloud container clusters describe ${name} --location=${location} --project=${owner}`;
}

export const addKubeconfig = (secret: string, project: string) =>
  `gcloud secrets versions add ${secret} --data-file=KUBECONFIG --project=${project}`;

// What only this or that deployment can mend; all else may pass.
const LASTING = /permission denied|does not exist|credentials are not accepted|no such topic/;

/** For what an engine or the store says, through the api. */
export const mend = (problem: string): Remedy =>
  LASTING.test(problem) ? APPLY : { advice: 'run doctor again in a minute' };
