import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fallbackPair } from '../../local/front/fallback-certificate.ts';
import { startFront } from '../../local/front/front.ts';
import type { FrontServer } from '../../local/front/front-server.ts';
import { installedNginx, startNginxServer } from '../../local/front/nginx-server.ts';
import { servedFor } from '../integration/local/front/client.ts';
import { startFakeCluster } from '../integration/local/front/fake-cluster.ts';
import { frontSuite } from '../integration/local/front/suite.ts';
import { type RunningApiServer, startKubeApiserver } from './parts/kube-apiserver.ts';

describe('on a real API server', () => {
  let running: RunningApiServer;
  beforeAll(async () => {
    running = await startKubeApiserver();
  });
  afterAll(() => running?.close());
  const cluster = () =>
    Promise.resolve({ cluster: { name: 'real', ...running }, close: () => Promise.resolve() });

  describe('nginx', () => frontSuite('nginx', cluster));
  describe('the node front', () => frontSuite('node', cluster));
});

const WAIT = { timeout: 10_000, interval: 10 };

describe('nginx itself', () => {
  const log: Record<string, unknown>[] = [];
  let server: FrontServer | undefined;
  const foldersBefore = new Set(folders());
  const start = async (port = 0) => {
    const binary = await installedNginx();
    if (!binary) throw new Error('nginx is missing: apt-get install nginx-light');
    log.length = 0;
    const fallback = await fallbackPair();
    server = await startNginxServer({
      binary,
      port,
      fallback,
      log: (event) => log.push(event),
    });
    return server;
  };
  const ownFolder = () => {
    const [name = ''] = folders().filter((one) => !foldersBefore.has(one));
    return join(tmpdir(), name);
  };
  const masterOf = (folder: string) => Number(readFileSync(join(folder, 'nginx.pid'), 'utf8'));
  const serialOf = async (port: number, name: string) => (await servedFor(port, name)).serial;

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  test('is what auto takes', async () => {
    const fake = await startFakeCluster();
    const front = await startFront({
      kind: 'auto',
      cluster: fake.cluster,
      publishStatus: false,
      log: () => {},
    });
    expect(front.kind).toBe('nginx');
    await front.close();
    await fake.close();
  });

  test('keeps keys where nobody else reads, and removes them at the end', async () => {
    const { serve, close } = await start();
    const folder = ownFolder();
    await serve([{ host: 'a.test', pair: await fallbackPair() }]);
    const files = readdirSync(join(folder, 'pairs'));
    expect(files).toHaveLength(4);
    const modes = files.map((file) => statSync(join(folder, 'pairs', file)).mode & 0o777);
    expect(new Set(modes)).toEqual(new Set([0o600]));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await serve([]);
    expect(readdirSync(join(folder, 'pairs'))).toHaveLength(2);
    await close();
    expect(existsSync(folder)).toBe(false);
  });

  test('serves the other hosts when it cannot load one pair, and that one as before', async () => {
    const { port, serve } = await start();
    const [good, next, fresh] = [await fallbackPair(), await fallbackPair(), await fallbackPair()];
    await serve([
      { host: 'a.test', pair: good },
      { host: 'b.test', pair: good },
    ]);
    const torn = { ...next, key: good.key };
    await serve([
      { host: 'a.test', pair: torn },
      { host: 'b.test', pair: fresh },
      { host: 'c.test', pair: { ...torn, key: 'no key' } },
    ]);
    expect(await serialOf(port, 'a.test')).toBe(good.leaf.serialNumber);
    expect(await serialOf(port, 'b.test')).toBe(fresh.leaf.serialNumber);
    expect(log).toMatchObject([
      { message: 'nginx cannot load a pair', host: 'a.test' },
      { message: 'nginx cannot load a pair', host: 'c.test' },
    ]);
  });

  test('keeps all it serves when it refuses the configuration, and says why', async () => {
    const { port, serve } = await start();
    const [good, next] = [await fallbackPair(), await fallbackPair()];
    await serve([{ host: 'a.test', pair: good }]);
    await expect(
      serve([
        { host: 'a.test', pair: next },
        { host: 'b.test;;', pair: next },
      ]),
    ).rejects.toThrow('nginx refuses the new configuration and keeps the former: unexpected ";"');
    expect(await serialOf(port, 'a.test')).toBe(good.leaf.serialNumber);
    await serve([{ host: 'a.test', pair: next }]);
    expect(await serialOf(port, 'a.test')).toBe(next.leaf.serialNumber);
  });

  test('is started again when it dies, on what it served', async () => {
    const { port, serve } = await start();
    const [good, next] = [await fallbackPair(), await fallbackPair()];
    await serve([{ host: 'a.test', pair: good }]);
    process.kill(masterOf(ownFolder()), 'SIGKILL');
    await expect
      .poll(() => log, WAIT)
      .toContainEqual(expect.objectContaining({ message: 'nginx ended and is started again' }));
    await expect
      .poll(() => serialOf(port, 'a.test').catch(() => 'down'), WAIT)
      .toBe(good.leaf.serialNumber);
    await serve([{ host: 'a.test', pair: next }]);
    expect(await serialOf(port, 'a.test')).toBe(next.leaf.serialNumber);
  });

  test('refuses a port that is taken', async () => {
    const { port } = await start();
    await expect(startNginxServer({ ...(await parts()), port })).rejects.toThrow('EADDRINUSE');
  });

  test('serves 300 hosts with long names', async () => {
    const { port, serve } = await start();
    const pair = await fallbackPair();
    const label = 'x'.repeat(60);
    const hosts = Array.from({ length: 300 }, (_, index) => `${label}.${label}.${index}.test`);
    await serve(hosts.map((host) => ({ host, pair })));
    expect(await serialOf(port, hosts[299] ?? '')).toBe(pair.leaf.serialNumber);
  });

  test.for<[string, NodeJS.Signals | undefined]>([
    ['is killed', 'SIGKILL'],
    ['ends without closing it', undefined],
  ])('ends with its folder when the process that started it %s', async ([, signal]) => {
    const owner = spawn(
      process.execPath,
      ['--input-type=module', '-e', OWNER, ...(signal ? [] : ['end'])],
      {
        cwd: join(import.meta.dirname, '../..'),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const exited = once(owner, 'exit');
    const [port] = (await once(createInterface(owner.stdout), 'line')) as [string];
    const folder = ownFolder();
    const master = masterOf(folder);
    if (signal) expect((await servedFor(Number(port), 'a.test')).fallback).toBe(true);
    if (signal) owner.kill(signal);
    await exited;
    await expect.poll(() => existsSync(folder), WAIT).toBe(false);
    await expect.poll(() => isAlive(master), WAIT).toBe(false);
  });

  async function parts() {
    const fallback = await fallbackPair();
    return { binary: (await installedNginx()) ?? '', fallback, log: () => {} };
  }
});

const OWNER = `
  const { installedNginx, startNginxServer } = await import('./local/front/nginx-server.ts');
  const { fallbackPair } = await import('./local/front/fallback-certificate.ts');
  const fallback = await fallbackPair();
  const binary = await installedNginx();
  const { port } = await startNginxServer({ binary, port: 0, fallback, log: () => {} });
  console.log(port);
  if (process.argv.includes('end')) process.exit(0);
`;

function folders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('certherd-front-'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
