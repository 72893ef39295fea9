import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { listenOnLoopback } from '../google-api.ts';
import type { FrontLog, FrontServer, ServedHost } from './front-server.ts';
import { GENERATION_HOST, nginxConfig, pairFile } from './nginx-config.ts';
import { guardFolder, type NginxProcess, superviseNginx, testConfig } from './nginx-process.ts';
import type { KeyPair } from './virtual-hosts.ts';

const PATIENCE_MS = 5_000;
const PROBE_PAUSE_MS = 10;

type Nginx = Readonly<{
  binary: string;
  /** Its own folder, 0700: it holds private keys, as the file system of a controller's pod does. */
  prefix: string;
  port: number;
  fallback: KeyPair;
  log: FrontLog;
  /** The names of the pairs that lie in the folder, and of those that nginx could not load. */
  written: Set<string>;
  refused: Set<string>;
}>;

/** The command that runs nginx here, or undefined when there is none. */
export async function installedNginx(): Promise<string | undefined> {
  // Debian installs it where only root's PATH looks.
  for (const binary of ['nginx', '/usr/sbin/nginx']) if (await runs(binary)) return binary;
  return undefined;
}

/** Serves the hosts by the real nginx, told by SIGHUP. Throws a sentence when it does not start or the port is taken. */
export async function startNginxServer({
  binary,
  port,
  fallback,
  log,
}: Readonly<{
  binary: string;
  port: number;
  fallback: KeyPair;
  log: FrontLog;
}>): Promise<FrontServer> {
  const free = await freePort(port);
  const prefix = await mkdtemp(join(tmpdir(), 'certherd-front-'));
  const guard = guardFolder(prefix);
  const kept = { written: new Set<string>(), refused: new Set<string>() };
  const nginx: Nginx = { binary, prefix, port: free, fallback, log, ...kept };
  await mkdir(join(prefix, 'pairs'), { mode: 0o700 });
  const running = await started(nginx).catch(async (error) => {
    await guard.close();
    throw error;
  });
  return {
    port: free,
    serve: servingBy(nginx, running),
    async close() {
      await running.close();
      await guard.close();
    },
  };
}

async function started(nginx: Nginx): Promise<NginxProcess> {
  await writeConfig(nginx, [], 0);
  await testConfig(nginx, 'next.conf');
  await adoptConfig(nginx);
  const running = superviseNginx(nginx);
  try {
    await answersAs(nginx, 0);
    return running;
  } catch (error) {
    await running.close();
    throw error;
  }
}

function servingBy(nginx: Nginx, running: NginxProcess): FrontServer['serve'] {
  let generation = 0;
  let former: ReadonlyMap<string, KeyPair> = new Map();
  return async (hosts) => {
    generation += 1;
    const accepted = await acceptedByNginx(nginx, { hosts, former, generation });
    await adoptConfig(nginx);
    await running.reload(PATIENCE_MS);
    await answersAs(nginx, generation);
    former = new Map(accepted.map(({ host, pair }) => [host, pair]));
    await removeUnused(nginx, accepted);
  };
}

type Change = Readonly<{
  hosts: readonly ServedHost[];
  former: ReadonlyMap<string, KeyPair>;
  generation: number;
}>;

/** Leaves a configuration in `next.conf` that nginx accepts; a pair that it cannot load does not hold up the others. */
async function acceptedByNginx(nginx: Nginx, change: Change): Promise<readonly ServedHost[]> {
  const { former, generation } = change;
  const hosts = change.hosts.map(({ host, pair }) =>
    nginx.refused.has(pairFile(pair))
      ? { host, pair: former.get(host) ?? nginx.fallback }
      : { host, pair },
  );
  await writeConfig(nginx, hosts, generation);
  try {
    await testConfig(nginx, 'next.conf');
    return hosts;
  } catch (error) {
    const { message } = error as Error;
    const culprit = hosts.find(({ pair }) => message.includes(pairFile(pair)));
    if (!culprit || culprit.pair === nginx.fallback)
      throw new Error(`nginx refuses the new configuration and keeps the former: ${message}`);
    nginx.log({ message: 'nginx cannot load a pair', host: culprit.host, reason: message });
    nginx.refused.add(pairFile(culprit.pair));
    return acceptedByNginx(nginx, change);
  }
}

async function writeConfig(
  nginx: Nginx,
  hosts: readonly ServedHost[],
  generation: number,
): Promise<void> {
  for (const { pair } of [{ pair: nginx.fallback }, ...hosts]) await writePair(nginx, pair);
  await writePrivate(join(nginx.prefix, 'next.conf'), nginxConfig({ ...nginx, generation, hosts }));
}

async function writePair({ prefix, written }: Nginx, pair: KeyPair): Promise<void> {
  const name = pairFile(pair);
  if (written.has(name)) return;
  await writePrivate(join(prefix, 'pairs', `${name}.crt`), pair.certificate);
  await writePrivate(join(prefix, 'pairs', `${name}.key`), pair.key);
  written.add(name);
}

const writePrivate = (path: string, text: string) => writeFile(path, text, { mode: 0o600 });

// A rename is atomic: an nginx that is started again at this moment finds one configuration or the other.
const adoptConfig = ({ prefix }: Nginx) =>
  rename(join(prefix, 'next.conf'), join(prefix, 'nginx.conf'));

async function removeUnused(
  { prefix, fallback, written }: Nginx,
  hosts: readonly ServedHost[],
): Promise<void> {
  const used = new Set([fallback, ...hosts.map(({ pair }) => pair)].map(pairFile));
  for (const name of written.difference(used)) {
    await rm(join(prefix, 'pairs', `${name}.crt`), { force: true });
    await rm(join(prefix, 'pairs', `${name}.key`), { force: true });
    written.delete(name);
  }
}

/** Resolves once a new connection is answered by the configuration of that generation. */
async function answersAs({ port }: Nginx, generation: number): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    if ((await answeredGeneration(port)) === String(generation)) return;
    await delay(PROBE_PAUSE_MS);
  }
  throw new Error(`nginx on port ${port} does not serve its configuration; its log says why`);
}

function answeredGeneration(port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const probe = request(
    {
      host: '127.0.0.1',
      port,
      servername: GENERATION_HOST,
      headers: { host: GENERATION_HOST },
      agent: false,
      // Its certificate is the fallback, which nobody signed; only the generation is asked for.
      rejectUnauthorized: false,
      timeout: PATIENCE_MS,
    },
    (response) => {
      response.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
      response.once('close', () => resolve(undefined));
    },
  );
  probe.once('timeout', () => probe.destroy());
  probe.once('error', () => resolve(undefined));
  probe.end();
  return promise;
}

/** nginx cannot say which port it took, so a free one is found for it; a wanted one that is taken is refused at once. */
async function freePort(wanted: number): Promise<number> {
  const { port, close } = await listenOnLoopback(createServer(), wanted);
  await close();
  return port;
}

function runs(binary: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  execFile(binary, ['-v'], (error) => resolve(error === null));
  return promise;
}
