import { toAccount } from '../shared/adapters/account.ts';
import type { CertificateAuthorityOptions } from '../shared/adapters/acme/certificate-authority.ts';
import {
  type AskIssue,
  type AskReconcile,
  createFunctionCaller,
} from '../shared/adapters/function-caller.ts';
import { createGoogleAuth, type GoogleAuth } from '../shared/adapters/google-auth.ts';
import { once } from '../shared/adapters/google-client.ts';
import type { VerifyIdentity } from '../shared/adapters/identity.ts';
import { type Config, rulesOf } from '../shared/config.ts';
import type { Rules } from '../shared/domain/request.ts';
import { CertificateError } from '../shared/errors.ts';
import type { IssuePorts, IssueSettings } from '../shared/jobs/attempt.ts';
import type { ReconcilePorts } from '../shared/jobs/reconcile.ts';
import type { SurveySettings } from '../shared/jobs/survey.ts';
import type { SyncPorts, SyncSettings } from '../shared/jobs/sync.ts';
import { createLog } from '../shared/log.ts';
import type {
  CertificateAuthorities,
  CertificateAuthority,
  CertificateRecords,
  ClusterWriter,
  IssueQueue,
  Log,
  QueueStatus,
  Schedule,
  Time,
} from '../shared/ports.ts';

/** What a function is made of: its ports are put together at the first request that needs them, and once. */
type Function<Ports, Settings> = Readonly<{
  log: Log;
  project: string;
  settings: Settings;
  ports: () => Promise<Ports>;
}>;

export type ReconcileDependencies = Function<ReconcilePorts, SurveySettings>;
export type IssueDependencies = Function<IssuePorts, IssueSettings>;
export type SyncDependencies = Function<SyncPorts, SyncSettings>;
export type ApiDependencies = Function<ApiPorts, ApiSettings>;

/** What the api asks: its own memory and engines, reconcile, which alone may look into clusters, and issue, which alone may write zones. */
export type ApiPorts = Readonly<{
  records: CertificateRecords;
  queue: IssueQueue;
  queueStates: () => Promise<readonly QueueStatus[]>;
  schedule: Schedule;
  askReconcile: AskReconcile;
  /** What issue could do; orders go to it by the queue alone. */
  askIssue: AskIssue;
  /** Who the Authorization header and the assertion of Identity-Aware Proxy stand for; undefined when it is nobody. */
  identify: VerifyIdentity;
  time: Time;
}>;
export type ApiSettings = Readonly<{ rules: Rules; access: Config['access']; config: Config }>;

/** The seams that one machine has besides the configuration. */
export type Surroundings = Readonly<{
  log?: Log;
  time?: Time;
  /** Sees each request to a CA, to count them. */
  onAcmeRequest?: NonNullable<CertificateAuthorityOptions['onRequest']>;
}>;

export function reconcileDependencies(
  config: Config,
  { log = createLog(), time = systemTime }: Surroundings = {},
): ReconcileDependencies {
  const rules = rulesOf(config);
  return {
    log,
    project: config.project,
    settings: { rules, zoneProjects: projectsOf(config) },
    ports: once(async () => {
      const auth = authOf(config);
      const [readers, zones, secrets, queue, repairs] = await Promise.all([
        clusters(config, auth, { now: time.now, as: 'reader' }),
        zonesOf(config, auth),
        secretsOf(config, auth),
        queueOf(config, auth, time),
        repairsOf(config, auth),
      ]);
      return {
        readers,
        zones,
        records: secrets.records,
        versions: secrets.versions,
        queue,
        repairs,
        time,
        log,
      };
    }),
  };
}

export function issueDependencies(
  config: Config,
  { log = createLog(), time = systemTime, onAcmeRequest }: Surroundings = {},
): IssueDependencies {
  return {
    log,
    project: config.project,
    settings: {
      installation: config.installation,
      zoneProjects: projectsOf(config),
      settleMs: config.dns.settleSeconds * 1000,
    },
    ports: once(async () => {
      const auth = authOf(config);
      const [secrets, zones, queue, { createPki }, { createNameLookup }] = await Promise.all([
        secretsOf(config, auth),
        zonesOf(config, auth),
        queueOf(config, auth, time),
        import('../shared/adapters/x509.ts'),
        import('../shared/adapters/dns-lookup.ts'),
      ]);
      const { records, versions, writer, vault } = secrets;
      return {
        records,
        versions,
        writer,
        vault,
        zones,
        queue,
        authorities: await authoritiesOf(config, {
          vault,
          now: time.now,
          onRequest: onAcmeRequest,
        }),
        pki: createPki(),
        lookup: createNameLookup({ resolver: config.dns.resolver, port: config.dns.port }),
        time,
        log,
      };
    }),
  };
}

