import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loopbackIdentity } from '../../../local/tls.ts';

export type PebbleOptions = Readonly<{
  /** `127.0.0.1:PORT`, asked over TCP with RD set. */
  dnsServer: string;
  /** Percent of good nonces refused, by chance; default 0. */
  nonceReject?: number;
  /** Percent of valid authorizations used again; default 0. */
  authzReuse?: number;
  /** Seconds; default 0, which sends no header. */
  retryAfter?: Readonly<{ authz: number; order: number }>;
}>;

export type Pebble = Readonly<{
  directoryUrl: string;
  /** PEM of the authority of the HTTPS listeners. */
  tlsCa: string;
  /** PEM of the root under which certificates are issued; it is new at each start. */
  roots(): Promise<string>;
  close(): Promise<void>;
}>;

const START_LIMIT_MS = 15_000;
const PAUSE_MS = 25;

/** Starts Let's Encrypt's test CA on loopback, strict, without its waits. Throws a sentence when `pebble` is not on PATH. */
export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const env = environment(options);
  const folder = mkdtempSync(join(tmpdir(), 'pebble-'));
  const identity = await loopbackIdentity('Pebble listeners');
  const [port, managementPort] = await freePorts();
  const config = join(folder, 'config.json');
  writeFileSync(join(folder, 'cert.pem'), identity.certificate);
  writeFileSync(join(folder, 'key.pem'), identity.key, { mode: 0o600 });
  writeFileSync(config, JSON.stringify(configuration(folder, options, { port, managementPort })));
  const pebble = run(config, { dnsServer: options.dnsServer, env });
  const close = async () => {
    await pebble.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const directoryUrl = `https://127.0.0.1:${port}/dir`;
  const rootUrl = `https://127.0.0.1:${managementPort}/roots/0`;
  try {
    await pebble.whenUp(async () => {
      await get(directoryUrl, identity.ca);
      await get(rootUrl, identity.ca);
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { directoryUrl, tlsCa: identity.ca, roots: () => get(rootUrl, identity.ca), close };
}

const configuration = (
  folder: string,
  options: PebbleOptions,
  ports: { port: number; managementPort: number },
) => ({
  pebble: {
    listenAddress: `127.0.0.1:${ports.port}`,
    managementListenAddress: `127.0.0.1:${ports.managementPort}`,
    certificate: join(folder, 'cert.pem'),
    privateKey: join(folder, 'key.pem'),
    httpPort: 0,
    tlsPort: 0,
    keyAlgorithm: 'ecdsa',
    retryAfter: options.retryAfter ?? { authz: 0, order: 0 },
    // An order that names no profile gets one by chance, so there is only this one.
    profiles: { default: { description: '90 days', validityPeriod: 7_776_000 } },
  },
});

function environment({ nonceReject = 0, authzReuse = 0 }: PebbleOptions) {
  return {
    PATH: process.env.PATH,
    PEBBLE_VA_NOSLEEP: '1',
    PEBBLE_WFE_NONCEREJECT: percent(nonceReject),
    PEBBLE_AUTHZREUSE: percent(authzReuse),
  };
}

function run(config: string, { dnsServer, env }: { dnsServer: string; env: NodeJS.ProcessEnv }) {
  const child = spawn('pebble', ['-strict', '-config', config, '-dnsserver', dnsServer], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  const said = lastWords(child);
  const ended = new Promise<Error>((resolve) => {
    child.once('error', (cause) => resolve(startFailure(cause)));
    child.once('exit', (code) => resolve(new Error(`pebble ended with code ${code}:\n${said()}`)));
  });
  const end = new AbortController();
  void ended.then((reason) => end.abort(reason));
  return {
    whenUp: (isUp: () => Promise<void>) => retried(isUp, end.signal),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

// Pebble falls back to a default of its own, silently, for what is not a whole number.
function percent(share: number): string {
  if (Number.isInteger(share) && share >= 0 && share <= 100) return String(share);
  throw new Error(`${share} is not a whole number of percent`);
}

function startFailure(cause: NodeJS.ErrnoException): Error {
  if (cause.code !== 'ENOENT') return cause;
  return new Error(
    'pebble is not on PATH. Get it with: go install github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1',
    { cause },
  );
}

function lastWords(child: ChildProcess): () => string {
  let words = '';
  const keep = (chunk: Buffer) => {
    words = `${words}${chunk}`.slice(-4000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => words;
}

async function retried(attempt: () => Promise<void>, ended: AbortSignal): Promise<void> {
  const until = Date.now() + START_LIMIT_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      ended.throwIfAborted();
      if (Date.now() > until) throw new Error('pebble does not answer', { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, agent: false, headers: { 'user-agent': 'certherd-tests' } });
    sent.on('error', reject);
    sent.on('response', (response) => resolve(bodyOf(response, url)));
    sent.end();
  });
}

async function bodyOf(response: IncomingMessage, url: string): Promise<string> {
  const body = (await response.toArray()).join('');
  if (response.statusCode === 200) return body;
  throw new Error(`GET ${url}: ${response.statusCode} ${body}`);
}

/** Two ports that were free a moment ago: Pebble cannot pick its own. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const;
  const ports = servers.map(
    (server) =>
      new Promise<number>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
      }),
  );
  const [first = 0, second = 0] = await Promise.all(ports);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [first, second];
}
