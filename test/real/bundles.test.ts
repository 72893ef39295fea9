import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { unzipSync } from 'fflate';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type FunctionName, functionNames } from '../../functions/build/bundle.ts';
import { buildDeployable } from '../../functions/build/deployable.ts';
import { LOCAL_PERSON } from '../../local/accounts.ts';
import { listenOnLoopback } from '../../local/google-api.ts';
import type { Config } from '../../shared/config.ts';
import { ingress, type Running, running } from '../integration/system/running.ts';
import { type BundleProcess, healthy, ROOT, startBundle, unpackedBundle } from './parts/bundles.ts';
import { type Folder, freePort, temporaryFolder } from './parts/folder.ts';

const nowhere = 'http://127.0.0.1:1';

const config = {
  project: 'p',
  issuers: { test: { directory: 'https://127.0.0.1:1/directory' } },
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
};

const TASK = {
  certificate: 'c',
  identity: { names: ['a.test'], issuer: 'test', keyType: 'ec-p256' },
  reason: 'due',
  replaces: 0,
  failures: 0,
};
const MESSAGE = { message: { attributes: { eventType: 'CERTHERD_REPAIR', certificate: 'c' } } };

let folder: Folder;
const bundles = new Map<FunctionName, string>();
const processes: BundleProcess[] = [];

beforeAll(async () => {
  folder = temporaryFolder();
  for (const name of functionNames) bundles.set(name, await unpackedBundle(name, folder.path));
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map(({ close }) => close()));
});
afterAll(() => folder.remove());

async function start(name: FunctionName, ofIt: unknown, port?: number): Promise<BundleProcess> {
  const options = { name, port: port ?? (await freePort()), config: ofIt };
  const started = startBundle(bundles.get(name) ?? '', options);
  processes.push(started);
  return started;
}

async function serve(name: FunctionName, ofIt: unknown, port?: number): Promise<BundleProcess> {
  const started = await start(name, ofIt, port);
  await healthy(started);
  return started;
}

const post = (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

describe.for(functionNames)('%s, from its zip in an empty folder that is read-only', (name) => {
  test('is the bundle, what starts it, its package.json and the lock of the framework', () => {
    const unpacked = bundles.get(name) ?? '';
    expect(readdirSync(unpacked).sort()).toEqual([
      'LICENSES.txt',
      'bundle.js',
      'compile-cache',
      'compile-cache.js',
      'index.js',
      'package-lock.json',
      'package.json',
    ]);
    expect(Object.keys(unzipSync(readFileSync(join(folder.path, 'dist', `${name}.zip`))))).toEqual(
      readdirSync(unpacked)
        .filter((file) => file !== 'compile-cache')
        .sort(),
    );
    const manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ type: 'module', main: 'index.js', engines: { node: '24' } });
    expect(Object.keys(manifest.dependencies)).toEqual(['@google-cloud/functions-framework']);
  });

  test('answers a health check, and shows no stack to who asks for nonsense', async () => {
    const { url } = await serve(name, config);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok' });
    for (const response of [await fetch(`${url}/nowhere`), await post(url, '{ not JSON')])
      expect(await response.text()).not.toMatch(/:\d+:\d+|index\.js|bundle\.js|node_modules/);
  });

  test('has code that the Node of this machine compiled', () => {
    const [compiled] = readdirSync(join(bundles.get(name) ?? '', 'compile-cache'));
    expect(compiled).toContain(`${process.version}-${process.arch}-`);
  });

  test('does not start with a broken configuration, and says every fault', async () => {
    const { exitCode, errors } = await start(name, { ...config, issuers: {}, keepVersions: 0 });
    expect(await exitCode).toBe(1);
    expect(await errors).toContain('CERTHERD_CONFIG has 2 fault(s): ');
  });
});

const STACK = /:\d+:\d+|\n +at |(bundle|index)\.js|node_modules|Error/;

test.for(['reconcile', 'issue', 'sync'] as const)(
  '%s says no more than a code when its work fails: nobody reads more',
  async (name) => {
    // Nobody answers at any of these: whatever the clients throw has addresses and stacks in it.
    const endpoints = { metadata: nowhere, secretManager: nowhere, tasks: nowhere, dns: nowhere };
    const { url } = await serve(name, { ...config, endpoints });
    const response = await post(url, JSON.stringify(name === 'sync' ? MESSAGE : TASK));
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/^[a-z-]+$/) });
  },
);

// What is in here makes a client throw a TypeError, whose message nobody may read.
const NONSENSE = JSON.stringify({ secrets: [{ name: 5 }] });

