import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { issueDependencies } from '../../../functions/dependencies.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import type { System } from '../../../local/system.ts';
import type { Config } from '../../../shared/config.ts';
import type { Running } from './running.ts';

/** At which of a process's calls it dies: before the call leaves, or with the call made and its reply lost. */
export type Death = Readonly<{ call: string; side: 'before' | 'after' }>;

/** Both deaths at each of the calls. */
export const deathsAt = (calls: readonly string[]): readonly Death[] =>
  calls.flatMap((call) => (['before', 'after'] as const).map((side) => ({ call, side })));

/** The calls that one process makes, each with a name that it has once, and its death. */
export type Life = Readonly<{
  calls: readonly string[];
  /** Those that took effect. */
  done: readonly string[];
  /** Resolves when the process is dead; never for one that is to live. */
  dead: Promise<void>;
  /** Makes a call of the process. From its death on nothing that it does happens any more, and nothing comes back to it. */
  step<T>(name: string, make: () => Promise<T>): Promise<T>;
}>;

const never = <T>() => new Promise<T>(() => {});

/** A process's life until its death; without one it lives on. */
export function life(death?: Death): Life {
  const calls: string[] = [];
  const done: string[] = [];
  const counts = new Map<string, number>();
  const dying = Promise.withResolvers<void>();
  let isDead = false;
  const die = () => {
    isDead = true;
    dying.resolve();
  };
  return {
    calls,
    done,
    dead: dying.promise,
    async step(name, make) {
      if (isDead) return never();
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      const call = count === 1 ? name : `${name} (${count})`;
      calls.push(call);
      const isLast = death?.call === call;
      if (isLast && death.side === 'before') die();
      if (isDead) return never();
      const result = await make();
      done.push(call);
      if (isLast) die();
      return isDead ? never() : result;
    },
  };
}

/** The object, with every method a step of the life. */
export function mortal<T extends object>(name: string, object: T, of: Life): T {
  return new Proxy(object, {
    get(target, key, receiver) {
      const value: unknown = Reflect.get(target, key, receiver);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        of.step(`${name} ${String(key)}`, async () => Reflect.apply(value, target, args));
    },
  });
}

/** Which process a request is of, judged by its method, URL and body; undefined for one that is nobody's in particular. */
export type Owner = (text: string) => Life | undefined;

/** A way to the embedded Google services on which each request is a step of its owner's life. */
export type Way = Readonly<{ endpoints: Partial<Config['endpoints']>; close(): Promise<void> }>;

export async function openWay({ services }: System, ownerOf: Owner): Promise<Way> {
  const upstream = (path: string) => {
    if (path.startsWith('/dns/')) return services.dns.url;
    if (path.startsWith('/v2/')) return services.tasks.url;
    return path.includes('/topics/') ? services.pubsub.url : services.secretManager.url;
  };
  const server = createServer((request, response) => {
    void carried(request, response, { upstream, ownerOf }).catch(() => response.destroy());
  });
  const { url, close } = await listenOnLoopback(server, 0);
  const endpoints = { dns: url, secretManager: url, tasks: url, pubsub: url };
  return { endpoints, close };
}

type Carrying = Readonly<{ upstream: (path: string) => string; ownerOf: Owner }>;

async function carried(
  request: IncomingMessage,
  response: ServerResponse,
  { upstream, ownerOf }: Carrying,
): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const { authorization = '', 'content-type': type = 'application/json' } = request.headers;
  const send = async () => {
    const answer = await fetch(`${upstream(url)}${url}`, {
      method,
      headers: { authorization, 'content-type': type },
      ...(body.length > 0 ? { body } : {}),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const owner = ownerOf(`${method} ${decodeURIComponent(url)} ${body}`);
  const { status, text } = await (owner ? owner.step(callName(method, url), send) : send());
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(text);
}

const SECRET =
  /\/secrets\/[^/]*-(cert|pending|account)-[^/:]+((?:\/versions)?(?:\/\d+)?(?::\w+)?)$/;

/** The call without the names of the case: `POST pending/versions/1:destroy`. */
function callName(method: string, url: string): string {
  const { pathname } = new URL(url, 'http://localhost');
  const path = decodeURIComponent(pathname);
  const [, kind, rest = ''] = SECRET.exec(path) ?? [];
  return `${method} ${kind ? `${kind}${rest}` : path.split('/').at(-1)}`;
}

/** The configuration of a function whose calls to Google go the way. */
export const throughWay = (config: Config, way: Way): Config => ({
  ...config,
  endpoints: { ...config.endpoints, ...way.endpoints },
});

/** A worker's ports for each life: requests to Google go the way, each call to the CA is a step. */
export async function mortalWorker({ system, clock }: Running, way: Way) {
  const { ports, settings } = issueDependencies(throughWay(system.configOf('issue'), way), {
    log: SILENT,
    time: timeOf(clock),
  });
  const shared = await ports();
  return {
    settings,
    portsOf: (of: Life) => ({
      ...shared,
      authorities: (issuer: string) => mortal('CA', shared.authorities(issuer), of),
    }),
  };
}

export const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

// Nothing here depends on how long a pause is.
const timeOf = (clock: Running['clock']) => ({
  now: clock.now,
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / 10)),
});
