import { apiFunction } from '../functions/api.ts';
import {
  apiDependencies,
  issueDependencies,
  type ReconcileDependencies,
  reconcileDependencies,
  type Surroundings,
  syncDependencies,
} from '../functions/dependencies.ts';
import { issueFunction } from '../functions/issue.ts';
import { reconcileFunction } from '../functions/reconcile.ts';
import { syncFunction } from '../functions/sync.ts';
import type { Config } from '../shared/config.ts';
import { accountsOf, LOCAL_PERSON, type Role } from './accounts.ts';
import { type AcmeCa, startAcmeCa } from './acme-ca/acme-ca.ts';
import type { Clock } from './clock.ts';
import { googleVerifier, requireInvoker } from './cloud-run.ts';
import {
  type KubeconfigFiles,
  kubeconfigSecrets,
  type LocalCluster,
  startClusters,
} from './clusters.ts';
import { startContainer } from './container.ts';
import type { RawDocument } from './document.ts';
import { type Door, openDoor } from './door.ts';
import { type FunctionsHost, startFunctionsHost, underFramework } from './functions.ts';
import type { Keeper } from './keeper.ts';
import { createProvision } from './provision.ts';
import { createRecorder } from './recorder.ts';
import { roleOf } from './rights.ts';
import { type Services, startServices, type Trouble } from './services.ts';
import { checkedConfig, type Parts, provisionAll } from './setup.ts';

export type SystemOptions = Pick<Parts, 'document' | 'zones' | 'records' | 'acme'> &
  Readonly<{
    /** Real clusters, by name. */
    realClusters: ReadonlyMap<string, KubeconfigFiles>;
    dnsPort: number;
    port: number;
    record: string | undefined;
    keeper: Keeper;
    /** One for all, or one for each function, which has a log of its own in the cloud. */
    surroundings: Surroundings | ((name: FunctionName) => Surroundings);
    /** The time of every part but the metadata server, whose tokens live in the machine's own. */
    clock: Clock;
    /** What the services are to do wrong, as real ones do. */
    trouble?: Trouble;
  }>;

/** The whole system, running. */
export type System = Readonly<{
  config: Config;
  services: Services;
  clusters: readonly LocalCluster[];
  ca: AcmeCa | undefined;
  door: Door;
  /** The configuration as one of the functions has it: with its own account, as long as the metadata server is the embedded one. */
  configOf: (role: Role) => Config;
  /** What the running functions are made of, for whoever wants to look through their eyes. */
  functions: Functions;
  /** Runs the Scheduler job. Resolves when the job is started. */
  tick: () => Promise<void>;
}>;

