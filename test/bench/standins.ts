import { systemClock } from '../../local/clock.ts';
import { createKeeper, type Keeper } from '../../local/keeper.ts';
import { applyManifests } from '../../local/kubernetes/manifests.ts';
import { settled } from '../../local/settling.ts';
import { type System, startSystem } from '../../local/system.ts';
import { createLog } from '../../shared/log.ts';
import { FLEET_CLUSTER, FLEET_ISSUER, FLEET_ZONE, fleetMember } from './fleet/certificate.ts';
import { fleetIngress } from './fleet/cluster.ts';
import { storedFleet } from './fleet/stored-secrets.ts';

/** What the process of the stand-ins is started with, as its only argument. */
export type StandInOptions = Readonly<{
  /** Stored certificates. */
  certificates: number;
  /** Whether the first certificate is really issued, by the embedded CA, and delivered to the embedded cluster. */
  issued?: boolean;
  /** A real cluster in place of the embedded one. */
  kubeconfig: string | undefined;
}>;

/** What it says when everything runs: the configuration of each function, as JSON, and tokens. */
export type StandInsReady = Readonly<{
  configs: Readonly<Record<'reconcile' | 'issue' | 'sync' | 'api', string>>;
  /** An operator's, for the api. */
  identityToken: string;
}>;

/** Calls to the stand-ins so far, by kind. */
export type Calls = Readonly<Record<string, number>>;

const OPERATOR = 'operator@bench.test';
const PROJECT = 'bench';

async function main({ certificates, kubeconfig, issued = false }: StandInOptions): Promise<void> {
  const calls: Record<string, number> = {};
  const system = await startSystem({
    document: DOCUMENT,
    zones: [FLEET_ZONE],
    records: [],
    realClusters: new Map(
      kubeconfig === undefined ? [] : [[FLEET_CLUSTER, { reader: kubeconfig, writer: kubeconfig }]],
    ),
    acme: undefined,
    dnsPort: 0,
    port: 0,
    record: undefined,
    keeper: withStored(certificates),
    clock: systemClock,
    surroundings: { log: createLog(() => {}) },
    trouble: {
      before(service, { method, url = '' }) {
        const kind = `${service} ${method} ${kindOf(url)}`;
        calls[kind] = (calls[kind] ?? 0) + 1;
      },
    },
  });
  if (issued) await issueFirst(system);
  process.on('message', () => process.send?.(calls));
  process.send?.(await ready(system));
}

async function ready({ config, configOf, services }: System): Promise<StandInsReady> {
  const configFor = (role: Parameters<System['configOf']>[0]) => JSON.stringify(configOf(role));
  return {
    configs: {
      reconcile: configFor('reconcile'),
      issue: configFor('issue'),
      sync: configFor('sync'),
      api: configFor('api'),
    },
    identityToken: await services.metadata.identityToken(OPERATOR, config.runtime.audience),
  };
}

/** What the Ingress of the first certificate of a fleet leads to. Throws unless it is issued and delivered. */
async function issueFirst({ clusters, functions, services, tick }: System): Promise<void> {
  const admin = clusters.find(({ name }) => name === FLEET_CLUSTER)?.admin;
  if (!admin) throw new Error('the first certificate needs the embedded cluster');
  const first = fleetMember(0);
  const manifest = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    ...fleetIngress(first),
  };
  const { faults } = await applyManifests([manifest], admin);
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  await tick();
  await settled(services);
  const stored = await (await functions.reconcile.ports()).records.read(first.id);
  if (stored?.record.delivered?.version === 1) return;
  throw new Error(`the first certificate is not delivered: ${JSON.stringify(stored)}`);
}

const DOCUMENT = {
  project: PROJECT,
  issuers: { [FLEET_ISSUER]: { directory: 'https://ca.test/dir', contact: 'ops@example.org' } },
  clusters: [{ name: FLEET_CLUSTER, kubeconfigSecret: 'kubeconfig-fleet' }],
  access: { operators: [`user:${OPERATOR}`] },
};

/** Everything in memory, and Secret Manager with certificates in it. */
function withStored(certificates: number): Keeper {
  const keeper = createKeeper(undefined);
  const stored = { load: () => storedFleet(PROJECT, certificates) as never, save: () => {} };
  return {
    ...keeper,
    start: (name, start) =>
      keeper.start(name, (kept) =>
        start(name === 'secret-manager' ? { ...kept, store: stored } : kept),
      ),
  };
}

// What differs from call to call of one kind is left out; a certificate's secret is another kind than a kubeconfig's.
const kindOf = (url: string) =>
  (url.split('?')[0] ?? '')
    .replace(/secrets\/certherd-cert-[^/:]+/g, 'secrets/CERTIFICATE')
    .replace(/(projects|locations|secrets|managedZones|queues)\/(?!CERTIFICATE)[^/:]+/g, '$1/*')
    .replace(/versions\/[^/:]+/g, 'versions/*')
    .replace(/^\/(dns\/)?v\d\/projects\/\*\//, '');

await main(JSON.parse(process.argv[2] ?? '{}') as StandInOptions);
