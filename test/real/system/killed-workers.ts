import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconcileDependencies } from '../../../functions/dependencies.ts';
import { certificateId } from '../../../shared/domain/certificate.ts';
import { newRecord } from '../../../shared/domain/record.ts';
import { issueTask } from '../../../shared/domain/task.ts';
import { issue } from '../../../shared/jobs/issue.ts';
import {
  type Death,
  type Life,
  life,
  mortalWorker,
  openWay,
  type Way,
} from '../../integration/system/mortal.ts';
import { ingress, type Running, started } from '../../integration/system/running.ts';
import { readableVersions, txtSets } from '../../integration/system/traces.ts';

const CALLS = {
  unordered: ['GET cert', 'PATCH cert', 'GET cert/versions', 'GET cert (2)'],
  account: [
    ...['GET account/versions', 'POST account:addVersion', 'POST secrets'],
    ...['POST account:addVersion (2)', 'GET account/versions (2)', 'GET account/versions/1:access'],
    ...['GET account/versions (3)', 'GET account/versions/1:access (2)'],
    'POST account:addVersion (3)',
  ],
  ordering: ['CA newOrder', 'GET cert (3)', 'PATCH cert (2)'],
  ordered: [
    ...['CA authorization', 'CA authorization (2)', 'POST pending:addVersion', 'POST secrets (2)'],
    ...['POST pending:addVersion (2)', 'GET cert (4)', 'PATCH cert (3)', 'GET rrsets'],
    ...['POST changes', 'CA respond', 'CA respond (2)', 'CA order', 'GET cert (5)', 'CA finalize'],
    ...['CA order (2)', 'CA certificate', 'GET cert (6)', 'POST cert:addVersion', 'GET cert (7)'],
    ...['PATCH cert (4)', 'GET pending/versions', 'GET rrsets (2)', 'POST changes (2)'],
    ...['GET cert (8)', 'POST pending/versions/1:destroy', 'GET cert (9)', 'PATCH cert (5)'],
  ],
};

/** Every call of a worker that issues its issuer's first certificate, for apex and wildcard. */
export const ISSUE_CALLS: readonly string[] = Object.values(CALLS).flat();

