import { connect, type TLSSocket } from 'node:tls';
import { Agent, fetch } from 'undici';
import type { Cluster } from '../../../../local/front/cluster-api.ts';

export type TestClient = Readonly<{
  /** Creates the object, or replaces what has its name. */
  put(object: TestObject): Promise<void>;
  remove(object: TestObject): Promise<void>;
  read(object: TestObject): Promise<Record<string, unknown>>;
  clearStatus(object: TestObject): Promise<void>;
  close(): Promise<void>;
}>;

export type TestObject = Readonly<{
  apiVersion: string;
  kind: string;
  metadata: Readonly<{ name: string; namespace?: string }>;
}> &
  Record<string, unknown>;

/** What a person would do with kubectl, on any API server. */
export function createTestClient(cluster: Cluster): TestClient {
  const dispatcher = new Agent({ connect: { ca: cluster.ca } });
  const call = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const response = await fetch(`${cluster.server}${path}`, {
      method,
      dispatcher,
      headers: { authorization: `Bearer ${cluster.token}`, 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const reply = (await response.json()) as Record<string, unknown>;
    if (response.ok || response.status === 409) return { status: response.status, reply };
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(reply)}`);
  };
  return {
    async put(object) {
      const { status } = await call('POST', folderOf(object), object);
      if (status === 409) await call('PUT', pathOf(object), object);
    },
    async remove(object) {
      await call('DELETE', pathOf(object));
    },
    read: async (object) => (await call('GET', pathOf(object))).reply,
    async clearStatus(object) {
      const body = { status: { loadBalancer: null } };
      await call('PATCH', `${pathOf(object)}/status`, body, 'application/merge-patch+json');
    },
    close: () => dispatcher.destroy(),
  };
}

const PLURALS: Record<string, string> = {
  Ingress: 'ingresses',
  Secret: 'secrets',
  Namespace: 'namespaces',
};

function folderOf({ apiVersion, kind, metadata }: TestObject): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = metadata.namespace ? `/namespaces/${metadata.namespace}` : '';
  return `${group}${within}/${PLURALS[kind]}`;
}

const pathOf = (object: TestObject) => `${folderOf(object)}/${object.metadata.name}`;

export type Served = Readonly<{ serial: string; fallback: boolean }>;

/** The certificate that a new connection for the name is served with. */
export async function servedFor(port: number, name: string): Promise<Served> {
  const socket = await openConnection(port, name);
  const { serialNumber, subject } = socket.getPeerCertificate();
  socket.destroy();
  return { serial: serialNumber, fallback: /Fallback/.test(String(subject.CN)) };
}

export async function openConnection(port: number, name: string): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(
    { host: '127.0.0.1', port, servername: name, rejectUnauthorized: false },
    resolve,
  );
  socket.once('error', reject);
  await promise;
  return socket;
}

/** Sends a request on the connection and answers the text of the reply. */
export async function ask(socket: TLSSocket, host: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const onData = (chunk: Buffer) => {
    text += chunk.toString();
    if (/serial: \S+\n/.test(text)) resolve(text);
  };
  socket.on('data', onData).once('close', () => reject(new Error(`closed after: ${text}`)));
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  try {
    return await promise;
  } finally {
    socket.off('data', onData);
  }
}
