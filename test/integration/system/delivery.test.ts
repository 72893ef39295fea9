import { describe, expect, onTestFinished, test } from 'vitest';
import { LOCAL_PERSON } from '../../../local/accounts.ts';
import { AcmeProblem } from '../../../local/acme-ca/problem.ts';
import { on, refusing, spoilable, weather } from './faults.ts';
import {
  add,
  certificateFor,
  delivered,
  elsewhere,
  makeSecret,
  patchSecret,
  planned,
  removeSecret,
  secretManager,
  served,
  turn,
  unheard,
} from './hands.ts';
import { ingress, type Running, running } from './running.ts';

const DAY_MS = 86_400_000;

describe('a Secret that is no longer what was written', () => {
  test('drift of any kind is repaired at the next tick, in place, without an order', async () => {
    const one = await delivered();
    const before = await served(one, 'one', 'shop-tls');

    await patchSecret(one, 'one', 'shop-tls', { data: { 'tls.crt': 'bm9uZQ==' } });
    expect(await planned(one)).toEqual(['shop.a.test sync secret-drifted']);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toEqual(before);
    expect(await planned(one)).toEqual(['shop.a.test keep fresh']);

    const annotations = { 'certherd/fingerprint': 'edited' };
    await patchSecret(one, 'one', 'shop-tls', { metadata: { annotations } });
    expect(await planned(one)).toEqual(['shop.a.test sync secret-outdated']);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toEqual(before);

    await removeSecret(one, 'one', 'shop-tls');
    expect(await planned(one)).toEqual(['shop.a.test sync secret-missing']);
    await one.tick();
    const { uid, ...made } = await served(one, 'one', 'shop-tls');
    expect(made).toEqual({ ...before, uid: undefined });
    expect(uid).not.toBe(before.uid);
    expect(one.system.ca?.counts().orders).toBe(1);
  });
});

describe('the newest enabled version is the certificate', () => {
  test('disabling it rolls back and enabling it goes forward again, at once, or at the next tick when the event is lost', async () => {
    const one = await delivered(2);
    const [first, second] = [await one.versions(one.id), await served(one, 'one', 'shop-tls')];
    expect(first.map(({ number }) => number)).toEqual([2, 1]);
    expect(second.version).toBe('2');

    await turn(one, one.id, 2, 'disable');
    const back = await served(one, 'one', 'shop-tls');
    expect(back).toMatchObject({ version: '1', uid: second.uid });
    expect(back.serial).not.toBe(second.serial);
    expect(await current(one, one.id)).toBe('1');

    await turn(one, one.id, 2, 'enable');
    expect(await served(one, 'one', 'shop-tls')).toEqual(second);
    expect(await current(one, one.id)).toBe('2');

    await unheard(one, () => turn(one, one.id, 2, 'disable'));
    expect(await served(one, 'one', 'shop-tls')).toEqual(second);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toEqual(back);
    expect(await current(one, one.id)).toBe('1');
  });

  test('when the only version is disabled, another is issued, and the Secret never goes', async () => {
    const one = await delivered();
    const before = await served(one, 'one', 'shop-tls');
    await turn(one, one.id, 1, 'disable');
    expect(await served(one, 'one', 'shop-tls')).toEqual(before);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2', uid: before.uid });
    expect(one.system.ca?.counts().orders).toBe(2);
  });

  test('disabling it when the one before has expired has another issued, and the Secret never goes', async () => {
    const one = await delivered(2);
    const before = await served(one, 'one', 'shop-tls');
    one.clock.advance(30 * DAY_MS);
    await turn(one, one.id, 2, 'disable');
    expect(await served(one, 'one', 'shop-tls')).toEqual(before);
    const { record } = await certificateFor(one, 'shop.a.test');
    expect(record).toMatchObject({
      issued: { version: 1 },
      delivered: { failed: [expect.stringMatching(/^version 1 is good until .* only/)] },
    });
    expect(await planned(one)).toEqual(['shop.a.test issue emergency']);

    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '3', uid: before.uid });
    expect(await planned(one)).toEqual(['shop.a.test keep fresh']);
    expect(one.log.map(({ code }) => code)).not.toContain('certificate-invalid');
  });

  test("a version that a person adds, another CA's certificate, is described and delivered; one that is none is not, and holds nothing up", async () => {
    const one = await delivered();
    const imported = await elsewhere(['shop.a.test'], one.clock.now());
    await add(one, one.id, imported.pem);

    const { record } = await certificateFor(one, 'shop.a.test');
    expect(record.issued).toMatchObject({ version: 2, serial: imported.serial });
    expect(record.delivered?.version).toBe(2);
    const secret = await served(one, 'one', 'shop-tls');
    expect(secret).toMatchObject({ version: '2', serial: imported.serial });
    expect(secret.chain.startsWith(imported.leaf.trim())).toBe(true);
    expect(await current(one, one.id)).toBe('2');

    await one.tick();
    expect(await planned(one)).toEqual(['shop.a.test keep fresh']);
    expect(one.system.ca?.counts().orders).toBe(1);

    const fromDay = (days: number) => new Date(one.clock.now().getTime() + days * DAY_MS);
    const expired = await elsewhere(['shop.a.test'], fromDay(-90));
    const future = await elsewhere(['shop.a.test'], fromDay(20));
    for (const worse of [expired.pem, future.pem, 'no certificate']) {
      await add(one, one.id, worse);
      expect(await served(one, 'one', 'shop-tls')).toEqual(secret);
    }
    expect(one.log.map(({ reason }) => reason)).toContainEqual(
      expect.stringMatching(/^version 3 of certificate \S+ is good until .* only; disable it/),
    );
    expect(await current(one, one.id)).toBe('2');
    one.clock.advance(63 * DAY_MS);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '6' });
  });

  test('a version that a person adds ends the failure of what could not be issued', async () => {
    const sky = weather();
    const one = await running({
      trouble: sky.trouble,
      manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
    });
    sky.set(
      'ca',
      on(
        /new-order/,
        refusing(() => new AcmeProblem('rejectedIdentifier', 'no')),
      ),
    );
    await one.tick();
    const { id, record } = await certificateFor(one, 'shop.a.test');
    expect(record.failure).toMatchObject({ code: 'ca-rejected' });
    await add(one, id, (await elsewhere(['shop.a.test'], one.clock.now())).pem);
    expect((await certificateFor(one, 'shop.a.test')).record).toMatchObject({
      ...{ failure: undefined, delivered: { version: 1 } },
    });
    one.clock.advance(DAY_MS);
    await one.tick();
    expect(await planned(one)).toEqual(['shop.a.test keep fresh']);
  });

  test('of more versions than are kept, the oldest are destroyed after delivery', async () => {
    const one = await delivered(3);
    const states = (await one.versions(one.id)).map(({ number, state }) => `${number} ${state}`);
    expect(states).toEqual(['3 enabled', '2 enabled', '1 destroyed']);
    expect(await current(one, one.id)).toBe('3');
    expect(one.system.ca?.counts().orders).toBe(3);
  });
});