test.for<[string, 'secretManager' | 'metadata', string | undefined, RegExp]>([
  [
    'the store is away',
    'secretManager',
    undefined,
    /^cannot list the secrets of project p: connect /,
  ],
  [
    'the store answers nonsense',
    'secretManager',
    NONSENSE,
    /^cannot list the secrets of project p: the answer was not understood$/,
  ],
  [
    'who has the keys of identities is away',
    'metadata',
    undefined,
    /^cannot read the keys that identities /,
  ],
])(
  'api says its own sentence to who may ask when %s, and never a stack or the message of an error that is not ours',
  async ([, service, answer, sentence]) => {
    const { system } = await running();
    const ofIt = system.configOf('api');
    const stub = createServer((_, response) => response.end(answer));
    const { url: stubUrl, close } = await listenOnLoopback(stub, 0);
    onTestFinished(close);
    const endpoints = { ...ofIt.endpoints, [service]: answer ? stubUrl : nowhere };
    const { url } = await serve('api', { ...ofIt, endpoints });
    const { audience } = ofIt.runtime;
    const token = await system.services.metadata.identityToken(LOCAL_PERSON, audience);
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${url}/v1/certificates`, { headers });
    const text = await response.text();
    expect(JSON.parse(text)).toEqual({
      type: expect.stringMatching(/^urn:certherd:problem:[a-z-]+$/),
      title: expect.any(String),
      status: 503,
      detail: expect.stringMatching(sentence),
    });
    expect(text).not.toMatch(STACK);
  },
);

test.for(functionNames)(
  '%s keeps to itself what no JSON was sent to it, and inflates nothing',
  async (name) => {
    const { url, errors, log, close } = await serve(name, config);
    const answers = [
      await post(url, '{ "key": "-----BEGIN PRIVATE KEY-----\nMIGH'),
      await post(url, gzipSync(Buffer.from('{"key":"MIGH"')), { 'content-encoding': 'gzip' }),
      await fetch(`${url}/%E0%A4%A`, { method: 'POST' }),
    ];
    const isProblem = (type: string | null) => /^application\/(problem\+)?json/.test(type ?? '');
    for (const { headers } of answers) expect(headers.get('content-type')).toSatisfy(isProblem);
    await close();
    expect(`${await log}${await errors}`).not.toContain('MIGH');
  },
);

test('the four bundles issue a certificate and deliver it', async () => {
  const one = await running({
    manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
    document: {
      clusters: [
        { name: 'one', allow: [{ namespaces: ['web'], names: ['a.test'], wildcards: true }] },
      ],
    },
  });
  const serving = await serveAll(one);

  expect((await post(serving.reconcile.url, '{}')).status).toBe(200);
  await one.settle();
  const [stored] = await one.records();
  const serial = stored?.record.issued?.serial;
  expect(serial).toMatch(/^[0-9a-f]+$/i);
  expect(await servedSerial(one, 'shop-tls')).toBe(serial);

  await one.request('one', 'DELETE', '/api/v1/namespaces/web/secrets/shop-tls');
  const attributes = { eventType: 'CERTHERD_REPAIR', certificate: `${stored?.id}` };
  const pushed = await post(serving.sync.url, JSON.stringify({ message: { attributes } }));
  expect(pushed.status).toBe(200);
  expect(await servedSerial(one, 'shop-tls')).toBe(serial);

  const { system } = one;
  const { audience } = system.config.runtime;
  const token = await system.services.metadata.identityToken(LOCAL_PERSON, audience);
  const asked = await post(
    `${serving.api.url}/v1/certificates?wait=20`,
    JSON.stringify({ names: ['hand.a.test'], targets: ['one/web/hand-tls'] }),
    { authorization: `Bearer ${token}` },
  );
  expect(await asked.json()).toMatchObject({ names: ['hand.a.test'], state: 'issued' });
});

/** Every bundle, each with its own account and the addresses of the other ones. */
async function serveAll({ system }: Running): Promise<Record<FunctionName, BundleProcess>> {
  const [reconcile, issue] = [await freePort(), await freePort()];
  const of = (role: FunctionName): Config => {
    const ofRole = system.configOf(role);
    const reconcileUrl = `http://127.0.0.1:${reconcile}`;
    const issueUrl = `http://127.0.0.1:${issue}`;
    return { ...ofRole, runtime: { ...ofRole.runtime, reconcileUrl, issueUrl } };
  };
  return {
    reconcile: await serve('reconcile', of('reconcile'), reconcile),
    issue: await serve('issue', of('issue'), issue),
    sync: await serve('sync', of('sync')),
    api: await serve('api', of('api')),
  };
}

async function servedSerial(one: Running, secret: string): Promise<string | undefined> {
  const found = await one.secret('one', 'web', secret);
  return found?.metadata.annotations?.['certherd/serial'];
}

test.for(functionNames)('%s has the same bytes when it is built again', async (name) => {
  await buildDeployable(ROOT, name, join(folder.path, 'again'));
  for (const file of [`${name}.zip`, `${name}.map`])
    expect(contents('again', file).equals(contents('dist', file)), file).toBe(true);
});

const contents = (out: string, file: string) => readFileSync(join(folder.path, out, file));
