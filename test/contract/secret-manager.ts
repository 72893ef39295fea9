import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { PassThroughClient } from 'google-auth-library';
import { systemClock } from '../../local/clock.ts';
import { GoogleFault } from '../../local/google-api.ts';
import {
  type SecretManagerOptions,
  startSecretManager,
} from '../../local/secret-manager/secret-manager.ts';
import { memoryStore } from '../../local/state.ts';
import {
  createSecrets,
  type SecretManagerOptions as Options,
  type Secrets,
} from '../../shared/adapters/secret-manager/secrets.ts';

/** Throws to refuse a request; what it returns is not looked at. */
type Script = (request: IncomingMessage) => void;

/** Secret Manager's stand-in with the adapters pointed at it, and hands on what happens between the two. */
export type SecretStore = Secrets &
  Readonly<{
    url: string;
    /** The ports of another installation in the same project. */
    installation(name: string, replicas?: Options['replicas']): Secrets;
    /** Method and path of each request, in order. */
    calls: string[];
    /** Runs before each request; the last one given counts. */
    script(script: Script): void;
    /** Breaks the connection of the next request that makes such an event, after it took effect. */
    loseReplyOf(eventType: string): void;
    /** The API as other clients see it. */
    call(method: string, path: string, body?: unknown): Promise<Reply>;
    close(): Promise<void>;
  }>;

type Reply = Readonly<Record<string, unknown>>;

export const TOPIC = 'projects/p/topics/events';

export async function startSecretStore(
  differs: Partial<SecretManagerOptions> = {},
): Promise<SecretStore> {
  const calls: string[] = [];
  let script: Script = () => {};
  let lost = '';
  let socket: Socket;
  const service = await startSecretManager({
    store: memoryStore(),
    clock: systemClock,
    before(request) {
      calls.push(`${request.method} ${request.url?.replace(/\?.*$/, '')}`);
      socket = request.socket;
      script(request);
    },
    publish(_, { attributes }) {
      if (attributes?.eventType !== lost) return;
      lost = '';
      socket.destroy();
    },
    ...differs,
  });
  const installation = (name: string, replicas: Options['replicas'] = []) =>
    createSecrets({
      replicas,
      project: 'p',
      installation: name,
      topic: TOPIC,
      auth: { client: new PassThroughClient() },
      endpoint: service.url,
    });
  return {
    ...installation('herd'),
    url: service.url,
    installation,
    calls,
    script: (next) => {
      script = next;
    },
    loseReplyOf: (eventType) => {
      lost = eventType;
    },
    call: (method, path, body) => call(`${service.url}/v1/projects/p/secrets${path}`, method, body),
    close: service.close,
  };
}

async function call(url: string, method: string, body: unknown): Promise<Reply> {
  const response = await fetch(url, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const reply = (await response.json()) as Reply;
  if (!response.ok) throw new Error(JSON.stringify(reply));
  return reply;
}

/** Refuses the next `times` requests of a method and path, then lets everything through. */
export function refusing(
  pattern: RegExp,
  fault: ConstructorParameters<typeof GoogleFault>,
  times = Number.POSITIVE_INFINITY,
): Script {
  let left = times;
  return ({ method, url }) => {
    if (left <= 0 || !pattern.test(`${method} ${url}`)) return;
    left -= 1;
    throw new GoogleFault(...fault);
  };
}
