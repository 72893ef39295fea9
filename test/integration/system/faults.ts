import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { Agent, fetch } from 'undici';
import { listenOnLoopback } from '../../../local/google-api.ts';
import type { Embedded, Trouble } from '../../../local/services.ts';
import { loopbackIdentity } from '../../../local/tls.ts';
import type { Running } from './running.ts';
import { add } from './traces.ts';

/** What goes wrong with a request: throw the service's own refusal, spoil the connection, or let it be. */
export type Fault = (request: IncomingMessage) => Promise<void> | void;

export type Place = Embedded | 'ca';

/** Troubles that come and go while the system runs. */
export type Weather = Readonly<{
  trouble: Trouble;
  /** From now on, until `clear`. */
  set(place: Place, fault: Fault): void;
  clear(): void;
}>;

export function weather(): Weather {
  const faults = new Map<Place, Fault>();
  return {
    trouble: {
      before: (service, request) => faults.get(service)?.(request),
      acme: { before: (request) => faults.get('ca')?.(request) },
    },
    set: (place, fault) => void faults.set(place, fault),
    clear: () => faults.clear(),
  };
}

/** The fault, for requests of that method and path alone. */
export const on =
  (pattern: RegExp, fault: Fault): Fault =>
  (request) =>
    pattern.test(`${request.method} ${decodeURIComponent(request.url ?? '')}`)
      ? fault(request)
      : undefined;

/** The fault, the first time that it is met. */
export function once(fault: Fault): Fault {
  let isOver = false;
  return (request) => {
    if (isOver) return undefined;
    isOver = true;
    return fault(request);
  };
}

/** Throws what is made anew each time. */
export const refusing =
  (make: () => Error): Fault =>
  () => {
    throw make();
  };

/** Hangs up without a word. */
export const hangUp: Fault = (request) => {
  request.socket.destroy();
  return new Promise<void>(() => {});
};

/** Never answers. */
export const silence: Fault = () => new Promise<void>(() => {});

/** Answers what no such service would, over the raw connection. */
export const answering =
  (status: number, type: string, body: string): Fault =>
  (request) => {
    request.socket.end(
      `HTTP/1.1 ${status} Whatever\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
    return new Promise<void>(() => {});
  };

/** How the way to a cluster is. */
export type Way =
  | 'open'
  | 'closed'
  | 'busy'
  | 'forbidden'
  | 'nonsense'
  | 'without-secrets'
  | 'silent';

/** Puts a way that can be spoiled before an embedded cluster with a kubeconfig. Call it before anything is asked of the cluster. */
export async function spoilable(one: Running, name: string) {
  const cluster = one.system.clusters.find((candidate) => candidate.name === name);
  if (!cluster?.kubeconfigs) throw new Error(`there is no embedded cluster ${name}`);
  const { served } = cluster;
  // The document names one secret for both.
  const kubeconfig = cluster.kubeconfigs.writer;
  const identity = await loopbackIdentity('Spoilable');
  const dispatcher = new Agent({ connect: { ca: served.ca ?? '' } });
  let way: Way = 'open';
  const server = createServer({ key: identity.key, cert: identity.certificate });
  const forward = forwarder(served.server, dispatcher);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const isSecret = request.url?.includes('/secrets/');
    if (way === 'silent') return;
    if (way === 'closed') return void request.socket.destroy();
    if (way === 'forbidden' || (way === 'without-secrets' && isSecret))
      return void response.writeHead(403, JSON_TYPE).end(FORBIDDEN);
    if (way === 'busy') return void response.writeHead(503, JSON_TYPE).end(BUSY);
    if (way === 'nonsense') return void response.writeHead(200).end('<html>Welcome!</html>');
    void forward(request, response);
  });
  const { port, close } = await listenOnLoopback(server, 0);
  const text = JSON.parse(kubeconfig.text) as KubeconfigText;
  text.clusters[0].cluster.server = `https://127.0.0.1:${port}`;
  text.clusters[0].cluster['certificate-authority-data'] = Buffer.from(identity.ca).toString(
    'base64',
  );
  await add(one, kubeconfig.secret, JSON.stringify(text));
  return {
    turn: (to: Way) => {
      way = to;
    },
    close: async () => {
      await close();
      await dispatcher.destroy();
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

const forwarder =
  (origin: string, dispatcher: Agent) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/', headers } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = await fetch(`${origin}${url}`, {
      method,
      headers: {
        authorization: headers.authorization ?? '',
        accept: headers.accept ?? '*/*',
        ...(headers['content-type'] ? { 'content-type': headers['content-type'] } : {}),
      },
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      dispatcher,
    });
    response.writeHead(answer.status, JSON_TYPE).end(await answer.text());
  };

type KubeconfigText = {
  clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
};

const BUSY = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 503 });

const FORBIDDEN = JSON.stringify({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  message: 'secrets is forbidden: User "certherd" cannot do that',
  reason: 'Forbidden',
  code: 403,
});
