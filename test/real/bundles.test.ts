import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FunctionName, functionNames } from '../../functions/build/bundle.ts';
import { buildDeployable } from '../../functions/build/deployable.ts';
import { LOCAL_PERSON } from '../../local/accounts.ts';
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

const post = (url: string, body: string, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

describe.for(functionNames)('%s, from its zip in an empty folder', (name) => {
  test('is the bundle, its package.json and the lock of the framework', () => {
    const unpacked = bundles.get(name) ?? '';
    expect(readdirSync(unpacked).sort()).toEqual(['index.js', 'package-lock.json', 'package.json']);
    const manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ type: 'module', main: 'index.js', engines: { node: '24' } });
    expect(Object.keys(manifest.dependencies)).toEqual(['@google-cloud/functions-framework']);
  });

  test('answers a health check, and shows no stack to who asks for nonsense', async () => {
    const { url } = await serve(name, config);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok' });
    for (const response of [await fetch(`${url}/nowhere`), await post(url, '{ not JSON')])
      expect(await response.text()).not.toMatch(/:\d+:\d+|index\.js|node_modules/);
  });

  test('does not start with a broken configuration, and says every fault', async () => {
    const { exitCode, errors } = await start(name, { ...config, issuers: {}, keepVersions: 0 });
    expect(await exitCode).toBe(1);
    expect(await errors).toContain('CERTHERD_CONFIG has 2 fault(s): ');
  });
});

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

test('the same sources give the same bytes', async () => {
  await buildDeployable(ROOT, 'api', join(folder.path, 'again'));
  const zip = (out: string) => readFileSync(join(folder.path, out, 'api.zip'));
  expect(zip('again').equals(zip('dist'))).toBe(true);
});
