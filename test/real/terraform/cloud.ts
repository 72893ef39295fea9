import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type AcmeCa, startAcmeCa } from '../../../local/acme-ca/acme-ca.ts';
import { systemClock } from '../../../local/clock.ts';
import { startCloudDns } from '../../../local/cloud-dns/cloud-dns.ts';
import { startCloudTasks } from '../../../local/cloud-tasks/cloud-tasks.ts';
import { startContainer } from '../../../local/container.ts';
import { type FunctionsHost, startFunctionsHost } from '../../../local/functions.ts';
import { createKeeper, type Keeper } from '../../../local/keeper.ts';
import { KubernetesFault, startKubernetes } from '../../../local/kubernetes/kubernetes.ts';
import type { ApiAccess } from '../../../local/kubernetes/manifests.ts';
import { startMetadata } from '../../../local/metadata/metadata.ts';
import { startPubSub } from '../../../local/pubsub/pubsub.ts';
import { isGrantedInCluster } from '../../../local/rights.ts';
import { startScheduler } from '../../../local/scheduler/scheduler.ts';
import { startSecretManager } from '../../../local/secret-manager/secret-manager.ts';
import type { Services } from '../../../local/services.ts';
import type { Policy } from '../../../local/wire/policy.ts';
import { type ShiftedClock, shiftedClock } from '../../integration/system/shifted-clock.ts';
import { kubeconfig } from '../parts/real-cluster.ts';
import { type GoogleStub, startGoogleStub } from './google-stub.ts';
import { createIam, type Iam } from './iam.ts';
import type { Asked } from './permissions.ts';

export const PROJECT = 'project-a';
const ZONES_PROJECT = 'dns-project';
/** The stand-in of Secret Manager numbers projects in the order in which it sees them. */
const NUMBERS = new Map([
  [PROJECT, '123456789012'],
  [ZONES_PROJECT, '123456789013'],
]);
/** What `terraform/prepare.sh` makes in a new project; Google makes none of them before somebody asks. */
const AGENTS = ['secretmanager', 'pubsub', 'monitoring-notification'];
const OWNER = `terraform@${PROJECT}.iam.gserviceaccount.com`;
const CLUSTER = `projects/${PROJECT}/locations/europe-west1/clusters/main`;

/** The e-mail of Google's service agent of that name in the project. */
export const agent = (name: string): string =>
  `service-${NUMBERS.get(PROJECT)}@gcp-sa-${name}.iam.gserviceaccount.com`;

/** A project in which nothing is deployed yet: the stand-ins of `local/`, the stub for the rest, a CA and a cluster. */
export type Cloud = Readonly<{
  services: Services;
  containerUrl: string;
  stub: GoogleStub;
  /** E-mails of the service agents of Google that there are. */
  agents: Set<string>;
  iam: Iam;
  ca: AcmeCa;
  /** Where the functions will be. */
  host: FunctionsHost;
  clock: ShiftedClock;
  /** `main` is a GKE cluster, `other` one that is reached by kubeconfigs; both as their admin sees them. */
  clusters: Readonly<Record<'main' | 'other', ApiAccess>>;
  /** What a person puts into the secrets of the cluster `other`. */
  kubeconfigs: Readonly<Record<'reader' | 'writer', unknown>>;
  /** A call to a stand-in or the stub as the owner, who may do everything. Throws what is refused. */
  asOwner<Reply>(method: string, url: string, body?: unknown): Promise<Reply>;
  policyAt(url: string): Promise<Policy>;
  ownerToken(): string;
  /** What the root wants to know of all this. */
  variables: Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}>;