describe('a cluster that is away when a certificate comes', () => {
  test('stands in the record and in what the api says, until it is back and has it', async () => {
    const one = await running({
      document: { clusters: CLUSTERS },
      manifests: {
        one: [ingress('shop', ['shop.a.test'], 'shop-tls')],
        two: [ingress('shop', ['shop.a.test'], 'shop-tls')],
      },
    });
    const { turn: turnWay, close } = await spoilable(one, 'two');
    onTestFinished(close);
    await one.tick();
    one.clock.advance(63 * DAY_MS);
    turnWay('closed');
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2' });
    const open = { version: 1, failed: [expect.stringContaining('cluster two')] };
    expect((await certificateFor(one, 'shop.a.test')).record).toMatchObject({
      ...{ issued: { version: 2 }, delivered: open },
    });
    expect(await said(one)).toMatchObject([{ version: 2, delivered: open }]);

    turnWay('open');
    await one.tick();
    expect(await served(one, 'two', 'shop-tls')).toMatchObject({ version: '2' });
    expect(await said(one)).toMatchObject([{ delivered: { version: 2, failed: [] } }]);
  });
});

/** The certificates as a person gets them from the api. */
async function said({ system }: Running): Promise<unknown> {
  const token = await system.services.metadata.identityToken(LOCAL_PERSON, 'certherd-api');
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${system.door.url}/v1/certificates`, { headers });
  return ((await response.json()) as { certificates: unknown }).certificates;
}

async function current(one: Running, id: string) {
  const { versionAliases } = await secretManager(one, 'GET', `/certherd-cert-${id}`);
  return (versionAliases as Record<string, string>).current;
}

describe('Secrets of others', () => {
  const OTHERS = {
    opaque: { type: 'Opaque' },
    person: {},
    'cert-manager': { annotations: { 'cert-manager.io/certificate-name': 'web' } },
    'other-herd': {
      labels: { 'app.kubernetes.io/managed-by': 'herd' },
      annotations: { 'herd/certificate': 'web' },
    },
  };

  test('of another type, of a person, of cert-manager or of another installation refuse before any order and stay as they are', async () => {
    const names = Object.keys(OTHERS);
    const one = await running({
      manifests: { one: names.map((name) => ingress(name, [`${name}.a.test`], name)) },
    });
    const before = await Promise.all(
      Object.entries(OTHERS).map(([name, secret]) => makeSecret(one, 'one', { name, ...secret })),
    );
    await one.tick();
    expect(one.system.ca?.counts().orders).toBe(0);
    expect(await Promise.all(names.map((name) => one.secret('one', 'web', name)))).toEqual(before);
    expect((await one.plan()).map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
      "targets-refused: Secret one/web/cert-manager exists and belongs to cert-manager's Certificate web; delete it or name another Secret",
      'targets-refused: Secret one/web/opaque exists with type Opaque and belongs to somebody else; delete it or name another Secret',
      'targets-refused: Secret one/web/other-herd exists and belongs to herd; delete it or name another Secret',
      'targets-refused: Secret one/web/person exists and belongs to somebody else; delete it or name another Secret',
    ]);
  });

  test('one of several targets that refuses holds up none of the others', async () => {
    const shop = (namespace: string) => ingress('shop', ['shop.a.test'], 'tls', { namespace });
    const one = await running({
      document: { clusters: CLUSTERS },
      manifests: { one: [shop('web'), shop('blog')], two: [shop('web')] },
    });
    const foreign = await makeSecret(one, 'one', { namespace: 'blog', name: 'tls' });
    await one.tick();

    const { serial } = await served(one, 'one', 'tls');
    expect((await served(one, 'two', 'tls')).serial).toBe(serial);
    expect(await one.secret('one', 'blog', 'tls')).toEqual(foreign);
    expect(one.system.ca?.counts().orders).toBe(1);
    const { record } = await certificateFor(one, 'shop.a.test');
    expect(record.issued?.serial).toBe(serial);
    expect(record.delivered).toMatchObject({
      version: 1,
      failed: [expect.stringContaining('Secret one/blog/tls exists and belongs to somebody else')],
    });
    expect(await planned(one)).toEqual(['shop.a.test keep fresh']);
  });
});

const CLUSTERS = ['one', 'two'].map((name) => ({
  ...{ name, allow: [{ namespaces: ['*'], names: ['*'] }] },
}));
