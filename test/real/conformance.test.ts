import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { applyManifests, loadManifests } from '../../local/kubernetes/manifests.ts';
import type { RecordedCall } from '../../local/recorder.ts';
import { type Folder, temporaryFolder } from './parts/folder.ts';
import { runPython } from './parts/python.ts';
import { type RealCluster, startRealCluster } from './parts/real-cluster.ts';
import { certherd, type Staying, startAndStay } from './parts/start.ts';

const ROOT = join(import.meta.dirname, '../..');
const RECORD = join(ROOT, 'dist', 'traffic.jsonl');
const SECRETS = '/api/v1/namespaces/ovh/secrets';

let cluster: RealCluster | undefined;
let folder: Folder;
let running: Staying | undefined;

/** What the record must not hold, beside what every key and token looks like. */
const secrets: string[] = [];

beforeAll(async () => {
  folder = temporaryFolder();
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  cluster = await startRealCluster();
  const { objects } = loadManifests(join(ROOT, 'local/examples/mybinder/manifests/ovh'));
  expect(await applyManifests(objects, cluster)).toEqual({ faults: [] });
  running = await startAndStay([
    ...['--record', RECORD, '--front', 'nginx'],
    ...['--cluster', `ovh=${folder.write('kubeconfig.yaml', cluster.kubeconfig)}`],
  ]);
  await aDayOfWork(running, cluster);
  expect(await running.interrupt()).toBe(0);
});
afterAll(async () => {
  await running?.interrupt();
  await cluster?.close();
  folder.remove();
});

/** More than the first tick: what people ask for, a renewal that makes an old version go, and what somebody broke. */
async function aDayOfWork({ url }: Staying, api: RealCluster): Promise<void> {
  const said = async (...args: string[]) => {
    const { code, stdout, stderr } = await certherd([...args, '--url', url, '--json']);
    if (code !== 0) throw new Error(`certherd ${args.join(' ')}: ${code} ${stderr}${stdout}`);
    return JSON.parse(stdout) as { id: string };
  };
  const delivered = (name: string) => api.certificateIn('ovh', name);
  const { id } = await said(
    ...['issue', 'by-hand.mybinder.ovh', '--target', 'ovh/ovh/by-hand', '--wait'],
  );
  const first = await delivered('by-hand');
  for (const _ of ['second', 'third']) await said('renew', id, '--wait');
  expect((await delivered('by-hand')).serialNumber).not.toBe(first.serialNumber);
  await said('issue', 'stored-only.mybinder.ovh', '--wait');
  const lost = await delivered('tls-crt');
  await api.remove(`${SECRETS}/tls-crt`);
  await said('run');
  const repaired = async () => {
    expect((await delivered('tls-crt')).serialNumber).toBe(lost.serialNumber);
  };
  await vi.waitFor(repaired, { timeout: 30_000, interval: 100 });
  await said('plan');
  await said('status');
  for (const name of ['by-hand', 'tls-crt']) {
    const data = (await api.get(`${SECRETS}/${name}`))?.data ?? {};
    secrets.push(...Object.values(data));
  }
  secrets.push(api.token, Buffer.from(api.token).toString('base64'));
}

const lines = () => readFileSync(RECORD, 'utf8').trim().split('\n');
const calls = () => lines().map((line) => JSON.parse(line) as RecordedCall);

test("every call is one of Google's own API, request and reply", async () => {
  const checked = await runPython('conformance/check.py', [RECORD]).catch(
    (failure: { stdout?: string }) => ({ stdout: failure.stdout ?? String(failure) }),
  );
  expect(checked.stdout).toMatch(/^\d+ calls, \d+ methods, 0 violations, \d+ warnings\n$/);
});

test('every service took part', () => {
  expect([...new Set(calls().map(({ service }) => service))].sort()).toEqual([
    'cloudscheduler',
    'cloudtasks',
    'container',
    'dns',
    'pubsub',
    'secretmanager',
  ]);
});

test('what the day had in it was recorded', () => {
  const seen = calls().map(({ method, url }) => `${method} ${url.split('?')[0]}`);
  for (const step of [
    /^POST .+\/topics\/certherd-versions:publish$/,
    /^POST .+\/versions\/1:destroy$/,
    /^GET .+\/jobs\/certherd$/,
    /^POST .+\/jobs\/certherd:run$/,
    /^GET .+\/queues\/certherd-queue-production$/,
  ])
    expect(seen).toContainEqual(expect.stringMatching(step));
});

test('no key, token or payload was recorded', () => {
  const record = readFileSync(RECORD, 'utf8');
  const holds = (text: string) => record.includes(text);
  // Counted, so that a failure does not print them.
  expect(secrets.filter(holds).length).toBe(0);
  expect(['PRIVATE KEY', 'BEGIN CERTIFICATE'].filter(holds)).toEqual([]);
  expect(record.match(/(ya29\.|eyJ)(?!redacted).{0,8}/)).toBeNull();
  // The authority of a GKE cluster is no secret, and the Container API gives it in base64.
  const marks = ['PRIVATE KEY', 'ya29.', 'eyJhbGciOi', 'certificate-authority-data'];
  expect(marks.filter((text) => base64Within(text).some(holds))).toEqual([]);
  const payloads = calls().flatMap(({ request, response }) => [request, response].map(payload));
  const redacted = Buffer.from('redacted').toString('base64');
  expect(new Set(payloads)).toEqual(new Set([undefined, redacted]));
});

/** What the text leaves in base64 whatever stands around it: one of three, by where it begins. */
const base64Within = (text: string) =>
  [0, 1, 2].map((before) => {
    const encoded = Buffer.from('x'.repeat(before) + text).toString('base64url');
    const isWhole = (before + text.length) % 3 === 0;
    return encoded.slice(before === 0 ? 0 : before + 1, isWhole ? undefined : -1);
  });

const payload = (body: unknown): unknown =>
  (body as { payload?: { data?: unknown } } | null)?.payload?.data;
