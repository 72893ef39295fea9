import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { AcmeProblem } from '../../../local/acme-ca/problem.ts';
import { on, refusing, weather } from '../../integration/system/faults.ts';
import {
  add,
  certificateFor,
  elsewhere,
  makeSecret,
  planned,
  served,
} from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

test('a Secret that a refused request names as well gets what the good request asks for', async () => {
  const one = await running({
    manifests: {
      one: [
        ingress('good', ['shop.a.test'], 'tls'),
        ingress('bad', ['shop.elsewhere.test'], 'tls'),
      ],
    },
  });
  await one.tick();
  await one.tick();

  const [stored] = await one.records();
  expect(stored?.record.identity.names).toEqual(['shop.a.test']);
  expect((await one.secret('one', 'web', 'tls'))?.metadata.annotations).toMatchObject({
    'certherd/certificate': stored?.id,
  });
  expect((await one.plan()).map(({ action, reason }) => `${action} ${reason}`)).toEqual([
    'keep fresh',
  ]);
});

test('what a Secret serves is replaced by what the good request asks for, once reconcile names the Secret', async () => {
  const one = await running({ manifests: { one: [ingress('shop', ['old.a.test'], 'tls')] } });
  await one.tick();
  await one.apply(
    'one',
    ingress('shop', ['new.a.test'], 'tls'),
    ingress('bad', ['shop.elsewhere.test'], 'tls'),
  );
  await one.tick();
  await one.tick();

  const stored = (await one.records()).find(({ record }) =>
    record.identity.names?.includes('new.a.test'),
  );
  expect((await one.secret('one', 'web', 'tls'))?.metadata.annotations).toMatchObject({
    'certherd/certificate': stored?.id,
  });
});

const DAY_MS = 86_400_000;
const OURS = { 'app.kubernetes.io/managed-by': 'certherd' };
const NOT_OPTED_IN = { annotations: {} };

/** Two tenants, each with its own name and a certificate for it. */
async function tenants(): Promise<Running & Readonly<{ id: string }>> {
  const allow = ['bank', 'evil'].map((name) => ({ namespaces: [name], names: [`${name}.a.test`] }));
  const one = await running({
    document: { clusters: [{ name: 'one', allow }] },
    manifests: {
      one: ['bank', 'evil'].map((name) =>
        ingress(name, [`${name}.a.test`], `${name}-tls`, { namespace: name }),
      ),
    },
  });
  await one.tick();
  const { id } = await certificateFor(one, 'bank.a.test');
  return { ...one, id };
}

const writtenInto = ({ log, id }: Running & Readonly<{ id: string }>) =>
  log
    .filter(({ message, certificate }) => message === 'secret written' && certificate === id)
    .map(({ namespace, secret }) => `${namespace}/${secret}`);

test("a forged Secret gets nobody's key, whatever Ingress names it", async () => {
  const one = await tenants();
  const annotations = { 'certherd/certificate': one.id };
  const ways: readonly (readonly [string, string, Parameters<typeof ingress>[3]])[] = [
    ['new', 'new.evil.a.test', {}],
    ['outside', 'whatever.example', NOT_OPTED_IN],
    ['theirs', 'bank.a.test', NOT_OPTED_IN],
    ['asked', 'bank.a.test', {}],
  ];
  for (const [name, host, differs] of ways) {
    await makeSecret(one, 'one', { namespace: 'evil', name, labels: OURS, annotations });
    await one.apply('one', ingress(name, [host], name, { ...differs, namespace: 'evil' }));
  }
  await one.tick();
  await one.tick();
  expect(writtenInto(one)).toEqual(['bank/bank-tls']);
  const { record } = await certificateFor(one, 'bank.a.test');
  expect(record.askers).toEqual([{ cluster: 'one', namespace: 'bank' }]);
  expect(await planned(one)).toContain('bank.a.test keep fresh');
});

