import type { IncomingMessage } from 'node:http';
import type { Accounts } from './accounts.ts';
import type { AcmeCaOptions } from './acme-ca/acme-ca.ts';
import { type Clock, systemClock } from './clock.ts';
import { type CloudDns, startCloudDns } from './cloud-dns/cloud-dns.ts';
import { type CloudTasks, startCloudTasks } from './cloud-tasks/cloud-tasks.ts';
import type { Keeper, Kept } from './keeper.ts';
import { type Metadata, startMetadata } from './metadata/metadata.ts';
import { type PubSub, startPubSub } from './pubsub/pubsub.ts';
import type { Recorder } from './recorder.ts';
import { type KubeconfigSecrets, requireRight, rightsOf, roleOf } from './rights.ts';
import { type Scheduler, startScheduler } from './scheduler/scheduler.ts';
import { type SecretManager, startSecretManager } from './secret-manager/secret-manager.ts';

/** The embedded Google services, each reachable by its own API alone. */
export type Services = Readonly<{
  metadata: Metadata;
  dns: CloudDns;
  pubsub: PubSub;
  secretManager: SecretManager;
  tasks: CloudTasks;
  scheduler: Scheduler;
  /** The rights that every stand-in asks of its callers. */
  before: (request: IncomingMessage) => void;
}>;

export type ServicesOptions = Readonly<{
  project: string;
  installation: string;
  kubeconfigs: KubeconfigSecrets;
  accounts: Accounts;
  keeper: Keeper;
  recorder: Recorder | undefined;
  dnsPort: number;
  clock: Clock;
  trouble: Trouble | undefined;
}>;

/** What a test wants the services to do wrong, as real ones do: slow name servers, doubled deliveries, write limits, scripted errors. */
export type Trouble = Readonly<{
  propagationMs?: number;
  duplicate?: boolean;
  limits?: boolean;
  before?: (service: Embedded, request: IncomingMessage) => Promise<void> | void;
  /** As `before`, for the API server of a cluster. */
  kubernetes?: (cluster: string, request: IncomingMessage) => Promise<void> | void;
  acme?: Pick<
    AcmeCaOptions,
    'nonceReject' | 'retryAfterSeconds' | 'authorizationReuse' | 'before' | 'lifetimeDays'
  >;
}>;

export type Embedded = 'cloud-dns' | 'secret-manager' | 'cloud-tasks' | 'scheduler' | 'pubsub';

/** Starts them in the order in which they need each other. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { project, accounts, keeper, recorder, clock, trouble = {} } = options;
  const metadata = await keeper.start('metadata', (kept) =>
    startMetadata({ ...kept, clock: systemClock, project }),
  );
  const role = roleOf(accounts, metadata.accountOf);
  const rights = rightsOf(options.installation, options.kubeconfigs);
  const before: Services['before'] = (request) => requireRight(request, role, rights);
  const common = (service: Embedded, { port, store }: Kept) => ({
    ...{ clock, recorder, port, store, identityToken: metadata.identityToken },
    before: async (request: IncomingMessage) => {
      before(request);
      await trouble.before?.(service, request);
    },
  });
  const { duplicate = false, limits = false, propagationMs } = trouble;
  const pubsub = await keeper.start('pubsub', (kept) =>
    startPubSub({ ...common('pubsub', kept), duplicate }),
  );
  const dnsPort = options.dnsPort || keeper.port('dns');
  const { publish } = pubsub;
  return {
    metadata,
    before,
    pubsub,
    dns: await keeper.start('cloud-dns', (kept) =>
      startCloudDns({ ...common('cloud-dns', kept), dnsPort, propagationMs }),
    ),
    secretManager: await keeper.start('secret-manager', (kept) =>
      startSecretManager({ ...common('secret-manager', kept), publish, limits }),
    ),
    tasks: await keeper.start('cloud-tasks', (kept) =>
      startCloudTasks({ ...common('cloud-tasks', kept), duplicate }),
    ),
    scheduler: await keeper.start('scheduler', (kept) => startScheduler(common('scheduler', kept))),
  };
}
