import { createClient } from '../../../cli/client.ts';
import { apiFunction } from '../../../functions/api.ts';
import {
  apiDependencies,
  issueDependencies,
  reconcileDependencies,
  syncDependencies,
} from '../../../functions/dependencies.ts';
import { issueFunction } from '../../../functions/issue.ts';
import { reconcileFunction } from '../../../functions/reconcile.ts';
import { syncFunction } from '../../../functions/sync.ts';
import { googleVerifier, requireInvoker } from '../../../local/cloud-run.ts';
import { underFramework } from '../../../local/functions.ts';
import { settled } from '../../../local/settling.ts';
import { type Config, parseConfig } from '../../../shared/config.ts';
import type { StoredRecord } from '../../../shared/domain/record.ts';
import { createLog, type LogEntry } from '../../../shared/log.ts';
import { type Cloud, PROJECT } from './cloud.ts';

const LOCATION = `projects/${PROJECT}/locations/europe-west1`;
const PERSON = 'ops@a.test';

type Name = 'reconcile' | 'issue' | 'sync' | 'api';

/** What was applied, with the four functions running in this process. */
export type Deployment = Readonly<{
  log: LogEntry[];
  /** The configuration of a function as it was applied, as text. */
  applied(name: Name): Applied;
  /** One Scheduler run, and everything that follows from it at once. */
  tick(): Promise<void>;
  settle(): Promise<void>;
  /** A person asks the api with the command line's own client, through both of its doors. */
  ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer>;
  records(): Promise<readonly StoredRecord[]>;
}>;

type Answer = Readonly<{ status: number; body: Readonly<Record<string, unknown>> }>;
type Applied = Readonly<{ account: string; config: Readonly<Record<string, unknown>> }>;

type FunctionShape = Readonly<{
  serviceConfig: Readonly<{
    serviceAccountEmail: string;
    environmentVariables: Readonly<Record<string, string>>;
  }>;
}>;
type ServiceShape = Readonly<{
  template: Readonly<{
    serviceAccount: string;
    containers: readonly Readonly<{ env: readonly Readonly<{ name: string; value: string }>[] }>[];
  }>;
}>;

/** Reads what was applied out of the stub and starts the functions with it. */
export async function startDeployment(cloud: Cloud): Promise<Deployment> {
  const { services, host, clock } = cloud;
  const log: LogEntry[] = [];
  const surroundings = {
    log: createLog((entry) => log.push(entry)),
    time: {
      now: clock.now,
      sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms / 5)),
    },
  };
  const config = (name: Name) => runnable(cloud, appliedTo(cloud, name));
  const reconcile = reconcileDependencies(config('reconcile'), surroundings);
  const handlers = {
    reconcile: reconcileFunction(reconcile),
    issue: issueFunction(issueDependencies(config('issue'), surroundings)),
    sync: syncFunction(syncDependencies(config('sync'), surroundings)),
    api: apiFunction(apiDependencies(config('api'), surroundings)),
  };
  const { audience, schedulerJob } = config('api').runtime;
  const verify = googleVerifier(services.metadata.pemCertificatesUrl);
  for (const [name, handler] of Object.entries(handlers)) {
    const invokers = cloud.iam.holders(
      cloud.stub.policy(`/run/v2/${LOCATION}/services/certherd-${name}`),
      'run.routes.invoke',
    );
    const audiences = [`${host.url}/${name}`, ...(name === 'api' ? [audience] : [])];
    host.serve(
      name,
      requireInvoker(underFramework(name, handler), { invokers, audiences, verify }),
    );
  }
  host.open();
  const settle = () => settled(services);
  return {
    ...{ log, settle, applied: (name) => appliedTo(cloud, name) },
    async tick() {
      await cloud.asOwner(
        'POST',
        `${services.scheduler.url}/v1/${LOCATION}/jobs/${schedulerJob}:run`,
        {},
      );
      await settle();
    },
    async ask(method, path, body) {
      const token = await services.metadata.identityToken(PERSON, audience);
      const client = createClient({ url: `${host.url}/api`, tokenCommand: `echo ${token}` });
      const { status, document } = await (method === 'POST'
        ? client.post(path, body)
        : client.get(path));
      return { status, body: document as Answer['body'] };
    },
    records: async () =>
      (await reconcile.ports()).records.list((id, problem) => {
        throw new Error(`${id} ${problem}`);
      }),
  };
}

function appliedTo({ stub }: Cloud, name: Name): Applied {
  const resources = stub.resources();
  if (name === 'api') {
    const { template } = resources.get(`/run/v2/${LOCATION}/services/certherd-api`) as ServiceShape;
    const { value = '' } =
      template.containers[0]?.env.find((entry) => entry.name === 'CERTHERD_CONFIG') ?? {};
    return { account: template.serviceAccount, config: JSON.parse(value) };
  }
  const path = `/cloudfunctions/v2/${LOCATION}/functions/certherd-${name}`;
  const { serviceConfig } = resources.get(path) as FunctionShape;
  return {
    account: serviceConfig.serviceAccountEmail,
    config: JSON.parse(serviceConfig.environmentVariables.CERTHERD_CONFIG ?? ''),
  };
}

/** The applied configuration, led to this machine: endpoints and name servers, and nothing else. */
function runnable({ services, containerUrl }: Cloud, { account, config }: Applied): Config {
  const port = services.dns.dnsPort;
  const parsed = parseConfig({
    ...config,
    dns: { ...Object(config.dns), resolver: `127.0.0.1:${port}`, port },
    endpoints: {
      dns: services.dns.url,
      secretManager: services.secretManager.url,
      tasks: services.tasks.url,
      scheduler: services.scheduler.url,
      pubsub: services.pubsub.url,
      container: containerUrl,
      metadata: services.metadata.urlFor(account),
    },
  });
  if ('faults' in parsed) throw new Error(parsed.faults.join('\n'));
  return parsed.config;
}
