import { createApplier } from './applier.ts';
import { type Cluster, type ClusterApi, createClusterApi, sentenceOf } from './cluster-api.ts';
import { fallbackPair } from './fallback-certificate.ts';
import type { FrontLog, FrontServer } from './front-server.ts';
import { installedNginx, startNginxServer } from './nginx-server.ts';
import { startNodeServer } from './node-server.ts';
import { createServing } from './serving.ts';
import { type PublishedIngress, publishAddress } from './status-publisher.ts';
import { isOfClass, type KeyPair, type TlsSecret } from './virtual-hosts.ts';
import { watchCollection } from './watched-collection.ts';

/**
 * `ingressClasses`: absent takes any Ingress, the first is the class of an Ingress without one.
 * `port`: 0 or absent takes a free one. The address is written to the Ingresses only with `publishStatus`.
 */
export type FrontOptions = Readonly<{
  kind: 'auto' | 'nginx' | 'node';
  cluster: Cluster;
  ingressClasses?: readonly string[];
  publishStatus: boolean;
  log: FrontLog;
  port?: number;
}>;

/** What serves one cluster's TLS Secrets on 127.0.0.1, as its ingress controller would. */
export type Front = Readonly<{
  kind: 'nginx' | 'node';
  port: number;
  /**
   * Resolves when all that stands in the API at the time of the call is served and published.
   * Rejects with a sentence when that failed or took longer.
   */
  settled(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}>;

/** Starts a front; it serves the fallback certificate until the first lists are read. `auto` is nginx where it is installed; throws when that does not start. */
export async function startFront(options: FrontOptions): Promise<Front> {
  const fallback = await fallbackPair();
  const { kind, server } = await startServer(options, fallback);
  const api = createClusterApi(options.cluster);
  const followed = follow({ options, api, server, fallback });
  return {
    kind,
    port: server.port,
    settled: (timeoutMs) => within(timeoutMs, options.cluster.name, followed.settled()),
    async close() {
      await followed.close();
      await server.close();
    },
  };
}

async function startServer(
  { kind, port = 0, log }: FrontOptions,
  fallback: KeyPair,
): Promise<{ kind: 'nginx' | 'node'; server: FrontServer }> {
  const binary = kind === 'node' ? undefined : await installedNginx();
  if (binary)
    return { kind: 'nginx', server: await startNginxServer({ binary, port, fallback, log }) };
  if (kind === 'nginx')
    throw new Error(
      'nginx is not installed: install it (Debian: apt-get install nginx-light) or choose another front',
    );
  if (kind === 'auto')
    log({
      message: 'front is a stand-in: nginx is not installed (Debian: apt-get install nginx-light)',
    });
  return { kind: 'node', server: await startNodeServer({ port, fallback }) };
}

type Following = Readonly<{
  options: FrontOptions;
  api: ClusterApi;
  server: FrontServer;
  fallback: KeyPair;
}>;

/** Keeps the server and the Ingresses' status in step with what the API says. */
function follow({ options, api, server, fallback }: Following) {
  const { log } = options;
  const { ingresses, secrets } = watchBoth(options, api, () => {
    serving.changed();
    publishing.changed();
  });
  const serve = createServing({ server, fallback, log });
  const serving = createApplier({
    async apply() {
      const [seen, pairs] = [ingresses.items(), secrets.items()];
      // Half of the picture would put the fallback in front of every host.
      if (seen && pairs) await serve(seen, pairs);
    },
    onFault: (error) =>
      log({ message: 'front could not serve a change', reason: sentenceOf(error) }),
  });
  const publishing = createApplier({
    async apply() {
      if (!options.publishStatus) return;
      await publishAddress({ api, port: server.port, log }, ingresses.items() ?? []);
    },
    onFault: (error) =>
      log({ message: 'front could not publish its address', reason: sentenceOf(error) }),
  });
  return {
    async settled() {
      await Promise.all([ingresses.refresh(), secrets.refresh()]);
      await Promise.all([serving.settled(), publishing.settled()]);
    },
    async close() {
      const closing = [ingresses, secrets, serving, publishing].map((part) => part.close());
      // A call that hangs must not hold up the end.
      await api.close();
      await Promise.all(closing);
    },
  };
}

function watchBoth(options: FrontOptions, api: ClusterApi, onChange: () => void) {
  const ingresses = watchCollection<PublishedIngress>({
    api,
    path: '/apis/networking.k8s.io/v1/ingresses',
    accepts: (ingress) => isOfClass(ingress, options.ingressClasses),
    onChange,
    log: options.log,
  });
  const secrets = watchCollection<TlsSecret>({
    api,
    path: '/api/v1/secrets',
    fieldSelector: 'type=kubernetes.io/tls',
    accepts: ({ type }) => type === 'kubernetes.io/tls',
    onChange,
    log: options.log,
  });
  return { ingresses, secrets };
}

async function within(timeoutMs: number, cluster: string, done: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`the front of ${cluster} did not settle within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await Promise.race([done, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