test('a certificate that a person adds goes to nobody who may not have every name in it, and what is served stays renewed', async () => {
  const one = await tenants();
  const { serial } = await served(one, 'one', 'bank-tls', 'bank');
  const { pem } = await elsewhere(['*.a.test', 'bank.a.test'], one.clock.now());
  await add(one, one.id, pem);
  expect(await served(one, 'one', 'bank-tls', 'bank')).toMatchObject({ version: '1', serial });
  expect(one.log.map(({ reason }) => reason)).toContainEqual(
    expect.stringContaining('Secret one/bank/bank-tls may not have *.a.test'),
  );
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  expect(await served(one, 'one', 'bank-tls', 'bank')).toMatchObject({ version: '3' });
});

test('a copy that a replicator made is neither renewed nor a reason to renew', async () => {
  const one = await tenants();
  const original = await one.secret('one', 'bank', 'bank-tls');
  const { labels = {}, annotations = {} } = original?.metadata ?? {};
  await makeSecret(one, 'one', { namespace: 'evil', name: 'copy', labels, annotations });
  await one.apply(
    'one',
    ingress('copy', ['bank.a.test'], 'copy', { ...NOT_OPTED_IN, namespace: 'evil' }),
  );
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  await one.tick();
  expect(writtenInto(one)).toEqual(['bank/bank-tls', 'bank/bank-tls']);
  expect(await served(one, 'one', 'copy', 'evil')).toMatchObject({ version: '1' });
  expect((await certificateFor(one, 'bank.a.test')).record.askers).toEqual([
    { cluster: 'one', namespace: 'bank' },
  ]);
});

test('what the configuration names for a Secret is renewed in it while it waits for more', async () => {
  const state = mkdtempSync(join(tmpdir(), 'certherd-'));
  onTestFinished(() => rmSync(state, { recursive: true }));
  const configured = (...names: readonly string[]) => ({
    state,
    manifests: { one: [ingress('any', ['any.a.test'], 'default', NOT_OPTED_IN)] },
    document: { certificates: [{ cluster: 'one', namespace: 'web', secret: 'default', names }] },
  });
  const before = await running(configured('*.a.test'));
  await before.tick();
  const { certificate } = await served(before, 'one', 'default');
  expect(certificate).toBe((await certificateFor(before, '*.a.test')).id);
  await before.stop();

  const after = await running(configured('*.a.test', '*.new.a.test'));
  after.system.services.dns.addRecords([
    { name: '_acme-challenge.new.a.test', type: 'CNAME', rrdatas: ['lost.elsewhere.test.'] },
  ]);
  after.clock.advance(63 * DAY_MS);
  await after.tick();
  await after.tick();
  expect(await served(after, 'one', 'default')).toMatchObject({ version: '2', certificate });
});

test('a host that is taken back brings no certificate that is about to expire; it is renewed first', async () => {
  const sky = weather();
  const one = await running({
    trouble: sky.trouble,
    manifests: { one: [ingress('shop', ['x.a.test'], 'tls')] },
  });
  await one.tick();
  one.clock.advance(10 * DAY_MS);
  await one.apply('one', ingress('shop', ['x.a.test', 'y.a.test'], 'tls'));
  await one.tick();
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  const better = await served(one, 'one', 'tls');
  expect(better).toMatchObject({ version: '2' });

  sky.set(
    'ca',
    on(
      /new-order/,
      refusing(() => new AcmeProblem('serverInternal', 'down')),
    ),
  );
  one.clock.advance(15 * DAY_MS);
  await one.apply('one', ingress('shop', ['x.a.test'], 'tls'));
  for (let tick = 0; tick < 2; tick += 1) {
    await one.tick();
    expect(await served(one, 'one', 'tls')).toEqual(better);
    const { repair, targets } =
      (await one.plan()).find(({ names }) => names.join() === 'x.a.test') ?? {};
    expect({ repair, standing: targets?.[0]?.standing }).toMatchObject({
      ...{ repair: undefined, standing: { state: 'held', reason: 'better-served' } },
    });
    one.clock.advance(60 * 60_000);
  }

  sky.clear();
  one.clock.advance(DAY_MS);
  await one.tick();
  const renewed = await served(one, 'one', 'tls');
  expect(renewed.version).toBe('2');
  expect(renewed.certificate).not.toBe(better.certificate);
});
