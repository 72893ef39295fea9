import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { unzipSync } from 'fflate';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FunctionName, functionNames } from '../../functions/build/bundle.ts';
import { buildDeployable } from '../../functions/build/deployable.ts';

const root = join(import.meta.dirname, '..', '..');
// What the platform starts after it has installed the package.json of the zip.
const framework = join(root, 'node_modules/@google-cloud/functions-framework/build/src/main.js');
// A port on which nothing answers, so that the first call to Google fails at once.
const nowhere = 'http://127.0.0.1:1';

const config = {
  project: 'p',
  issuers: { test: { directory: 'https://127.0.0.1:1/dir' } },
  clusters: [{ name: 'one', kubeconfigSecret: 'kubeconfig-one' }],
  runtime: {
    reconcileUrl: nowhere,
    issueUrl: nowhere,
    queues: { test: 'q' },
    topic: 'projects/p/topics/t',
    schedulerJob: 'j',
    audience: 'api',
    invoker: 'queue@p.iam.gserviceaccount.com',
  },
  endpoints: Object.fromEntries(
    ['dns', 'secretManager', 'tasks', 'scheduler', 'container', 'pubsub', 'metadata'].map(
      (service) => [service, nowhere],
    ),
  ),
};

const ends: (() => Promise<unknown>)[] = [];
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundles-'));
  for (const name of functionNames) {
    await buildDeployable(root, name, join(folder, 'dist'));
    await unpack(await readFile(join(folder, 'dist', `${name}.zip`)), join(folder, name));
  }
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function unpack(zip: Uint8Array, into: string): Promise<void> {
  await mkdir(into);
  for (const [file, content] of Object.entries(unzipSync(zip)))
    await writeFile(join(into, file), content);
}

/** The function as the platform starts it: nothing but the zip's files, and nothing else in the environment. */
function start(name: FunctionName, port: number, certherdConfig: string) {
  const child = spawn(process.execPath, [framework], {
    cwd: join(folder, name),
    env: { FUNCTION_TARGET: name, PORT: String(port), CERTHERD_CONFIG: certherdConfig },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  ends.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return { exited, errors: text(child.stderr), log: text(child.stdout) };
}

async function served(name: FunctionName): Promise<string> {
  const port = await freePort();
  const { exited, errors } = start(name, port, JSON.stringify(config));
  const died = exited.then(async () => Promise.reject(new Error(await errors)));
  await Promise.race([died, answered(`http://127.0.0.1:${port}/health`)]);
  died.catch(() => undefined);
  return `http://127.0.0.1:${port}`;
}

const answered = (url: string) =>
  expect.poll(() => fetch(url).then(({ status }) => status, String), { timeout: 20_000 }).toBe(200);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

const post = (url: string, body: string) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });

const task = {
  certificate: 'a-test-0123',
  identity: { names: ['a.test'], issuer: 'test', keyType: 'ec-p256' },
  reason: 'missing',
  replaces: 0,
  failures: 0,
};
const repair = { message: { attributes: { kind: 'repair' }, data: '' } };

describe.for(functionNames)('%s, from its zip in an empty folder', (name) => {
  test('holds its bundle, its package.json and the lock of the framework alone', async () => {
    expect((await readdir(join(folder, name))).sort()).toEqual([
      'index.js',
      'package-lock.json',
      'package.json',
    ]);
    const manifest = JSON.parse(await readFile(join(folder, name, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ type: 'module', main: 'index.js', engines: { node: '24' } });
    expect(Object.keys(manifest.dependencies)).toEqual(['@google-cloud/functions-framework']);
  });

  test('answers a health check', async () => {
    const response = await fetch(`${await served(name)}/health`);
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  test('shows no stack to who asks for nonsense', async () => {
    const url = await served(name);
    for (const response of [await fetch(`${url}/nowhere`), await post(url, '{ not JSON')]) {
      const answer = await response.text();
      expect(answer).not.toMatch(/\bat .*:\d+:\d+|index\.js|node_modules/);
    }
  });

  test('does not start with a broken configuration, and says every fault', async () => {
    const broken = JSON.stringify({ ...config, issuers: {}, keepVersions: 0 });
    const { exited, errors } = start(name, await freePort(), broken);
    expect((await exited)[0]).toBeGreaterThan(0);
    expect(await errors).toContain('CERTHERD_CONFIG has 2 fault(s): ');
  });
});

test('a bundle of the same sources has the same bytes', async () => {
  await buildDeployable(root, 'api', join(folder, 'again'));
  const [first, second] = await Promise.all(
    ['dist', 'again'].map((out) => readFile(join(folder, out, 'api.zip'))),
  );
  expect(second?.equals(first as Buffer)).toBe(true);
});