const isPoll = (call: string) => /^CA order \(/.test(call);

type Case = Readonly<{ key: string; death: Death | undefined }>;
type Struck = Readonly<{ one: Running; way: Way; lives: ReadonlyMap<string, Life> }>;

/** One worker dies each of the deaths, each with a certificate of its own; then the leases end, and one tick comes. */
export function killedWorkers(deaths: readonly Death[]): void {
  const cases: readonly Case[] = [undefined, ...deaths].map((death, index) => ({
    key: `k${String(index).padStart(3, '0')}`,
    death,
  }));
  describe('a worker that is killed is followed by one that ends its work', () => {
    let struck: Struck;
    beforeAll(async () => {
      struck = await strike(cases);
      struck.one.clock.advance(121_000);
      await struck.one.tick();
    });
    afterAll(async () => {
      await struck.way.close();
      await struck.one.stop();
    });

    test('these are its calls', () => {
      const { calls: made = [] } = struck.lives.get('k000') ?? {};
      // How often it polls is the CA's affair; and sync records the delivery meanwhile: who comes second reads and writes once more.
      const mayRepeat = (call: string) => /^(CA order|(GET|PATCH) cert) \(/.test(call);
      const named = ISSUE_CALLS.filter((call) => !mayRepeat(call));
      expect(made.filter((call) => !mayRepeat(call)).toSorted()).toEqual(named.toSorted());
      expect(made).toEqual(expect.arrayContaining(ISSUE_CALLS.filter((call) => !isPoll(call))));
    });

    test.each(cases)('killed $death.side $death.call', (of) => expectDone(of, struck));

    // As Boulder does, the CA gives a pending order for the same names out again.
    test('the CA has made one order for each', () => {
      expect(struck.one.system.ca?.counts().orders).toBe(cases.length);
    });
  });
}

// Only where the account is part of the case there is one of its own to be made.
const issuerOf = ({ key, death }: Case) =>
  !death || CALLS.account.includes(death.call) ? key : 'shared';

const identityOf = (of: Case) =>
  ({
    names: [`*.${of.key}.a.test`, `${of.key}.a.test`],
    issuer: issuerOf(of),
    keyType: 'ec-p256',
  }) as const;

const idOf = (of: Case) => certificateId(identityOf(of));

async function strike(cases: readonly Case[]): Promise<Struck> {
  const issuers = new Set(['shared', ...cases.map(issuerOf)]);
  const one = await started({
    haste: 10,
    document: {
      issuers: Object.fromEntries(
        [...issuers].map((name) => [name, { directory: 'https://ca.test/' }]),
      ),
      defaultIssuer: 'shared',
      clusters: [{ name: 'one', allow: [{ namespaces: ['*'], names: ['*'], wildcards: true }] }],
    },
    manifests: { one: cases.map(asking) },
  });
  const lives = new Map(cases.map(({ key, death }) => [key, life(death)]));
  const way = await openWay(one.system, (text) => lives.get(/k\d{3}/.exec(text)?.[0] ?? ''));
  const struck = { one, way, lives };
  await killAll(cases, struck);
  return struck;
}

const asking = (of: Case) =>
  ingress(of.key, identityOf(of).names, of.key, {
    annotations: { 'certherd/issuer': issuerOf(of) },
  });

async function killAll(cases: readonly Case[], { one, way, lives }: Struck): Promise<void> {
  const { settings, portsOf } = await mortalWorker(one, way);
  const { records } = await reconcileDependencies(one.system.configOf('reconcile')).ports();
  const asked = { askers: [{ cluster: 'one', namespace: 'web' }], manual: undefined };
  await pLimit(8).map(cases, async (of) => {
    const { record } = await records.create(idOf(of), newRecord(identityOf(of), asked));
    const task = issueTask(idOf(of), identityOf(of), 'missing', record);
    const its = lives.get(of.key) ?? life();
    await Promise.race([its.dead, issue(task, `doomed ${of.key}`, portsOf(its), settings)]);
  });
}

async function expectDone(of: Case, struck: Struck): Promise<void> {
  const { one } = struck;
  const stored = (await one.records()).find(({ id }) => id === idOf(of));
  expect(stored?.record).toMatchObject({
    ...{ lease: undefined, order: undefined, challenges: [], failure: undefined },
    ...{ issued: { version: 1 }, delivered: { version: 1, failed: [] } },
  });
  expect(await one.versions(idOf(of))).toMatchObject([{ number: 1, state: 'enabled' }]);
  expect(await one.secret('one', 'web', of.key)).toMatchObject({
    metadata: { annotations: { 'certherd/serial': stored?.record.issued?.serial } },
  });
  const left = (await txtSets(one, 'a.test')).filter(({ name }) => name.includes(of.key));
  expect(left).toEqual([]);
  expect(await readableVersions(one, `certherd-pending-${idOf(of)}`)).toEqual([]);
  expect(orders(of, struck)).toBe(isOrderLost(of) ? 2 : 1);
}

/** How often an order was asked for, by the one that was killed and by those that came after it. */
function orders(of: Case, { one, lives }: Struck): number {
  const later = one.log.filter(
    ({ message, certificate }) => message === 'order placed' && certificate === idOf(of),
  );
  const { done = [] } = lives.get(of.key) ?? {};
  return later.length + done.filter((call) => call === 'CA newOrder').length;
}

// Only after newOrder has reached the CA and before its URL is recorded a kill costs another.
const isOrderLost = ({ death }: Case) =>
  death !== undefined &&
  CALLS.ordering.includes(death.call) &&
  `${death.side} ${death.call}` !== 'before CA newOrder' &&
  `${death.side} ${death.call}` !== 'after PATCH cert (2)';
