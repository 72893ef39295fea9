import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createApplier } from '../../../local/front/applier.ts';
import { fallbackPair } from '../../../local/front/fallback-certificate.ts';
import { type Front, type FrontOptions, startFront } from '../../../local/front/front.ts';
import {
  checkedSecrets,
  type Ingress,
  isOfClass,
  lookup,
  virtualHosts,
} from '../../../local/front/virtual-hosts.ts';
import { createTestClient, servedFor, type TestClient } from './front/client.ts';
import { type FakeCluster, startFakeCluster } from './front/fake-cluster.ts';
import { mismatchedPair, pairFor, type TestPair } from './front/pairs.ts';
import { frontSuite, ingress, SETTLE_MS, secret } from './front/suite.ts';

const [a, b, wild, both] = [
  await pairFor('a.test'),
  await pairFor('b.test'),
  await pairFor('*.a.test'),
  await pairFor('a.test', 'b.test', '*.a.test'),
];
const mismatched = await mismatchedPair('a.test');

type Blocks = NonNullable<NonNullable<Ingress['spec']>['tls']>;

/** An Ingress of 2026-01-01 whose one block names the Secret `tls`; each case states only what differs. */
const asking = (
  differs: { name?: string; created?: string; rules?: string[]; tls?: Blocks } = {},
): Ingress => {
  const { name = 'web', created = '2026-01-01T00:00:00Z', rules = [] } = differs;
  const { tls: blocks = [{ hosts: ['a.test'], secretName: 'tls' }] } = differs;
  return {
    metadata: { namespace: 'n', name, creationTimestamp: created },
    spec: { tls: blocks, rules: rules.map((host) => ({ host })) },
  };
};

const holding = (pairs: Record<string, TestPair>) =>
  Object.entries(pairs).map(([name, { data }]) => ({ metadata: { namespace: 'n', name }, data }));

type Row = [string, Ingress[], Record<string, TestPair>, Record<string, string>];

const tls = (...blocks: [string, ...string[]][]) => ({
  tls: blocks.map(([secretName, ...hosts]) => ({ secretName, hosts })),
});

const younger = { created: '2026-01-02T00:00:00Z' };

describe('virtualHosts', () => {
  test.for<Row>([
    ['serves a host by the Secret of its block', [asking()], { tls: a }, { 'a.test': a.serial }],
    ['lower-cases hosts', [asking(tls(['tls', 'A.Test']))], { tls: a }, { 'a.test': a.serial }],
    [
      'takes the hosts of the rules for a block without hosts',
      [asking({ ...tls(['tls']), rules: ['a.test', 'b.test'] })],
      { tls: both },
      { 'a.test': both.serial, 'b.test': both.serial },
    ],
    [
      'finds the block whose certificate covers a host that no block lists',
      [asking({ ...tls(['one', 'x.test'], ['two']), rules: ['b.test'] })],
      { one: a, two: b },
      { 'x.test': 'x.test: the certificate in Secret n/one does not cover it', 'b.test': b.serial },
    ],
    ['leaves an Ingress without TLS alone', [asking({ tls: [], rules: ['a.test'] })], {}, {}],
    ['skips a rule for every host', [asking({ tls: [], rules: [''] })], { tls: a }, {}],
    [
      'refuses what is no host name',
      [asking(tls(['tls', 'a.test; }', 'a..test', '', '*', 'a.*.test', 'a.test']))],
      { tls: a },
      { 'a.test': a.serial },
    ],
    [
      'keeps a wildcard host for a wildcard certificate',
      [asking(tls(['tls', '*.a.test', 'a.test']))],
      { tls: wild },
      {
        '*.a.test': wild.serial,
        'a.test': 'a.test: the certificate in Secret n/tls does not cover it',
      },
    ],
    [
      'does not stretch an exact certificate over a wildcard host',
      [asking(tls(['tls', '*.a.test']))],
      { tls: a },
      { '*.a.test': '*.a.test: the certificate in Secret n/tls does not cover it' },
    ],
    ['misses a Secret', [asking()], {}, { 'a.test': 'a.test: there is no TLS Secret n/tls' }],
    [
      'misses the name of a Secret',
      [asking({ tls: [{ hosts: ['a.test'] }] })],
      { tls: a },
      { 'a.test': 'a.test: no TLS block of Ingress n/web names a Secret that covers it' },
    ],
    [
      'gives a host to the older of two Ingresses',
      [asking({ ...tls(['new', 'a.test']), ...younger }), asking()],
      { tls: a, new: both },
      { 'a.test': a.serial },
    ],
    [
      'gives a host to the older even when its Secret is missing',
      [asking({ ...tls(['new', 'a.test']), ...younger }), asking()],
      { new: both },
      { 'a.test': 'a.test: there is no TLS Secret n/tls' },
    ],
    [
      'gives a host to the last name of one age, as ingress-nginx does',
      [asking(), asking({ ...tls(['new', 'a.test']), name: 'xeb' })],
      { tls: a, new: both },
      { 'a.test': both.serial },
    ],
    [
      'passes over an older Ingress without TLS',
      [asking({ tls: [], rules: ['a.test'] }), asking({ ...younger, name: 'late' })],
      { tls: a },
      { 'a.test': a.serial },
    ],
    [
      'names the fault of a pair that does not belong together',
      [asking()],
      { tls: mismatched },
      {
        'a.test':
          'a.test: Secret n/tls: tls.crt and tls.key are no usable pair (key values mismatch)',
      },
    ],
    [
      'names a part that is missing',
      [asking(tls(['one', 'a.test'], ['two', 'b.test'], ['three', 'c.test']))],
      {
        one: { serial: '', data: { 'tls.crt': '', 'tls.key': a.data['tls.key'] } },
        two: { serial: '', data: { 'tls.crt': a.data['tls.crt'], 'tls.key': '' } },
        three: { serial: '', data: { 'tls.crt': 'bm8=', 'tls.key': 'bm8=' } },
      },
      {
        'a.test': 'a.test: Secret n/one: tls.crt is missing or empty',
        'b.test': 'b.test: Secret n/two: tls.key is missing or empty',
        'c.test': 'c.test: Secret n/three: tls.crt and tls.key are no usable pair (no start line)',
      },
    ],
  ])('%s', ([, ingresses, pairs, expected]) => {
    const hosts = virtualHosts(ingresses, checkedSecrets(ingresses, holding(pairs), new Map()));
    const shown = hosts.map(({ host, pair, fault }) => [host, pair?.leaf.serialNumber ?? fault]);
    expect(Object.fromEntries(shown)).toEqual(expected);
  });
});