/** Starts every part that the options do not replace, makes in them what Terraform would make, and opens the door. Throws ConfigurationFaults. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const parts = await startParts(options);
  const { services, accounts, project, clusters, ca } = parts;
  const config = checkedConfig(parts);
  const provision = createProvision(() => services.metadata.accessToken(accounts.operator));
  await provisionAll(provision, config, parts);
  const configOf = (role: Role): Config => {
    const { endpoints } = config;
    // A written one wins, and has one account for all.
    if (endpoints.metadata !== services.metadata.url) return config;
    const metadata = services.metadata.urlFor(accounts[role]);
    return { ...config, endpoints: { ...endpoints, metadata } };
  };
  const surroundingsOf = surroundingsOfEach(options);
  const functions = functionsOf(configOf, surroundingsOf);
  serveFunctions(parts, functions);
  await voidLeases(functions.reconcile);
  parts.host.open();
  const door = await openDoor({
    api: underFramework(
      'api',
      apiFunction(apiDependencies(configOf('api'), surroundingsOf('api'))),
    ),
    port: options.port,
    identityToken: (audience) => services.metadata.identityToken(LOCAL_PERSON, audience),
    audience: config.runtime.audience,
  });
  options.keeper.onClose(door.close);
  const job = `projects/${project}/locations/${config.location}/jobs/${config.runtime.schedulerJob}`;
  const tick = () => provision('POST', `${services.scheduler.url}/v1/${job}:run`, {});
  return { config, services, clusters, ca, door, configOf, functions, tick };
}

// The process that held them is gone: there is one process at a time on a state.
async function voidLeases({ ports }: ReconcileDependencies): Promise<void> {
  const { records } = await ports();
  const stored = await records.list(() => {});
  for (const { id, record } of stored)
    if (record.lease) await records.update(id, (latest) => ({ ...latest, lease: undefined }));
}

type Started = Parts & Readonly<{ host: FunctionsHost }>;

async function startParts(options: SystemOptions): Promise<Started> {
  const { document, keeper, realClusters } = options;
  const project = textOf(document.project) ?? 'local';
  const accounts = accountsOf(project);
  const recorder = options.record === undefined ? undefined : createRecorder(options.record);
  const { dnsPort, clock, trouble } = options;
  // Before the engines: they start where a killed process left them, and must find it.
  const host = await keeper.start('functions', ({ port }) => startFunctionsHost(port));
  const services = await startServices({
    ...{ project, accounts, keeper, recorder, dnsPort, clock, trouble },
    installation: textOf(document.installation) ?? 'certherd',
    kubeconfigs: kubeconfigSecrets(clusterEntries(document), realClusters),
  });
  const { metadata, dns, before } = services;
  keeper.keepPort('dns', dns.dnsPort);
  const role = roleOf(accounts, metadata.accountOf);
  const clusters = await startClusters(clusterEntries(document), realClusters, {
    ...{ keeper, role, clock },
    trouble: trouble?.kubernetes,
  });
  const gke = clusters.flatMap((cluster) => cluster.gke ?? []);
  const container = await keeper.start('container', ({ port }) =>
    startContainer({ clusters: gke, authenticate: metadata.accountOf, recorder, before, port }),
  );
  const ca = options.acme ? undefined : await startCa(keeper, dns.dnsPort, options);
  const urls = { containerUrl: container.url, functionsUrl: host.url };
  return { ...options, ...urls, project, accounts, services, clusters, ca, host };
}

// What is wrong with the document is said later, with all the rest that is.
const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

const startCa = (keeper: Keeper, port: number, { clock, trouble }: SystemOptions) =>
  keeper.start('acme-ca', async (kept) => {
    const dnsServer = { address: '127.0.0.1', port };
    const ca = await startAcmeCa({ ...trouble?.acme, ...kept, clock, dnsServer });
    return { ...ca, url: ca.directoryUrl };
  });

type ClusterEntry = Readonly<{ name: string }> & RawDocument;

const clusterEntries = ({ clusters }: RawDocument): readonly ClusterEntry[] =>
  (Array.isArray(clusters) ? clusters : []).filter(
    (entry): entry is ClusterEntry =>
      typeof entry === 'object' && entry !== null && typeof entry.name === 'string',
  );

type Functions = ReturnType<typeof functionsOf>;

type FunctionName = 'reconcile' | 'issue' | 'sync' | 'api';

const surroundingsOfEach = ({ surroundings }: SystemOptions) =>
  typeof surroundings === 'function' ? surroundings : () => surroundings;

const functionsOf = (
  configOf: System['configOf'],
  surroundingsOf: (name: FunctionName) => Surroundings,
) => ({
  reconcile: reconcileDependencies(configOf('reconcile'), surroundingsOf('reconcile')),
  issue: issueDependencies(configOf('issue'), surroundingsOf('issue')),
  sync: syncDependencies(configOf('sync'), surroundingsOf('sync')),
});

function serveFunctions({ host, accounts, services }: Started, made: Functions): void {
  const verify = googleVerifier(services.metadata.pemCertificatesUrl);
  const functions = [
    ['reconcile', reconcileFunction(made.reconcile), [accounts.scheduler, accounts.api]],
    ['issue', issueFunction(made.issue), [accounts.invoker, accounts.api]],
    ['sync', syncFunction(made.sync), [accounts.pusher]],
  ] as const;
  for (const [name, handler, invokers] of functions)
    host.serve(
      name,
      requireInvoker(underFramework(name, handler), {
        invokers,
        audiences: [`${host.url}/${name}`],
        verify,
      }),
    );
}
