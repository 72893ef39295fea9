import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { issueDependencies, syncDependencies } from '../../../functions/dependencies.ts';
import type { Trouble } from '../../../local/services.ts';
import { parseBundle } from '../../../shared/adapters/bundle.ts';
import { createPki } from '../../../shared/adapters/x509.ts';
import { certificateId } from '../../../shared/domain/certificate.ts';
import { newRecord } from '../../../shared/domain/record.ts';
import {
  certificateFor,
  elsewhere,
  google,
  planned,
  served,
  unheard,
} from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

const CERTIFICATES = 240;
const TARGETS = 1200;
const MOST_TARGETS = 1000;
const MOST_VERSIONS = 200;
const HOUR_MS = 3_600_000;

const hostOf = (target: number) => `h${target % CERTIFICATES}.a.test`;

/** 1200 Ingresses with a Secret each and 240 certificates, all in the best order, without having issued one. */
async function fleet(one: Running): Promise<void> {
  const limit = pLimit(32);
  const all = <T>(count: number, make: (index: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, index) => limit(() => make(index))));
  await all(1, () =>
    one.request('one', 'POST', '/api/v1/namespaces', { metadata: { name: 'web' } }),
  );
  await all(TARGETS, (n) =>
    one.request(
      'one',
      'POST',
      '/apis/networking.k8s.io/v1/namespaces/web/ingresses',
      ingress(`i${n}`, [hostOf(n)], `s${n}`),
    ),
  );
  const now = one.clock.now();
  const { pem } = await elsewhere(['*.a.test'], now);
  const bundle = parseBundle(pem, 'the test');
  const issued = { version: 1, ...createPki().describe(bundle) };
  const { records, writer } = await issueDependencies(one.system.configOf('issue')).ports();
  const { writers } = await syncDependencies(one.system.configOf('sync')).ports();
  const cluster = await writers('one');
  const idOf = (n: number) => identity(n).id;
  await all(CERTIFICATES, async (n) => {
    const { id, ...of } = identity(n);
    const askers = [{ cluster: 'one', namespace: 'web' }];
    const delivered = { version: 1, at: now, failed: [] };
    const record = newRecord(of, { askers, manual: undefined });
    await records.create(id, { ...record, issued, delivered });
    await writer.add(id, bundle, 0);
  });
  await all(TARGETS, (n) =>
    cluster.apply(
      { cluster: 'one', namespace: 'web', secret: `s${n}` },
      { certificate: idOf(n), ...issued, bundle },
      undefined,
    ),
  );
}

function identity(target: number) {
  const of = { names: [hostOf(target)], issuer: 'test', keyType: 'ec-p256' as const };
  return { ...of, id: certificateId(of) };
}

/** What the system reads of its clusters and its memory, since the last count. */
function counter() {
  const pages: string[] = [];
  const targets: string[] = [];
  const versions: string[] = [];
  const trouble: Trouble = {
    kubernetes(_, { method, url = '' }) {
      if (method !== 'GET') return;
      if (url.includes('/ingresses?')) pages.push(url);
      const [, secret] = /\/secrets\/([^?]+)\?/.exec(url) ?? [];
      if (secret) targets.push(secret);
    },
    before(_, { method, url = '' }) {
      const [, id] = /\/secrets\/certherd-cert-([^/]+)\/versions/.exec(url) ?? [];
      if (method === 'GET' && id) versions.push(id);
    },
  };
  return {
    trouble,
    counted: () => ({
      pages: pages.splice(0).length,
      targets: targets.splice(0),
      versions: versions.splice(0),
    }),
  };
}

test('a big fleet is read in pages, and each Secret and each certificate has its turn', async () => {
  const { trouble, counted } = counter();
  const one = await running({ trouble });
  await unheard(one, () => fleet(one));
  const job = '/v1/projects/p/locations/europe-west1/jobs/certherd';
  await google(one, 'scheduler', ['POST', `${job}:pause`], {});
  counted();

  const seen = { targets: new Set<string>(), versions: new Set<string>() };
  for (let turn = 1; turn <= 2; turn += 1) {
    await one.tick();
    const { pages, targets, versions } = counted();
    expect({ pages, targets: targets.length, versions: versions.length }).toEqual({
      pages: 3,
      targets: MOST_TARGETS,
      versions: MOST_VERSIONS,
    });
    for (const target of targets) seen.targets.add(target);
    for (const id of versions) seen.versions.add(id);
    one.clock.advance(HOUR_MS);
  }
  expect(seen.targets.size).toBe(TARGETS);
  expect(seen.versions.size).toBe(CERTIFICATES);
  const ticks = one.log.filter(({ message }) => message === 'reconciled');
  expect(ticks).toMatchObject([
    { certificates: CERTIFICATES, keep: CERTIFICATES, faults: 0 },
    { certificates: CERTIFICATES, keep: CERTIFICATES, faults: 0 },
  ]);
});

test('a certificate of a hundred names is proven and delivered', async () => {
  const hosts = Array.from({ length: 100 }, (_, n) => `h${n}.a.test`);
  const one = await running({ manifests: { one: [ingress('many', hosts, 'many-tls')] } });
  await one.tick();
  expect((await one.plan()).map(({ names, reason }) => [names.length, reason])).toEqual([
    [100, 'fresh'],
  ]);
  expect((await one.records())[0]?.record.challenges).toEqual([]);
});

test('more namespaces than a record can name are asked for as one *, and each gets each version', async () => {
  const namespaces = Array.from({ length: 30 }, (_, n) => `team-${n}-${'x'.repeat(40)}`);
  const one = await running({
    manifests: {
      one: namespaces.map((namespace) => ingress('shop', ['shop.a.test'], 'tls', { namespace })),
    },
  });
  await one.tick();
  one.clock.advance(63 * 24 * HOUR_MS);
  await one.tick();
  const { record } = await certificateFor(one, 'shop.a.test');
  expect(record.askers).toEqual([{ cluster: 'one', namespace: '*' }]);
  const secrets = await Promise.all(
    namespaces.map((namespace) => served(one, 'one', 'tls', namespace)),
  );
  expect(new Set(secrets.map(({ version }) => version))).toEqual(new Set(['2']));
  expect(one.system.ca?.counts().orders).toBe(2);
  expect(await planned(one)).toEqual(['shop.a.test keep fresh']);
});