describe('checkedSecrets', () => {
  const first = checkedSecrets([asking()], holding({ tls: a }), new Map());

  test('keeps the judgement of an unchanged Secret', () => {
    const again = checkedSecrets([asking()], holding({ tls: a }), first);
    expect(again.get('n/tls')).toBe(first.get('n/tls'));
  });

  test('judges only what a TLS block names', () => {
    expect([...checkedSecrets([asking()], holding({ other: mismatched }), first)]).toEqual([]);
  });

  test('keeps the pair of a Secret through faulty contents, until it is deleted', () => {
    const broken = checkedSecrets([asking()], holding({ tls: mismatched }), first);
    expect(broken.get('n/tls')?.pair).toBe(first.get('n/tls')?.pair);
    const gone = checkedSecrets([asking()], [], broken);
    const back = checkedSecrets([asking()], holding({ tls: mismatched }), gone);
    expect(back.get('n/tls')?.pair).toBeUndefined();
  });
});

test.for<[string, string | undefined, string | undefined, string[] | undefined, boolean]>([
  ['any class without a filter', undefined, 'x', undefined, true],
  ['its class by the field', undefined, 'nginx', ['nginx'], true],
  ['its second class', undefined, 'second', ['nginx', 'second'], true],
  ['no foreign class', undefined, 'x', ['nginx'], false],
  ['no class as the first', undefined, undefined, ['nginx', 'second'], true],
  ['the annotation before the field', 'nginx', 'x', ['nginx'], true],
  ['no foreign annotation', 'x', 'nginx', ['nginx'], false],
  ['an empty annotation as none', '', 'nginx', ['nginx'], true],
  ['nothing with an empty filter', undefined, 'nginx', [], false],
])('isOfClass takes %s', ([, annotation, field, classes, expected]) => {
  const metadata = {
    namespace: 'n',
    name: 'web',
    creationTimestamp: '2026-01-01T00:00:00Z',
    ...(annotation === undefined
      ? {}
      : { annotations: { 'kubernetes.io/ingress.class': annotation } }),
  };
  const spec = field === undefined ? {} : { ingressClassName: field };
  expect(isOfClass({ metadata, spec }, classes)).toBe(expected);
});

test('createApplier makes one run of the changes of 20 ms, however many and steady they are', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const runs: number[] = [];
  const start = Date.now();
  const applier = createApplier({
    apply: async () => void runs.push(Date.now() - start),
    onFault: () => {},
  });
  for (let ms = 0; ms < 60; ms += 1) {
    applier.changed();
    await vi.advanceTimersByTimeAsync(1);
  }
  await applier.close();
  expect(runs).toEqual([20, 40, 60]);
});

test.for<[string, string, string | undefined]>([
  ['the exact host', 'www.a.test', 'exact'],
  ['the wildcard one label above', 'api.a.test', 'wild'],
  ['no wildcard two labels above', 'x.api.a.test', undefined],
  ['no wildcard for its own parent', 'a.test', undefined],
  ['any case', 'WWW.A.Test', 'exact'],
])('lookup finds %s', ([, name, expected]) => {
  const hosts = new Map([
    ['www.a.test', 'exact'],
    ['*.a.test', 'wild'],
  ]);
  expect(lookup(hosts, name)).toBe(expected);
});

