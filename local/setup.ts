import { readFileSync } from 'node:fs';
import { type Config, parseConfig } from '../shared/config.ts';
import { type Accounts, LOCAL_PERSON } from './accounts.ts';
import type { AcmeCa } from './acme-ca/acme-ca.ts';
import type { Kubeconfig, LocalCluster } from './clusters.ts';
import {
  ConfigurationFaults,
  type EmbeddedPlaces,
  embeddedConfig,
  embeddedDocument,
  loopbackFaults,
  type RawDocument,
} from './document.ts';
import type { Provision } from './provision.ts';
import type { Services } from './services.ts';

/** Everything that runs when the configuration is put together. */
export type Parts = Readonly<{
  document: RawDocument;
  project: string;
  accounts: Accounts;
  services: Services;
  clusters: readonly LocalCluster[];
  containerUrl: string;
  functionsUrl: string;
  ca: AcmeCa | undefined;
  acme: Readonly<{ directory: string; caFile: string | undefined }> | undefined;
  zones: readonly string[];
  records: readonly ExampleRecord[];
}>;

/** A record set that the example brings, besides its zones. */
export type ExampleRecord = Readonly<{ name: string; type: string; rrdatas: readonly string[] }>;

const AUDIENCE = 'certherd-api';
const JOB = 'certherd';

/** The document, checked, with the embedded parts filled in. Throws ConfigurationFaults. */
export function checkedConfig(parts: Parts): Config {
  const { document } = parts;
  const { dnsPort } = parts.services.dns;
  const values = {
    dns: { settleSeconds: 0, resolver: `127.0.0.1:${dnsPort}`, port: dnsPort },
    runtime: runtimeValues(parts),
    endpoints: endpointValues(parts),
    handshake: { allow: ['127.0.0.0/8'] },
    admin: `user:${LOCAL_PERSON}`,
  };
  const places = placesOf(parts);
  const parsed = parseConfig(embeddedDocument(document, values, places));
  const faults = [...('faults' in parsed ? parsed.faults : []), ...loopbackFaults(document)];
  if ('faults' in parsed || faults.length > 0) throw new ConfigurationFaults(faults);
  return embeddedConfig(parsed.config, places);
}

function placesOf({ clusters, ca, acme }: Parts): EmbeddedPlaces {
  const caCertificate = acme?.caFile === undefined ? ca?.tlsCa : readFileSync(acme.caFile, 'utf8');
  return {
    issuer: {
      directory: acme?.directory ?? ca?.directoryUrl ?? '',
      ...(caCertificate === undefined ? {} : { caCertificate }),
    },
    kubeconfigSecrets: new Map(
      clusters.flatMap(({ name, kubeconfigs }) => {
        if (!kubeconfigs) return [];
        const { reader, writer } = kubeconfigs;
        return [[name, { reader: reader.secret, writer: writer.secret }]];
      }),
    ),
  };
}

function runtimeValues({ document, project, accounts, functionsUrl }: Parts): RawDocument {
  const issuers =
    typeof document.issuers === 'object' && document.issuers !== null
      ? Object.keys(document.issuers)
      : [];
  return {
    reconcileUrl: `${functionsUrl}/reconcile`,
    issueUrl: `${functionsUrl}/issue`,
    queues: Object.fromEntries(issuers.map((name) => [name, `certherd-queue-${name}`])),
    topic: `projects/${project}/topics/certherd-versions`,
    schedulerJob: JOB,
    audience: AUDIENCE,
    invoker: accounts.invoker,
  };
}

const endpointValues = ({ services, containerUrl }: Parts): RawDocument => ({
  dns: services.dns.url,
  secretManager: services.secretManager.url,
  tasks: services.tasks.url,
  scheduler: services.scheduler.url,
  container: containerUrl,
  pubsub: services.pubsub.url,
  metadata: services.metadata.url,
});

/** Makes in the embedded services what the Terraform module makes in a project. Repeating it changes nothing but moved addresses. */
export async function provisionAll(
  provision: Provision,
  config: Config,
  parts: Parts,
): Promise<void> {
  const { services, zones, records } = parts;
  for (const { project } of config.zones.slice(0, 1))
    for (const dnsName of zones) services.dns.addZone({ project, dnsName });
  services.dns.addRecords(records);
  await provisionEngines(provision, config, parts);
  const kubeconfigs = parts.clusters.flatMap((cluster) => Object.values(cluster.kubeconfigs ?? {}));
  const bySecret = new Map(kubeconfigs.map((kubeconfig) => [kubeconfig.secret, kubeconfig]));
  await Promise.all(
    [...bySecret.values()].map((kubeconfig) => provisionKubeconfig(provision, kubeconfig, parts)),
  );
}

async function provisionEngines(
  provision: Provision,
  config: Config,
  { services, accounts, project, functionsUrl }: Parts,
): Promise<void> {
  const parent = `projects/${project}/locations/${config.location}`;
  await provision('PUT', `${services.pubsub.url}/v1/${config.runtime.topic}`, {});
  await provision(
    'PUT',
    `${services.pubsub.url}/v1/projects/${project}/subscriptions/certherd-sync`,
    {
      topic: config.runtime.topic,
      ackDeadlineSeconds: 600,
      pushConfig: {
        pushEndpoint: `${functionsUrl}/sync`,
        oidcToken: { serviceAccountEmail: accounts.pusher, audience: `${functionsUrl}/sync` },
      },
      retryPolicy: { minimumBackoff: '10s', maximumBackoff: '600s' },
    },
  );
  for (const queue of Object.values(config.runtime.queues))
    await provision('POST', `${services.tasks.url}/v2/${parent}/queues`, {
      name: `${parent}/queues/${queue}`,
      rateLimits: { maxDispatchesPerSecond: 50, maxConcurrentDispatches: 20 },
      retryConfig: { maxAttempts: -1, minBackoff: '5s', maxBackoff: '600s' },
    });
  await provision('POST', `${services.scheduler.url}/v1/${parent}/jobs`, {
    name: `${parent}/jobs/${JOB}`,
    schedule: '17 * * * *',
    timeZone: 'Etc/UTC',
    attemptDeadline: '600s',
    httpTarget: {
      uri: config.runtime.reconcileUrl,
      httpMethod: 'POST',
      oidcToken: { serviceAccountEmail: accounts.scheduler, audience: config.runtime.reconcileUrl },
    },
  });
}

async function provisionKubeconfig(
  provision: Provision,
  { secret, text }: Kubeconfig,
  { services, project }: Parts,
): Promise<void> {
  const url = `${services.secretManager.url}/v1/projects/${project}/secrets`;
  await provision('POST', `${url}?secretId=${secret}`, { replication: { automatic: {} } });
  await provision('POST', `${url}/${secret}:addVersion`, {
    payload: { data: Buffer.from(text).toString('base64') },
  });
}
