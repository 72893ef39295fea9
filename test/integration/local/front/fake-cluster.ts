import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { Cluster } from '../../../../local/front/cluster-api.ts';
import { listenOnLoopback } from '../../../../local/google-api.ts';
import { loopbackIdentity } from '../../../../local/tls.ts';

type Stored = { kind: string; type?: string; metadata: Record<string, unknown> } & Record<
  string,
  unknown
>;

type Event = Readonly<{ version: number; folder: string; type: string; object: Stored }>;

export type FakeCluster = Readonly<{
  cluster: Cluster;
  /** Every list and watch so far, as `list secrets` and `watch ingresses`. */
  calls: readonly string[];
  /** Cuts all watches in the middle, as a broken connection does. */
  breakWatches(): void;
  /** Ends all watches politely, as a server does after their time. */
  endWatches(): void;
  /** Makes every version before the present one too old to watch from. */
  forget(): void;
  close(): Promise<void>;
}>;

/** Just enough of an API server to be wrong on purpose: lists, watches, and objects written whole. */
export async function startFakeCluster(
  options: Readonly<{ selectors: boolean }> = { selectors: true },
): Promise<FakeCluster> {
  const identity = await loopbackIdentity('fake cluster');
  const objects = new Map<string, Stored>();
  const watchers = new Set<{ folder: string; response: ServerResponse }>();
  const history: Event[] = [];
  const calls: string[] = [];
  let version = 1;
  let oldest = 1;

  const write = (path: string, type: string, object: Stored): Stored => {
    version += 1;
    const stored = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(version) },
    };
    if (type === 'DELETED') objects.delete(path);
    else objects.set(path, stored);
    const event = { version, folder: folderOf(path), type, object: stored };
    history.push(event);
    for (const { folder, response } of watchers)
      if (folder === event.folder) response.write(lineOf(event));
    return stored;
  };

  const watch = (folder: string, from: number, response: ServerResponse) => {
    calls.push(`watch ${folder}`);
    response.writeHead(200, { 'content-type': 'application/json' });
    if (from < oldest) {
      const object = { kind: 'Status', code: 410, message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    response.flushHeaders();
    for (const event of history)
      if (event.folder === folder && event.version > from) response.write(lineOf(event));
    const watcher = { folder, response };
    watchers.add(watcher);
    response.once('close', () => watchers.delete(watcher));
  };

  const change = (method: string, path: string, body: Stored): [number, unknown] => {
    const target = path.replace(/\/status$/, '');
    const present = objects.get(target);
    if (method === 'POST') {
      const created = `${path}/${body.metadata.name}`;
      if (objects.has(created)) return [409, failure(409, 'already exists')];
      const creationTimestamp = '2026-11-21T00:00:00Z';
      return [
        201,
        write(created, 'ADDED', { ...body, metadata: { creationTimestamp, ...body.metadata } }),
      ];
    }
    if (!present) return [404, failure(404, `${path} not found`)];
    if (method === 'GET') return [200, present];
    if (method === 'DELETE') return [200, write(target, 'DELETED', present)];
    if (method === 'PATCH') return [200, write(target, 'MODIFIED', { ...present, ...body })];
    const metadata = { ...present.metadata, ...body.metadata };
    return [200, write(target, 'MODIFIED', { ...present, ...body, metadata })];
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://fake');
    const reply = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const { authorization } = request.headers;
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    if (authorization !== 'Bearer test' && !subject)
      return reply(401, failure(401, 'Unauthorized'));
    const folder = COLLECTIONS[pathname];
    if (!folder) {
      const text = await textOf(request);
      const [status, body] = change(request.method ?? '', pathname, text ? JSON.parse(text) : {});
      return reply(status, body);
    }
    if (searchParams.has('fieldSelector') && !options.selectors)
      return reply(400, failure(400, 'field label not supported: type'));
    if (searchParams.has('watch'))
      return watch(folder, Number(searchParams.get('resourceVersion')), response);
    calls.push(`list ${folder}`);
    return reply(200, page([...objects].filter(([path]) => folderOf(path) === folder)));
  };
  const page = (found: [string, Stored][]) => ({
    metadata: { resourceVersion: String(version) },
    items: found.map(([, object]) => object),
  });

  const client = { requestCert: true, rejectUnauthorized: false };
  const server = createServer(
    { key: identity.key, cert: identity.certificate, ...client },
    (...both) => {
      void answer(...both);
    },
  );
  const running = await listenOnLoopback(server, 0);
  return {
    cluster: {
      name: 'fake',
      server: `https://127.0.0.1:${running.port}`,
      ca: identity.ca,
      token: 'test',
    },
    calls,
    breakWatches: () => {
      for (const { response } of watchers) response.destroy();
    },
    endWatches: () => {
      for (const { response } of watchers) response.end();
    },
    forget: () => {
      version += 1;
      oldest = version;
    },
    close: running.close,
  };
}

const COLLECTIONS: Record<string, string> = {
  '/apis/networking.k8s.io/v1/ingresses': 'ingresses',
  '/api/v1/secrets': 'secrets',
};

const folderOf = (path: string) => path.split('/').at(-2) ?? '';

const lineOf = ({ type, object }: Event) => `${JSON.stringify({ type, object })}\n`;

const failure = (code: number, message: string) => ({
  kind: 'Status',
  status: 'Failure',
  code,
  message,
});

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
