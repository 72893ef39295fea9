import type { Config } from '../../shared/config.ts';
import type { Plan } from '../documents.ts';
import { addKubeconfig, admit, reachCluster } from './commands.ts';
import { type Finding, fault, note, ok, type Remedy, unseen } from './finding.ts';
import type { Part } from './part.ts';

type Cluster = Config['clusters'][number];

/**
 * What the certificates that were delivered once more show of one cluster: `works`; `fails`, while others were delivered; `lost`, as
 * everything was; `refused` by the Secrets themselves; `untried`, as there is no certificate for it; `unseen`, as none could be asked for.
 */
export type Writing = Readonly<
  | { state: 'works' | 'untried' }
  | { state: 'fails' | 'lost' | 'refused' | 'unseen'; message: string }
>;

/** One finding for each cluster: as reconcile reaches it, and as sync does. */
export function clusterFindings(
  plan: Part<Plan>,
  writing: (cluster: string) => Writing,
  config: Config,
): readonly Finding[] {
  return config.clusters.map((cluster) => {
    const check = `cluster ${cluster.name}`;
    const found =
      'value' in plan ? plan.value.faults.find(({ resource }) => resource === check) : undefined;
    if (found) {
      const { message: problem } = found;
      const { project } = config;
      return fault(check, problem, reachCluster(cluster, { who: 'reader', project, problem }));
    }
    const written = writerFinding(cluster, writing(cluster.name), config);
    if (!('problem' in plan) || written.state === 'fault') return written;
    return unseen(check, plan.problem);
  });
}

const READ = 'its Ingresses can be read';

function writerFinding(cluster: Cluster, writing: Writing, config: Config): Finding {
  const check = `cluster ${cluster.name}`;
  const writer = cluster.kubeconfigSecret
    ? `sync's kubeconfig in secret ${cluster.kubeconfigSecret.writer}`
    : "sync's account";
  switch (writing.state) {
    case 'works':
      return ok(check, `${READ}, and sync can deliver to it`);
    case 'untried':
      return note(
        check,
        `${READ}; whether ${writer} can write there is not checked, for there is no certificate for it yet`,
        `npm run certherd -- issue NAME --target ${cluster.name}/NAMESPACE/SECRET --wait`,
      );
    case 'unseen':
      return unseen(check, `whether ${writer} works, though ${READ}: ${writing.message}`);
    case 'lost':
      return unseen(
        check,
        `whether ${writer} works, though ${READ}: ${writing.message}; if sync's log names the cluster, it does not`,
        writerRemedy(cluster, config),
      );
    case 'refused':
      return fault(check, writing.message, refusedRemedy(cluster, writing.message, config));
    case 'fails':
      return fault(
        check,
        `${READ}, but ${writer} does not get there: ${writing.message}`,
        writerRemedy(cluster, config),
      );
  }
}

// sync tells nobody but its log what is wrong: a kubeconfig can be replaced, an account on GKE wants to be let in.
const writerRemedy = (cluster: Cluster, { project }: Config): Remedy =>
  cluster.kubeconfigSecret
    ? addKubeconfig(cluster.kubeconfigSecret.writer, project)
    : admit(cluster, 'writer');

const refusedRemedy = (cluster: Cluster, problem: string, { project }: Config): Remedy =>
  /does not let us|kubeconfig/.test(problem)
    ? reachCluster(cluster, { who: 'writer', project, problem })
    : { advice: 'see to that Secret as the sentence says; the next run delivers' };
