import { expect, test } from 'vitest';
import { syncDependencies } from '../../../functions/dependencies.ts';
import { sync } from '../../../shared/jobs/sync.ts';
import type { Time } from '../../../shared/ports.ts';
import { certificateFor, planned, secretManager, served } from '../../integration/system/hands.ts';
import { SILENT } from '../../integration/system/mortal.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';
import { leaks, readableVersions, txtSets } from '../../integration/system/traces.ts';

const DAY_MS = 86_400_000;
const HOST = 'shop.a.test';

const states = async (one: Running, id: string) =>
  (await one.versions(id)).map(({ number, state }) => `${number} ${state}`);

test('when every task and every message comes twice at once, each thing is done once', async () => {
  const names = ['one', 'two', 'three'];
  const one = await running({
    haste: 10,
    trouble: { duplicate: true },
    manifests: { one: names.map((name) => ingress(name, [`${name}.a.test`], name)) },
  });
  await one.tick();
  await one.tick();
  for (const name of names) {
    const { id, record } = await certificateFor(one, `${name}.a.test`);
    expect(record).toMatchObject({ lease: undefined, failure: undefined, challenges: [] });
    expect(await states(one, id)).toEqual(['1 enabled']);
    expect(await served(one, 'one', name)).toMatchObject({ serial: record.issued?.serial });
    expect(await readableVersions(one, `certherd-pending-${id}`)).toEqual([]);
  }
  expect(one.system.ca?.counts().orders).toBe(names.length);
  expect(await txtSets(one, 'a.test')).toEqual([]);
  expect(await leaks(one)).toEqual([]);
});

test('name servers that lag behind the API are waited for', async () => {
  const one = await running({
    trouble: { propagationMs: 400 },
    manifests: { one: [ingress('shop', [HOST], 'shop')] },
  });
  await one.tick();
  const { record } = await certificateFor(one, HOST);
  expect(record).toMatchObject({ failure: undefined, delivered: { version: 1 } });
});

/** A certificate in its second version, and the message that told of the first. */
async function renewed() {
  const one = await running({ haste: 10, manifests: { one: [ingress('shop', [HOST], 'shop')] } });
  await one.tick();
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  const { id, record } = await certificateFor(one, HOST);
  const { topic } = one.system.config.runtime;
  const secretId = `projects/123456789012/secrets/certherd-cert-${id}`;
  const tell = (version: number) =>
    one.system.services.pubsub.publish(topic, {
      data: '',
      attributes: {
        ...{ eventType: 'SECRET_VERSION_ADD', dataFormat: 'JSON_API_V1', secretId },
        versionId: `${secretId}/versions/${version}`,
      },
    });
  return { one, id, record, tell };
}

const timeOf = ({ clock }: Running): Time => ({ now: () => clock.now(), sleep: async () => {} });

test('messages that come late, again and all at once leave the newest version where it is', async () => {
  const { one, record, tell } = await renewed();
  for (const version of [1, 2, 1, 1, 2]) tell(version);
  await one.settle();
  expect(await served(one, 'one', 'shop')).toMatchObject({
    ...{ version: '2', serial: record.issued?.serial },
  });
  const writes = one.log.filter(({ message }) => message === 'secret written');
  expect(writes.map(({ version }) => version)).toEqual([1, 2]);
});

test('a sync that stalls before its write does not put the older version over the newer one', async () => {
  const one = await running({ haste: 10, manifests: { one: [ingress('shop', [HOST], 'shop')] } });
  await one.tick();
  const { id } = await certificateFor(one, HOST);
  await one.request('one', 'DELETE', '/api/v1/namespaces/web/secrets/shop');
  const { ports, settings } = syncDependencies(one.system.configOf('sync'), {
    log: SILENT,
    time: timeOf(one),
  });
  const stalled = await ports();
  const atWrite = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const writers: typeof stalled.writers = async (name) => {
    const writer = await stalled.writers(name);
    return {
      ...writer,
      async apply(...args) {
        atWrite.resolve();
        await goOn.promise;
        return writer.apply(...args);
      },
    };
  };
  const message = { certificate: id, reason: 'version-added', targets: [] };
  const late = sync(message, { ...stalled, writers }, settings);
  await atWrite.promise;
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  goOn.resolve();
  await late;
  const { record } = await certificateFor(one, HOST);
  expect(record.issued?.version).toBe(2);
  expect(await served(one, 'one', 'shop')).toMatchObject({ serial: record.issued?.serial });
});

test('a sync that stalls before it records leaves the newer version recorded, and one that is told again writes nothing', async () => {
  const one = await running({ haste: 10, manifests: { one: [ingress('shop', [HOST], 'shop')] } });
  await one.tick();
  const { id } = await certificateFor(one, HOST);
  const { ports, settings } = syncDependencies(one.system.configOf('sync'), {
    log: SILENT,
    time: timeOf(one),
  });
  const stalled = await ports();
  const atRecord = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const update: typeof stalled.records.update = async (...args) => {
    atRecord.resolve();
    await goOn.promise;
    return stalled.records.update(...args);
  };
  const message = { certificate: id, reason: 'repair', targets: [] };
  const late = sync(message, { ...stalled, records: { ...stalled.records, update } }, settings);
  await atRecord.promise;
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  const before = await secretManager(one, 'GET', `/certherd-cert-${id}`);
  expect(before).toMatchObject({ versionAliases: { current: '2' } });
  goOn.resolve();
  expect(await late).toMatchObject({ state: 'nothing' });
  expect(await sync(message, stalled, settings)).toMatchObject({ state: 'delivered', version: 2 });
  expect(await secretManager(one, 'GET', `/certherd-cert-${id}`)).toEqual(before);
});

test('a clock that was set back a day orders nothing, and one that jumps past the end of life renews at once', async () => {
  const one = await running({ haste: 10, manifests: { one: [ingress('shop', [HOST], 'shop')] } });
  await one.tick();
  one.clock.advance(-DAY_MS);
  await one.tick();
  expect(await planned(one)).toEqual([`${HOST} keep fresh`]);
  expect(one.system.ca?.counts().orders).toBe(1);
  one.clock.advance(200 * DAY_MS);
  await one.tick();
  expect(await served(one, 'one', 'shop')).toMatchObject({ version: '2' });
  expect(one.system.ca?.counts().orders).toBe(2);
});
