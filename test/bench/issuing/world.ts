import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../local/clock.ts';
import { createKeeper } from '../../../local/keeper.ts';
import { settled } from '../../../local/settling.ts';
import { type System, startSystem } from '../../../local/system.ts';
import type { SeenRequest } from '../../../shared/adapters/acme/session.ts';
import { createLog, type LogEntry } from '../../../shared/log.ts';
import type { RunningApiServer } from '../../real/parts/kube-apiserver.ts';
import { type Pebble, startPebble } from '../../real/parts/pebble.ts';
import { freePort } from '../function-process.ts';
import { watchSecrets } from './secret-watch.ts';

/** Seconds that Pebble asks to be left alone, for authorizations and for orders. */
export type RetryAfter = 0 | 1;

/** The whole system in front of a real CA and a real cluster. */
export type World = Readonly<{
  pebble: Pebble;
  dns: System['services']['dns'];
  /** File with the root of the CA's own TLS. */
  caFile: string;
  /** Asks over HTTP for a certificate of a fresh name and its wildcard. Seconds from the request to the Secret in the cluster. */
  issue(): Promise<number>;
  /** Resolves when no task runs and no message is under way. */
  settled(): Promise<void>;
  /** Every request to the CA since the world began. */
  requests(): readonly SeenRequest[];
  close(): Promise<void>;
}>;

const NAMESPACE = 'bench';
export const ZONE = 'bench.test';
const OPERATOR = 'operator@bench.test';

type WorldOptions = Readonly<{ folder: string; retryAfter: RetryAfter }>;

/** Starts Pebble and the system of `npm start`, its only cluster being the given one. */
export async function openWorld(
  api: RunningApiServer,
  { folder, retryAfter }: WorldOptions,
): Promise<World> {
  const dnsPort = await freePort();
  const pebble = await startPebble({
    dnsServer: `127.0.0.1:${dnsPort}`,
    retryAfter: { authz: retryAfter, order: retryAfter },
  });
  const caFile = join(folder, `pebble-${dnsPort}.pem`);
  writeFileSync(caFile, pebble.tlsCa);
  const keeper = createKeeper(undefined);
  keeper.onClose(pebble.close);
  const seen: SeenRequest[] = [];
  const troubles: LogEntry[] = [];
  const kubeconfig = kubeconfigFile(api, folder);
  const system = await startSystem({
    document: DOCUMENT,
    zones: [ZONE],
    records: [],
    realClusters: new Map([[CLUSTER, { reader: kubeconfig, writer: kubeconfig }]]),
    acme: { directory: pebble.directoryUrl, caFile },
    dnsPort,
    port: 0,
    record: undefined,
    keeper,
    clock: systemClock,
    surroundings: {
      log: createLog((entry) => {
        if (entry.severity !== 'INFO' && entry.severity !== 'DEBUG') troubles.push(entry);
      }),
      onAcmeRequest: (request) => void seen.push(request),
    },
  });
  const watch = await watchSecrets(api, NAMESPACE, () => troubles);
  keeper.onClose(watch.close);
  const token = await system.services.metadata.identityToken(
    OPERATOR,
    system.config.runtime.audience,
  );
  return {
    pebble,
    dns: system.services.dns,
    caFile,
    settled: () => settled(system.services),
    requests: () => seen,
    close: keeper.close,
    async issue() {
      const label = freshLabel();
      const name = `${label}.${ZONE}`;
      const start = performance.now();
      const written = watch.appeared(label);
      await ask(`${system.door.url}/v1/certificates`, token, {
        names: [name, `*.${name}`],
        targets: [`${CLUSTER}/${NAMESPACE}/${label}`],
      });
      return ((await written) - start) / 1000;
    },
  };
}

const CLUSTER = 'real';
const DOCUMENT = {
  project: 'bench',
  issuers: { pebble: { directory: 'https://pebble.test/dir', contact: 'ops@example.org' } },
  clusters: [
    {
      name: CLUSTER,
      kubeconfigSecret: 'kubeconfig-real',
      allow: [{ namespaces: [NAMESPACE], names: [ZONE], wildcards: true }],
    },
  ],
  access: { operators: [`user:${OPERATOR}`] },
};

let labels = 0;

/** A name that no run has used: a name that was proven once would be proven for less the next time. */
export function freshLabel(): string {
  labels += 1;
  return `n${process.pid}-${labels}`;
}

async function ask(url: string, token: string, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 202) throw new Error(`POST ${url}: ${response.status} ${text}`);
}

/** A kubeconfig of an administrator of the cluster. */
export function kubeconfigFile({ server, ca, token }: RunningApiServer, folder: string): string {
  const path = join(folder, 'kubeconfig');
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'real', cluster }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'real', context: { cluster: 'real', user: 'admin' } }],
    'current-context': 'real',
  };
  writeFileSync(path, JSON.stringify(kubeconfig), { mode: 0o600 });
  return path;
}
