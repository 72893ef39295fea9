import type { Accounts } from './accounts.ts';
import { systemClock } from './clock.ts';
import { type CloudDns, startCloudDns } from './cloud-dns/cloud-dns.ts';
import { type CloudTasks, startCloudTasks } from './cloud-tasks/cloud-tasks.ts';
import type { GoogleApiOptions } from './google-api.ts';
import type { Keeper } from './keeper.ts';
import { type Metadata, startMetadata } from './metadata/metadata.ts';
import { type PubSub, startPubSub } from './pubsub/pubsub.ts';
import type { Recorder } from './recorder.ts';
import { requireRight, roleOf } from './rights.ts';
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
  before: NonNullable<GoogleApiOptions['before']>;
}>;

export type ServicesOptions = Readonly<{
  project: string;
  accounts: Accounts;
  keeper: Keeper;
  recorder: Recorder | undefined;
  dnsPort: number;
}>;

/** Starts them in the order in which they need each other. */
export async function startServices({
  project,
  accounts,
  keeper,
  recorder,
  dnsPort,
}: ServicesOptions): Promise<Services> {
  const clock = systemClock;
  const metadata = await keeper.start('metadata', (kept) =>
    startMetadata({ ...kept, clock, project }),
  );
  const role = roleOf(accounts, metadata.accountOf);
  const before: Services['before'] = (request) => requireRight(request, role);
  const common = { clock, recorder, before, identityToken: metadata.identityToken };
  const pubsub = await keeper.start('pubsub', (kept) => startPubSub({ ...common, ...kept }));
  const publish = pubsub.publish;
  return {
    metadata,
    before,
    pubsub,
    dns: await keeper.start('cloud-dns', (kept) =>
      startCloudDns({ ...common, ...kept, dnsPort: dnsPort || keeper.port('dns') }),
    ),
    secretManager: await keeper.start('secret-manager', (kept) =>
      startSecretManager({ ...common, ...kept, publish }),
    ),
    tasks: await keeper.start('cloud-tasks', (kept) => startCloudTasks({ ...common, ...kept })),
    scheduler: await keeper.start('scheduler', (kept) => startScheduler({ ...common, ...kept })),
  };
}