export function syncDependencies(
  config: Config,
  { log = createLog(), time = systemTime }: Surroundings = {},
): SyncDependencies {
  return {
    log,
    project: config.project,
    settings: { rules: rulesOf(config), keepVersions: config.keepVersions },
    ports: once(async () => {
      const auth = authOf(config);
      const [writers, secrets, { createPki }, { createHandshakes }] = await Promise.all([
        clusters(config, auth, { now: time.now, as: 'writer' }),
        secretsOf(config, auth),
        import('../shared/adapters/x509.ts'),
        import('../shared/adapters/handshake.ts'),
      ]);
      const { records, versions, reader } = secrets;
      return {
        writers,
        records,
        versions,
        reader,
        pki: createPki(),
        handshakes: createHandshakes({ allow: config.handshake.allow }),
        time,
        log,
      };
    }),
  };
}

export function apiDependencies(
  config: Config,
  { log = createLog(), time = systemTime }: Surroundings = {},
): ApiDependencies {
  return {
    log,
    project: config.project,
    settings: { rules: rulesOf(config), access: config.access, config },
    ports: once(async () => {
      const auth = authOf(config);
      const [secrets, queue, tasks, { createSchedule }, { createIdentityVerifier }] =
        await Promise.all([
          secretsOf(config, auth),
          queueOf(config, auth, time),
          import('../shared/adapters/cloud-tasks.ts'),
          import('../shared/adapters/scheduler.ts'),
          import('../shared/adapters/identity.ts'),
        ]);
      const { metadata, scheduler, tasks: endpoint } = config.endpoints;
      return {
        records: secrets.records,
        queue,
        queueStates: tasks.createQueueStates({ queues: queuesOf(config), auth, endpoint }),
        schedule: createSchedule({ job: jobOf(config), auth, endpoint: scheduler }),
        askReconcile: createFunctionCaller({
          ...{ name: 'reconcile', url: config.runtime.reconcileUrl },
          auth,
        }),
        askIssue: createFunctionCaller({ name: 'issue', url: config.runtime.issueUrl, auth }),
        identify: createIdentityVerifier({
          audience: config.runtime.audience,
          iapAudience: config.runtime.iapAudience,
          certificatesUrl: metadata && `${new URL(metadata).origin}/oauth2/v3/certs`,
          iapKeysUrl: metadata && `${new URL(metadata).origin}/iap/verify/public_key-jwk`,
        }),
        time,
      };
    }),
  };
}