describe('the node front on a fake cluster', () => {
  frontSuite('node', startFakeCluster);
});

describe('a front whose cluster misbehaves', () => {
  let fake: FakeCluster;
  let client: TestClient;
  let front: Front;
  let log: string[];
  const start = async ({
    selectors = true,
    ...differs
  }: Partial<FrontOptions> & { selectors?: boolean } = {}) => {
    fake = await startFakeCluster({ selectors });
    client = createTestClient(fake.cluster);
    log = [];
    front = await startFront({
      kind: 'node',
      cluster: fake.cluster,
      publishStatus: false,
      log: ({ message, reason = '' }) => log.push(`${message} ${reason}`.trim()),
      ...differs,
    });
  };
  const ask = () => client.put(ingress('n', 'web', { hosts: ['a.test'], secretName: 'tls' }));
  const give = ({ data }: TestPair) => client.put(secret('n', 'tls', data));
  const servesSoon = ({ serial }: TestPair) =>
    expect
      .poll(() => servedFor(front.port, 'a.test'), { interval: 10, timeout: SETTLE_MS })
      .toEqual({ serial, fallback: false });
  const callsFor = (call: string) => fake.calls.filter((one) => one === call).length;

  afterEach(async () => {
    await front.close();
    await client.close();
    await fake.close();
  });

  test('goes on without a new list when the server ends a watch', async () => {
    await start();
    await Promise.all([ask(), give(a)]);
    await servesSoon(a);
    fake.endWatches();
    await give(both);
    await servesSoon(both);
    await client.remove(secret('n', 'tls', {}));
    await expect
      .poll(() => servedFor(front.port, 'a.test'), { interval: 10, timeout: SETTLE_MS })
      .toMatchObject({ fallback: true });
    expect(callsFor('list secrets')).toBe(1);
    expect(log.filter((line) => line.startsWith('front lost sight'))).toEqual([]);
  });

  test('lists again when a watch breaks', async () => {
    await start();
    await Promise.all([ask(), give(a)]);
    await servesSoon(a);
    fake.breakWatches();
    await give(both);
    await servesSoon(both);
    expect(callsFor('list secrets')).toBe(2);
  });

  test('lists again when its version is too old', async () => {
    await start();
    await Promise.all([ask(), give(a)]);
    await servesSoon(a);
    fake.forget();
    fake.endWatches();
    await give(both);
    await servesSoon(both);
    expect(callsFor('list secrets')).toBe(2);
    expect(log).toContain(
      'front lost sight of its cluster and lists again too old resource version',
    );
  });

  test('filters by itself where the server knows no field selector, and takes no other type', async () => {
    await start({ selectors: false });
    await ask();
    await client.put({ ...secret('n', 'tls', a.data), type: 'Opaque' });
    await front.settled(SETTLE_MS);
    expect((await servedFor(front.port, 'a.test')).fallback).toBe(true);
    await give(a);
    await servesSoon(a);
  });

  test('shows its client certificate where the cluster has no token for it', async () => {
    await start();
    await Promise.all([ask(), give(a)]);
    await front.close();
    const { token: _, ...tokenless } = fake.cluster;
    const { certificate: cert, key } = await fallbackPair();
    const options = { kind: 'node', publishStatus: false, log: () => {} } as const;
    front = await startFront({
      ...options,
      cluster: { ...tokenless, clientCertificate: { cert, key } },
    });
    await servesSoon(a);
    const nobody = await startFront({ ...options, cluster: tokenless });
    await expect(nobody.settled(50)).rejects.toThrow('did not settle');
    await nobody.close();
  });

  test('writes no status unless it is told to', async () => {
    await start();
    await ask();
    await front.settled(SETTLE_MS);
    const read = await client.read(ingress('n', 'web', { hosts: [], secretName: '' }));
    expect(read.status).toBeUndefined();
  });

  test('says so when it cannot settle in time, and serves its fallback meanwhile', async () => {
    await start({ cluster: { name: 'dark', server: 'https://127.0.0.1:9', ca: '' } });
    await expect(front.settled(50)).rejects.toThrow(
      'the front of dark did not settle within 50 ms',
    );
    expect((await servedFor(front.port, 'a.test')).fallback).toBe(true);
  });

  test('lets go of its cluster and its port when it is closed', async () => {
    await start();
    await front.settled(SETTLE_MS);
    await front.close();
    await expect(servedFor(front.port, 'a.test')).rejects.toThrow('ECONNREFUSED');
    await expect(front.settled(SETTLE_MS)).rejects.toThrow('the front is closed');
    expect(log).toEqual([]);
  });
});
