import type { IncomingMessage } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Store } from '../state.ts';
import { loopbackIdentity } from '../tls.ts';
import { listenerOf } from '../wire/request.ts';
import type { Server } from './call.ts';
import { KubernetesFault } from './faults.ts';
import { createObjectStore, type KubernetesState, keyOf } from './object-store.ts';
import { namespaces } from './resources.ts';
import { type Api, type AuthorizationAttributes, answer } from './serving.ts';
import { created } from './writing.ts';

export type { KubernetesState } from './object-store.ts';
export type { AuthorizationAttributes } from './serving.ts';
export { KubernetesFault };

export type KubernetesOptions = Readonly<{
  store: Store<KubernetesState>;
  clock: Clock;
  /** The user of a bearer token; undefined = 401. Without a token the caller is anonymous: 403. */
  authenticate: (token: string) => string | undefined;
  /** May this user do this? Left out: whoever is known may do everything. */
  authorize?: (attributes: AuthorizationAttributes) => boolean;
  /** Sees each request first: throw a KubernetesFault to script an error, or return to go on. */
  before?: (request: IncomingMessage) => Promise<void> | void;
  port?: number;
}>;

export type Kubernetes = Readonly<{
  /** `https://127.0.0.1:PORT` */
  server: string;
  port: number;
  /** PEM of the authority that a client must trust. */
  ca: string;
  close(): Promise<void>;
}>;

const FIRST_NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

/**
 * Starts a stand-in of a kube-apiserver with namespaces, Secrets, Ingresses and IngressClasses, without any
 * controller behind it: a deleted namespace stays `Terminating`.
 */
export async function startKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { store, clock } = options;
  const { key, certificate, ca } = await loopbackIdentity('Kubernetes stand-in');
  const api: Api = {
    ...options,
    server: { objects: createObjectStore(store, clock), clock },
    watches: new Set(),
  };
  for (const name of FIRST_NAMESPACES) ensureNamespace(api.server, name);
  const answering = listenerOf((request, response) => answer(api, request, response));
  const https = createServer({ key, cert: certificate }, answering);
  const port = await listen(https, options.port ?? 0);
  return {
    server: `https://127.0.0.1:${port}`,
    port,
    ca,
    close() {
      for (const end of api.watches) end();
      return new Promise((resolve) => {
        https.close(() => resolve());
        https.closeAllConnections();
      });
    },
  };
}

async function listen(server: HttpsServer, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

function ensureNamespace(server: Server, name: string): void {
  if (server.objects.get(namespaces.plural, keyOf(undefined, name))) return;
  created(server, {
    target: { resource: namespaces, namespace: undefined, name: undefined, subresource: '' },
    query: new URLSearchParams(),
    body: JSON.stringify({ metadata: { name } }),
    contentType: 'application/json',
    userAgent: 'kube-apiserver',
    demand: () => {},
  });
}
