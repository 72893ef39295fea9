import { expect, onTestFinished, test } from 'vitest';
import { reconcileDependencies, syncDependencies } from '../../../functions/dependencies.ts';
import { certificateId } from '../../../shared/domain/certificate.ts';
import { newRecord } from '../../../shared/domain/record.ts';
import { reconcile } from '../../../shared/jobs/reconcile.ts';
import { sync } from '../../../shared/jobs/sync.ts';
import { add, elsewhere, unheard } from '../../integration/system/hands.ts';
import {
  deathsAt,
  life,
  mortal,
  openWay,
  SILENT,
  throughWay,
} from '../../integration/system/mortal.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';
import { ISSUE_CALLS, killedWorkers } from './killed-workers.ts';

// Every call, reads included, and both sides of each: too many for every run of the quick tests.
killedWorkers(deathsAt(ISSUE_CALLS));

const SYNC_CALLS = [
  ...['GET cert', 'cluster ingresses', 'cluster secret', 'GET cert/versions'],
  ...['GET cert/versions/3:access', 'cluster apply', 'GET cert (2)', 'PATCH cert'],
  ...['GET cert/versions (2)', 'POST cert/versions/1:destroy'],
];

test('a sync that is killed at any of its calls is made good by the message that comes again', async () => {
  const cases = [undefined, ...deathsAt(SYNC_CALLS)].map((death, index) => ({
    key: `k${String(index).padStart(3, '0')}`,
    ...{ death, life: life(death) },
  }));
  const one = await running({
    manifests: { one: cases.map(({ key }) => ingress(key, [`${key}.a.test`], key)) },
  });
  const way = await openWay(
    one.system,
    (text) => cases.find(({ key }) => text.includes(key))?.life,
  );
  onTestFinished(way.close);
  const hosts = cases.map(({ key }) => `${key}.a.test`);
  const pems = await Promise.all(
    [1, 2, 3].map(async () => (await elsewhere(hosts, new Date())).pem),
  );
  await unheard(one, () => Promise.all(cases.map(({ key }) => imported(one, idOf(key), pems))));

  const healthy = syncDependencies(one.system.configOf('sync'), { log: SILENT });
  const doomed = syncDependencies(throughWay(one.system.configOf('sync'), way), { log: SILENT });
  const [sound, shared] = await Promise.all([healthy.ports(), doomed.ports()]);
  await Promise.all(
    cases.map(async ({ key, life: its }) => {
      const message = { certificate: idOf(key), reason: 'version-added', targets: [] };
      const writers: typeof shared.writers = async (name) =>
        mortal('cluster', await shared.writers(name), its);
      await Promise.race([its.dead, sync(message, { ...shared, writers }, doomed.settings)]);
      await sync(message, sound, healthy.settings);
    }),
  );

  expect(cases[0]?.life.calls).toEqual(SYNC_CALLS);
  const ends = await Promise.all(
    cases.map(async ({ key, death }) => ({ death, ...(await endOf(one, key)) })),
  );
  expect(ends).toEqual(
    cases.map(({ death }) => ({
      ...{ death, inSecret: '3', issued: 3, delivered: 3 },
      versions: ['3 enabled', '2 enabled', '1 destroyed'],
    })),
  );
});

const identityOf = (key: string) =>
  ({ names: [`${key}.a.test`], issuer: 'test', keyType: 'ec-p256' }) as const;

const idOf = (key: string) => certificateId(identityOf(key));

/** A certificate of three versions, of which nobody was told. */
async function imported(one: Running, id: string, pems: readonly string[]): Promise<void> {
  const { records } = await reconcileDependencies(one.system.configOf('reconcile')).ports();
  const identity = identityOf(id.slice(0, 4));
  const askers = [{ cluster: 'one', namespace: 'web' }];
  await records.create(id, newRecord(identity, { askers, manual: undefined }));
  for (const pem of pems) await add(one, id, pem);
}

async function endOf(one: Running, key: string) {
  const [secret, versions, records] = await Promise.all([
    one.secret('one', 'web', key),
    one.versions(idOf(key)),
    one.records(),
  ]);
  const { issued, delivered } = records.find(({ id }) => id === idOf(key))?.record ?? {};
  const { annotations = {} } = (secret?.metadata ?? {}) as { annotations?: Record<string, string> };
  return {
    ...{ inSecret: annotations['certherd/version'], issued: issued?.version },
    delivered: delivered?.version,
    versions: versions.map(({ number, state }) => `${number} ${state}`),
  };
}

const RECONCILE_CHANGES = [
  'POST secrets',
  'POST tasks',
  'PATCH cert',
  'POST certherd-versions:publish',
];

test('a tick that is killed after any of its changes is made good by the next', async () => {
  const deaths = RECONCILE_CHANGES.map((call) => ({ call, side: 'after' as const }));
  const cases = deaths.map((death, index) => ({
    key: `k${String(index).padStart(3, '0')}`,
    ...{ death, life: life(death) },
  }));
  const old = (key: string, namespace = 'web') =>
    ingress(`old-${key}`, [`old-${key}.a.test`], `old-${key}`, { namespace });
  const one = await running({ haste: 10, manifests: { one: cases.map(({ key }) => old(key)) } });
  await one.tick();
  let current = 0;
  const way = await openWay(one.system, (text) => {
    const index = cases.findIndex(({ key }) => text.includes(key));
    // Every tick looks at every certificate, those of earlier cases too.
    return text.startsWith('GET ') && index !== current ? undefined : cases[index]?.life;
  });
  onTestFinished(way.close);
  const doomed = reconcileDependencies(throughWay(one.system.configOf('reconcile'), way), {
    log: SILENT,
  });
  for (const [index, { key, life: its }] of cases.entries()) {
    current = index;
    await one.apply('one', old(key, 'more'), ingress(key, [`${key}.a.test`], key));
    await Promise.race([its.dead, reconcile(await doomed.ports(), doomed.settings)]);
    await one.tick();
  }
  expect(cases.map(({ life: its, death }) => its.calls.includes(death.call))).toEqual(
    cases.map(() => true),
  );

  const plan = await one.plan();
  expect(plan.map(({ reason, targets }) => `${reason} ${targets.length}`).toSorted()).toEqual(
    [...cases.map(() => 'fresh 1'), ...cases.map(() => 'fresh 2')].toSorted(),
  );
  expect(one.system.ca?.counts().orders).toBe(2 * cases.length);
});
