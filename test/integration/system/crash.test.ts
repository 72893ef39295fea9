import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconcileDependencies } from '../../../functions/dependencies.ts';
import { certificateId } from '../../../shared/domain/certificate.ts';
import { newRecord } from '../../../shared/domain/record.ts';
import { issueTask } from '../../../shared/domain/task.ts';
import { issue } from '../../../shared/jobs/issue.ts';
import { type Death, type Life, life, mortalWorker, openWay, type Way } from './mortal.ts';
import { ingress, type Running, started } from './running.ts';
import { readableVersions, txtSets } from './traces.ts';

/** Every call of a worker that issues its issuer's first certificate, apex and wildcard; those of the first line are made before there is an order. */
const ISSUE = {
  unordered: [
    ...['GET cert', 'PATCH cert', 'GET cert/versions', 'GET cert (2)'],
    ...['GET account/versions', 'POST account:addVersion', 'POST secrets'],
    ...['POST account:addVersion (2)', 'GET account/versions (2)'],
    ...['GET account/versions/1:access', 'GET account/versions (3)'],
    ...['GET account/versions/1:access (2)', 'POST account:addVersion (3)'],
  ],
  ordering: ['CA newOrder', 'GET cert (3)', 'PATCH cert (2)'],
  ordered: [
    ...['CA authorization', 'CA authorization (2)', 'POST pending:addVersion', 'POST secrets (2)'],
    ...['POST pending:addVersion (2)', 'GET cert (4)', 'PATCH cert (3)', 'GET rrsets'],
    ...['POST changes', 'CA respond', 'CA respond (2)', 'CA order', 'GET cert (5)', 'CA finalize'],
    ...['CA order (2)', 'CA certificate', 'GET cert (6)', 'POST cert:addVersion', 'GET cert (7)'],
    ...['GET pending/versions', 'GET rrsets (2)', 'POST changes (2)'],
    ...['POST pending/versions/1:destroy', 'GET cert (8)', 'PATCH cert (4)'],
  ],
};
const SIDES = ['before', 'after'] as const;

type Case = Readonly<{ key: string; death: Death | undefined }>;

const CASES: readonly Case[] = [
  undefined,
  ...[...ISSUE.unordered, ...ISSUE.ordering, ...ISSUE.ordered].flatMap((call) =>
    SIDES.map((side) => ({ call, side })),
  ),
].map((death, index) => ({ key: `k${String(index).padStart(3, '0')}`, death }));

// Only a kill after newOrder has reached the CA and before its URL is recorded costs another order.
const isOrderLost = ({ death }: Case) =>
  death !== undefined &&
  ISSUE.ordering.includes(death.call) &&
  `${death.side} ${death.call}` !== 'before CA newOrder' &&
  `${death.side} ${death.call}` !== 'after PATCH cert (2)';

describe('a worker that is killed at any of its calls is followed by one that ends its work', () => {
  let one: Running;
  let way: Way;
  const lives = new Map<string, Life>();

  beforeAll(async () => {
    one = await started({
      document: {
        issuers: Object.fromEntries(
          CASES.map(({ key }) => [key, { directory: 'https://ca.test/directory' }]),
        ),
        defaultIssuer: 'k000',
        clusters: [{ name: 'one', allow: [{ namespaces: ['*'], names: ['*'], wildcards: true }] }],
      },
      zones: CASES.map(({ key }) => `${key}.test`),
      manifests: {
        one: CASES.map(({ key }) =>
          ingress(key, [`${key}.test`, `*.${key}.test`], key, {
            annotations: { 'certherd/issuer': key },
          }),
        ),
      },
    });
    for (const { key, death } of CASES) lives.set(key, life(death));
    way = await openWay(one.system, (text) => lives.get(/k\d{3}/.exec(text)?.[0] ?? ''));
    console.time('kill');
    await killAll(one, way, lives);
    console.timeEnd('kill');console.time('tick');
    one.clock.advance(121_000);
    await one.tick();
    console.timeEnd('tick');
  });
  afterAll(async () => {
    await way.close();
    await one.stop();
  });

  test('there is a case for each call', () => {
    const calls = lives.get('k000')?.calls ?? [];
    const known = CASES.flatMap(({ death }) => death?.call ?? []);
    expect(new Set(calls.filter((call) => !/^CA order \(/.test(call)))).toEqual(
      new Set(known.filter((call) => !/^CA order \(/.test(call))),
    );
  });

  test.each(CASES)('killed $death.side $death.call', async (of) => {
    const stored = (await one.records()).find(({ id }) => id === idOf(of.key));
    expect(stored?.record).toMatchObject({
      lease: undefined,
      order: undefined,
      challenges: [],
      failure: undefined,
      issued: { version: 1 },
      delivered: { version: 1, failed: [] },
    });
    expect(await one.versions(idOf(of.key))).toMatchObject([{ number: 1, state: 'enabled' }]);
    expect(await one.secret('one', 'web', of.key)).toMatchObject({
      metadata: { annotations: { 'certherd/serial': stored?.record.issued?.serial } },
    });
    expect(await txtSets(one, `${of.key}.test`)).toEqual([]);
    expect(await readableVersions(one, `certherd-pending-${idOf(of.key)}`)).toEqual([]);
    expect(orders(one, of.key, lives)).toBe(isOrderLost(of) ? 2 : 1);
  });

  test('the CA has seen no order besides', () => {
    expect(one.system.ca?.counts().orders).toBe(CASES.length + CASES.filter(isOrderLost).length);
  });
});

const identityOf = (key: string) =>
  ({ names: [`*.${key}.test`, `${key}.test`], issuer: key, keyType: 'ec-p256' }) as const;

const idOf = (key: string) => certificateId(identityOf(key));

async function killAll(one: Running, way: Way, lives: ReadonlyMap<string, Life>): Promise<void> {
  const worker = await mortalWorker(one, way);
  const { records } = await reconcileDependencies(one.system.configOf('reconcile')).ports();
  const limit = pLimit(8);
  await limit.map([...lives], async ([key, of]) => {
    const asked = { askers: [{ cluster: 'one', namespace: 'web' }], manual: undefined };
    const { record } = await records.create(idOf(key), newRecord(identityOf(key), asked));
    const task = issueTask(idOf(key), identityOf(key), 'missing', record);
    await Promise.race([
      of.dead,
      issue(task, `doomed ${key}`, worker.portsOf(of), worker.settings),
    ]);
  });
}

/** Orders placed by the one that was killed, and by those that came after it. */
function orders(one: Running, key: string, lives: ReadonlyMap<string, Life>): number {
  const later = one.log.filter(
    ({ message, certificate }) => message === 'order placed' && certificate === idOf(key),
  );
  return later.length + (lives.get(key)?.done.filter((call) => call === 'CA newOrder').length ?? 0);
}