export async function startCloud(): Promise<Cloud> {
  const keeper = createKeeper(undefined);
  const clock = shiftedClock();
  const agents = new Set(AGENTS.map(agent));
  const stub = await keeper.start('stub', () => startGoogleStub({ projects: NUMBERS, agents }));
  const metadata = await keeper.start('metadata', (kept) =>
    startMetadata({ ...kept, clock: systemClock, project: PROJECT }),
  );
  const { accountOf, identityToken } = metadata;
  const ownerToken = () => metadata.accessToken(OWNER);
  const asOwner: Cloud['asOwner'] = (method, url, body) =>
    called({ method, url, body, token: ownerToken() });
  const policyAt = (url: string) => asOwner<Policy>(readsBy(url), `${url}:getIamPolicy`);
  const iam = createIam({ stub, numbers: NUMBERS, accountOf, owner: OWNER, policyAt });
  const common = { clock, identityToken };
  const before = async (request: IncomingMessage, body: string) => {
    await iam.require(`http://${request.headers.host}`, request, body);
    // The stand-ins take any member; who is there, the stub knows.
    if (request.url?.includes(':setIamPolicy')) stub.checkPolicy(JSON.parse(body).policy);
  };
  const pubsub = await keeper.start('pubsub', (kept) =>
    startPubSub({ ...kept, ...common, before }),
  );
  const dns = await keeper.start('dns', (kept) =>
    startCloudDns({ ...kept, clock, before, propagationMs: 50 }),
  );
  const services: Services = {
    ...{ metadata, dns, pubsub, before: () => {} },
    secretManager: await keeper.start('secrets', (kept) =>
      startSecretManager({ ...kept, clock, before, publish: pubsub.publish }),
    ),
    tasks: await keeper.start('tasks', (kept) => startCloudTasks({ ...kept, ...common, before })),
    scheduler: await keeper.start('scheduler', (kept) =>
      startScheduler({ ...kept, ...common, before }),
    ),
  };
  const [main, other] = [randomTokens(), randomTokens()];
  const clusters = {
    main: await startCluster('main', main, { keeper, clock, iam, accountOf }),
    other: await startCluster('other', other, { keeper, clock, iam, accountOf }),
  };
  const container = await keeper.start('container', () =>
    startContainer({
      ...{
        clusters: [
          { name: CLUSTER, endpoint: new URL(clusters.main.server).host, ca: clusters.main.ca },
        ],
      },
      ...{ authenticate: accountOf, before },
    }),
  );
  const ca = await keeper.start('ca', async (kept) => {
    const dnsServer = { address: '127.0.0.1', port: dns.dnsPort };
    const started = await startAcmeCa({ ...kept, clock, dnsServer });
    return { ...started, url: started.directoryUrl };
  });
  const host = await keeper.start('functions', ({ port }) => startFunctionsHost(port));
  const endpoints = {
    ...{ dns: dns.url, pubsub: pubsub.url, stub: stub.url },
    secret_manager: services.secretManager.url,
    tasks: services.tasks.url,
    scheduler: services.scheduler.url,
  };
  return {
    ...{ services, stub, agents, iam, ca, host, clock, clusters, asOwner, policyAt, ownerToken },
    kubeconfigs: {
      reader: kubeconfig({ ...clusters.other, token: other.reconcile }),
      writer: kubeconfig({ ...clusters.other, token: other.sync }),
    },
    containerUrl: container.url,
    variables: {
      project_id: PROJECT,
      project_number: NUMBERS.get(PROJECT),
      zones_project_id: ZONES_PROJECT,
      issuer: { directory: ca.directoryUrl, ca_certificate: ca.tlsCa },
      endpoints,
    },
    close: keeper.close,
  };
}

// Secret Manager and Pub/Sub are asked by GET, the others by POST.
const readsBy = (url: string) =>
  /\/v1\/projects\/[^/]+\/(secrets|topics|subscriptions)\//.test(url) ? 'GET' : 'POST';

type OwnersCall = Readonly<{ method: string; url: string; body: unknown; token: string }>;

async function called<Reply>({ method, url, body, token }: OwnersCall): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const reply = (await response.json()) as Reply;
  if (!response.ok) throw new Error(`${method} ${url} answers ${JSON.stringify(reply)}`);
  return reply;
}

// RBAC names the accounts by what they do; modules/cluster-access has tests of its own.
const functionOf = (email: string | undefined) => /^certherd-(\w+)@/.exec(email ?? '')?.[1];

const CONNECT: Asked = {
  permission: 'container.clusters.connect',
  project: PROJECT,
  resource: {
    service: 'container.googleapis.com',
    type: 'container.googleapis.com/Cluster',
    name: CLUSTER,
  },
};

type Tokens = Readonly<Record<'admin' | 'reconcile' | 'sync', string>>;

const randomTokens = (): Tokens => ({
  admin: randomBytes(24).toString('base64url'),
  reconcile: randomBytes(24).toString('base64url'),
  sync: randomBytes(24).toString('base64url'),
});

type Surrounding = Readonly<{
  keeper: Keeper;
  clock: ShiftedClock;
  iam: Iam;
  accountOf: (token: string) => string | undefined;
}>;

async function startCluster(
  name: 'main' | 'other',
  tokens: Tokens,
  { keeper, clock, iam, accountOf }: Surrounding,
): Promise<ApiAccess> {
  const users = new Map(Object.entries(tokens).map(([user, token]) => [token, user]));
  const { server, ca } = await keeper.start(`cluster-${name}`, (kept) =>
    startKubernetes({
      ...{ ...kept, clock },
      // Google's tokens are good for GKE alone.
      authenticate: (token) =>
        users.get(token) ?? (name === 'main' ? functionOf(accountOf(token)) : undefined),
      authorize: isGrantedInCluster,
      before: async ({ headers }) => {
        const account = accountOf(headers.authorization?.replace('Bearer ', '') ?? '');
        if (account && !(await iam.allows(account, CONNECT))) throw notConnected();
      },
    }),
  );
  return { server, ca, token: tokens.admin };
}

/** GKE lets in by IAM first, and by RBAC then. */
const notConnected = () =>
  new KubernetesFault(
    403,
    'Forbidden',
    `Required "${CONNECT.permission}" permission(s) for "${CLUSTER}".`,
  );