const systemTime: Time = {
  now: () => new Date(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const authOf = ({ endpoints }: Config) => createGoogleAuth({ metadata: endpoints.metadata });

const projectsOf = ({ zones }: Config) => zones.map(({ project }) => project);

const parentOf = ({ project, location }: Config) => `projects/${project}/locations/${location}`;

/** Short names in the configuration stand for those of its own project and location. */
const queuesOf = (config: Config) =>
  Object.fromEntries(
    Object.entries(config.runtime.queues).map(([issuer, queue]) => [
      issuer,
      queue.includes('/') ? queue : `${parentOf(config)}/queues/${queue}`,
    ]),
  );

const jobOf = (config: Config) =>
  config.runtime.schedulerJob.includes('/')
    ? config.runtime.schedulerJob
    : `${parentOf(config)}/jobs/${config.runtime.schedulerJob}`;

async function secretsOf(config: Config, auth: GoogleAuth) {
  const { createSecrets } = await import('../shared/adapters/secret-manager/secrets.ts');
  const { project, installation, runtime, replicas, endpoints } = config;
  return createSecrets({
    project,
    installation,
    topic: runtime.topic,
    replicas,
    auth,
    endpoint: endpoints.secretManager,
  });
}

async function zonesOf({ endpoints }: Config, auth: GoogleAuth) {
  const { createZones } = await import('../shared/adapters/cloud-dns.ts');
  return createZones({ authClient: auth.client, endpoint: endpoints.dns });
}

async function queueOf(config: Config, auth: GoogleAuth, { now }: Time): Promise<IssueQueue> {
  const { createIssueQueue } = await import('../shared/adapters/cloud-tasks.ts');
  const { runtime, endpoints } = config;
  return createIssueQueue({
    queues: queuesOf(config),
    url: runtime.issueUrl,
    invoker: runtime.invoker,
    auth,
    endpoint: endpoints.tasks,
    now,
  });
}

async function repairsOf({ runtime, endpoints }: Config, auth: GoogleAuth) {
  const { createRepairMessages } = await import('../shared/adapters/pubsub.ts');
  return createRepairMessages({ topic: runtime.topic, auth, endpoint: endpoints.pubsub });
}

// A kubeconfig that was renewed and a control plane that moved must reach an instance that lives for days.
const CLUSTER_KNOWN_MS = 5 * 60_000;

/**
 * The clusters by name, as one of the two that they let in. Where a cluster is and how it lets us in is found out at its first use, and again
 * after five minutes.
 */
async function clusters(
  config: Config,
  auth: GoogleAuth,
  { now, as }: Pick<Time, 'now'> & Readonly<{ as: 'reader' | 'writer' }>,
): Promise<(cluster: string) => Promise<ClusterWriter>> {
  const [{ createCluster }, { gkeAccess }, { parseKubeconfig }, { vault }] = await Promise.all([
    import('../shared/adapters/kubernetes/cluster.ts'),
    import('../shared/adapters/kubernetes/gke.ts'),
    import('../shared/adapters/kubernetes/kubeconfig.ts'),
    secretsOf(config, auth),
  ]);
  const access = async ({ name, gke, kubeconfigSecret }: Config['clusters'][number]) => {
    if (gke)
      return gkeAccess({
        cluster: gke,
        endpoint: config.endpoints.container,
        token: auth.accessToken,
        grantee: () => toAccount(auth.client),
      });
    const secret = kubeconfigSecret?.[as] ?? '';
    const kubeconfig = await vault.read(secret);
    const origin = `secret ${secret}, the ${as}'s kubeconfig of cluster ${name},`;
    if (kubeconfig) return parseKubeconfig(kubeconfig.reveal(), origin);
    throw new CertificateError(
      'cluster-unreachable',
      `${origin} is absent or has no enabled version; put the kubeconfig into it`,
    );
  };
  const open = async (name: string) => {
    const cluster = config.clusters.find((candidate) => candidate.name === name);
    if (!cluster)
      throw new CertificateError(
        'config-invalid',
        `there is no cluster ${name} in the configuration`,
      );
    const { installation, optIn } = config;
    return createCluster({
      name,
      installation,
      annotations: [optIn.annotation],
      // Whoever writes needs what is there now.
      cached: as === 'reader',
      access: await access(cluster),
    });
  };
  return byName(open, { ms: CLUSTER_KNOWN_MS, now });
}

async function authoritiesOf(
  config: Config,
  shared: Pick<CertificateAuthorityOptions, 'vault' | 'now' | 'onRequest'>,
): Promise<CertificateAuthorities> {
  const { createCertificateAuthority } = await import(
    '../shared/adapters/acme/certificate-authority.ts'
  );
  const open = new Map<string, CertificateAuthority>();
  return (name) => {
    const known = open.get(name);
    if (known) return known;
    const issuer = config.issuers[name];
    if (!issuer)
      throw new CertificateError(
        'config-invalid',
        `there is no issuer ${name} in the configuration`,
      );
    const authority = createCertificateAuthority({
      ...shared,
      issuer: { name, directory: issuer.directory, contact: issuer.contact },
      accountSecret: `${config.installation}-account-${name}`,
      tlsCa: issuer.caCertificate,
      userAgent: 'certherd/0.1',
    });
    open.set(name, authority);
    return authority;
  };
}

/** The result of the first call of a name, for all calls within so many milliseconds; a failure is forgotten, so that the next call tries again. */
function byName<T>(
  make: (name: string) => Promise<T>,
  { ms, now }: Readonly<{ ms: number; now: () => Date }>,
): (name: string) => Promise<T> {
  const made = new Map<string, Readonly<{ at: number; value: Promise<T> }>>();
  return (name) => {
    const at = now().getTime();
    const known = made.get(name);
    if (known && at - known.at < ms) return known.value;
    const value = make(name);
    made.set(name, { at, value });
    value.catch(() => made.delete(name));
    return value;
  };
}
