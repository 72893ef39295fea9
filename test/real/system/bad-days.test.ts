import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AcmeProblem } from '../../../local/acme-ca/problem.ts';
import { GoogleFault, LegacyGoogleFault } from '../../../local/google-api.ts';
import {
  answering,
  type Fault,
  hangUp,
  on,
  once,
  type Place,
  refusing,
  weather,
} from '../../integration/system/faults.ts';
import { certificateFor, planned, removeSecret, served } from '../../integration/system/hands.ts';
import { ingress, type Running, started } from '../../integration/system/running.ts';
import { changeTxt, forget, keysOf, leaks, txtSets } from '../../integration/system/traces.ts';

const MINUTE_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'certherd-bad-days-'));
const record = join(folder, 'calls');
const sky = weather();
const keys: string[] = [];
let one: Running;

beforeAll(async () => {
  one = await started({
    trouble: sky.trouble,
    haste: 10,
    record,
    zones: ['a.test', 'b.test'],
    manifests: { one: [ingress('calm', ['calm.a.test'], 'calm')] },
  });
  await one.tick();
});
// Every tick looks at every certificate: what a test leaves would slow down all that follow.
afterEach(async () => {
  sky.clear();
  keys.push(...(await keysOf(one)));
  for (const { id, record } of await one.records()) {
    const [name = ''] = record.identity.names?.[0]?.split('.') ?? [];
    if (name !== 'calm') await forget(one, id, name);
  }
});
afterAll(async () => {
  await one.stop();
  rmSync(folder, { recursive: true });
});

const orders = () => one.system.ca?.counts().orders ?? 0;

/** An Ingress asks, and a tick comes. */
async function ask(name: string, host = `${name}.a.test`): Promise<void> {
  await one.apply('one', ingress(name, [host], name));
  await one.tick();
}

/** The time of the next attempt comes; no tick does. */
async function wait(ms: number): Promise<void> {
  one.clock.advance(ms);
  await one.settle();
}

const recordOf = async (name: string) => (await certificateFor(one, name)).record;

async function expectDelivered(name: string, secret: string, version = 1): Promise<void> {
  const { issued, failure, order, challenges } = await recordOf(name);
  expect({ version: issued?.version, failure, order, challenges }).toEqual({
    ...{ version, failure: undefined, order: undefined, challenges: [] },
  });
  expect(await served(one, 'one', secret)).toMatchObject({ serial: issued?.serial });
}

type BadDay = Readonly<{
  what: string;
  place: Place;
  fault: Fault;
  code: string;
  says: RegExp;
  /** WARNING unless waiting does not help. */
  severity?: 'ERROR';
  /** What it costs, once it is over. */
  orders?: number;
}>;

const problem = (...[type, detail, extras]: ConstructorParameters<typeof AcmeProblem>) =>
  refusing(() => new AcmeProblem(type, detail, extras));

const BAD_DAYS: readonly BadDay[] = [
  {
    what: 'the CA hangs up',
    place: 'ca',
    fault: hangUp,
    code: 'ca-unavailable',
    says: /no answer from the CA at https:.*directory.* check that the address is right and reachable/,
  },
  {
    what: 'the CA answers 500',
    place: 'ca',
    fault: on(/POST/, problem('serverInternal', 'The sky is falling')),
    code: 'ca-unavailable',
    says: /the order for .* at the CA test \(https:.*\) failed: .*The sky is falling/,
  },
  {
    what: 'a proxy before the CA answers 503 in HTML',
    place: 'ca',
    fault: answering(503, 'text/html', '<html>Down for maintenance</html>'),
    code: 'ca-unavailable',
    says: /the CA test .* failed: HTTP 503/,
  },
  {
    what: 'the CA does not like the name',
    place: 'ca',
    fault: on(/new-order/, problem('rejectedIdentifier', 'It is on our list')),
    code: 'ca-rejected',
    // Waiting does not help: a person is called.
    severity: 'ERROR',
    says: /the order for .* at the CA test .* was refused: rejectedIdentifier: It is on our list/,
  },
  {
    what: 'the CA fails when it is to finalize',
    place: 'ca',
    fault: on(/finalize/, problem('serverInternal', 'No pen')),
    code: 'ca-unavailable',
    says: /finalizing order https:.* at the CA test .* failed: .*No pen/,
  },
  {
    what: 'Cloud DNS takes no change',
    place: 'cloud-dns',
    fault: on(
      /POST .*changes/,
      refusing(() => new LegacyGoogleFault(403, 'forbidden', 'Forbidden')),
    ),
    code: 'not-permitted',
    severity: 'ERROR',
    says: /zone a-test of project p in Cloud DNS: permission denied.*grant dns\.changes\.create/,
  },
  {
    what: 'the key vault is closed',
    place: 'secret-manager',
    fault: on(
      /pending/,
      refusing(() => new GoogleFault('PERMISSION_DENIED', 'No')),
    ),
    code: 'not-permitted',
    severity: 'ERROR',
    says: /certherd-pending-.*: permission denied; grant secretmanager.versions.add on project p/,
  },
  {
    what: 'the certificate cannot be stored',
    place: 'secret-manager',
    fault: on(
      /cert-.*:addVersion/,
      refusing(() => new GoogleFault('PERMISSION_DENIED', 'No')),
    ),
    code: 'not-permitted',
    severity: 'ERROR',
    says: /cannot add a version to .*certherd-cert-.*: permission denied; grant secretmanager.versions.add/,
  },
];

describe('a bad day is recorded in one sentence, touches no other certificate, and ends well at the stated time', () => {
  test.each(BAD_DAYS.map((day, index) => ({ ...day, name: `day${index}` })))(
    '$what',
    async ({ name, place, fault, code, says, severity = 'WARNING' }) => {
      const host = `${name}.a.test`;
      const before = orders();
      await removeSecret(one, 'one', 'calm');
      sky.set(place, fault);
      const start = one.clock.now();
      await ask(name);

      const { failure, issued } = await recordOf(host);
      expect({ issued, ...failure }).toMatchObject({ issued: undefined, code, count: 1 });
      expect(failure?.message).toMatch(says);
      const delay = (failure?.retryAt.getTime() ?? 0) - start.getTime();
      expect(delay).toBeGreaterThan(MINUTE_MS);
      expect(delay).toBeLessThan(MINUTE_MS + 5_000);
      expect(await planned(one)).toContainEqual(`${host} wait backing-off`);
      expect(one.log).toContainEqual(
        expect.objectContaining({
          ...{ message: 'certificate failed', severity, code },
          explanation: failure?.message,
        }),
      );
      await expectDelivered('calm.a.test', 'calm');

      sky.clear();
      await wait(MINUTE_MS + 1000);
      await expectDelivered(host, name);
      expect(orders() - before).toBe(1);
      expect(await txtSets(one, 'a.test')).toEqual([]);
    },
  );

  test('the CA asks for an hour (429 with Retry-After)', async () => {
    sky.set('ca', problem('rateLimited', 'Slow down', { headers: { 'retry-after': '3600' } }));
    const start = one.clock.now().getTime();
    await ask('hour');
    const { failure } = await recordOf('hour.a.test');
    expect(failure).toMatchObject({ code: 'ca-rate-limited', count: 1 });
    expect(Math.round(((failure?.retryAt.getTime() ?? 0) - start) / MINUTE_MS)).toBe(60);
    sky.clear();
    await wait(59 * MINUTE_MS);
    expect((await recordOf('hour.a.test')).issued).toBeUndefined();
    await wait(2 * MINUTE_MS);
    await expectDelivered('hour.a.test', 'hour');
  });

  test('a CA that stays away is asked after 1, 10 and 100 minutes, then once a day', async () => {
    const before = orders();
    sky.set('ca', hangUp);
    await ask('ladder');
    const minutes: number[] = [];
    for (let count = 1; count <= 4; count += 1) {
      const { failure } = await recordOf('ladder.a.test');
      expect(failure?.count).toBe(count);
      const ms = (failure?.retryAt.getTime() ?? 0) - one.clock.now().getTime();
      minutes.push(Math.round(ms / MINUTE_MS));
      if (count < 4) await wait(ms + 10);
    }
    expect(minutes).toEqual([1, 10, 100, 1440]);
    sky.clear();
    await wait(1441 * MINUTE_MS);
    await expectDelivered('ladder.a.test', 'ladder');
    expect(orders() - before).toBe(1);
  });
});

test('an order that expires while nobody can end it is replaced, and its proof is gone', async () => {
  const before = orders();
  sky.set('ca', on(/challenge/, hangUp));
  await ask('expired');
  expect(await txtSets(one, 'a.test')).toHaveLength(1);
  sky.set('ca', hangUp);
  for (let day = 0; day < 8; day += 1) await wait(1440 * MINUTE_MS);
  sky.clear();
  await wait(1441 * MINUTE_MS);
  await wait(1441 * MINUTE_MS);
  await expectDelivered('expired.a.test', 'expired');
  expect(orders() - before).toBe(2);
  expect(await txtSets(one, 'a.test')).toEqual([]);
});

describe('DNS', () => {
  test('a proof that somebody removes fails the order; the next attempt orders again', async () => {
    const before = orders();
    sky.set(
      'ca',
      on(
        /POST \/challenge/,
        once(async () => {
          const [set] = await txtSets(one, 'a.test');
          if (set) await changeTxt(one, 'a.test', { name: set.name, from: set.rrdatas });
        }),
      ),
    );
    await ask('robbed');
    expect((await recordOf('robbed.a.test')).failure).toMatchObject({
      code: 'challenge-failed',
      message: expect.stringMatching(/the CA could not validate robbed.a.test: /),
    });
    await wait(MINUTE_MS + 1000);
    await expectDelivered('robbed.a.test', 'robbed');
    expect(orders() - before).toBe(2);
    expect(await txtSets(one, 'a.test')).toEqual([]);
  });

  test('values of others stay, those that were there and those that come in between', async () => {
    const name = '_acme-challenge.shared.a.test.';
    await changeTxt(one, 'a.test', { name, to: ['"theirs"'] });
    sky.set(
      'cloud-dns',
      on(
        /POST .*changes/,
        once(() =>
          changeTxt(one, 'a.test', { name, from: ['"theirs"'], to: ['"theirs"', '"new"'] }),
        ),
      ),
    );
    await ask('shared');
    await expectDelivered('shared.a.test', 'shared');
    expect(await txtSets(one, 'a.test')).toMatchObject([{ name, rrdatas: ['"theirs"', '"new"'] }]);
    await changeTxt(one, 'a.test', { name, from: ['"theirs"', '"new"'] });
  });

  test('a CNAME into another zone is followed', async () => {
    one.system.services.dns.addRecords([
      {
        name: '_acme-challenge.alias.a.test.',
        type: 'CNAME',
        rrdatas: ['_acme-challenge.alias.b.test.'],
      },
    ]);
    await ask('alias');
    await expectDelivered('alias.a.test', 'alias');
    expect(await txtSets(one, 'b.test')).toEqual([]);
  });

  test.each([
    {
      what: 'a CNAME that leads to a stranger',
      name: 'astray',
      prepare: () =>
        one.system.services.dns.addRecords([
          { name: '_acme-challenge.astray.a.test.', type: 'CNAME', rrdatas: ['x.example.'] },
        ]),
      code: 'dns-not-delegated',
      says: /x\.example, where the CNAME of _acme-challenge\.astray\.a\.test leads, lies in no public zone .*create the zone, or point/,
    },
    {
      what: 'a zone that nobody delegates to',
      name: 'orphan',
      prepare: () =>
        one.system.services.dns.addZone({
          ...{ project: 'p', dnsName: 'orphan.a.test', delegated: false },
        }),
      code: 'dns-not-delegated',
      says: /zone orphan\.a\.test is delegated to .*, not to .*set its NS records at the parent zone/,
    },
    {
      what: 'a CNAME that leads to a name that is no challenge',
      name: 'spf',
      prepare: () =>
        one.system.services.dns.addRecords([
          { name: '_acme-challenge.spf.a.test.', type: 'CNAME', rrdatas: ['mail.b.test.'] },
        ]),
      code: 'dns-name-blocked',
      says: /CNAME of _acme-challenge\.spf\.a\.test leads to mail\.b\.test, .* point it to one, such as _acme-challenge\.mail\.b\.test/,
    },
  ])('$what costs no order', async ({ name, prepare, code, says }) => {
    const before = orders();
    prepare();
    await ask(name);
    const { failure } = await recordOf(`${name}.a.test`);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(says) });
    expect(orders()).toBe(before);
    expect(await txtSets(one, 'b.test')).toEqual([]);
  });
});

describe('engines', () => {
  test('Secret Manager stumbles once at every kind of call', async () => {
    const stumbles = [
      /GET .*secrets\?/,
      /GET .*cert-/,
      /PATCH/,
      /POST .*secrets\?/,
      /:addVersion/,
      /:access/,
    ];
    const faults = stumbles.map((call) =>
      on(call, once(refusing(() => new GoogleFault('UNAVAILABLE', 'Try again')))),
    );
    sky.set('secret-manager', async (request) => {
      for (const fault of faults) await fault(request);
    });
    const before = orders();
    await ask('stumble');
    await expectDelivered('stumble.a.test', 'stumble');
    expect(orders() - before).toBe(1);
    const { id } = await certificateFor(one, 'stumble.a.test');
    expect(await one.versions(id)).toHaveLength(1);
  });

  test('an inventory that cannot be read stops the tick, and nothing is ordered anew', async () => {
    const before = orders();
    sky.set(
      'secret-manager',
      on(
        /GET .*secrets\?/,
        refusing(() => new GoogleFault('PERMISSION_DENIED', 'No')),
      ),
    );
    await ask('blind');
    expect(orders()).toBe(before);
    expect(one.log).toContainEqual(
      expect.objectContaining({
        severity: 'ERROR',
        reason: expect.stringMatching(
          /cannot list the secrets of project p: permission denied; grant secretmanager.secrets.list/,
        ),
      }),
    );
    sky.clear();
    await one.tick();
    await expectDelivered('blind.a.test', 'blind');
    expect(orders() - before).toBe(1);
  });

  test('a queue that takes no task is named, and the next tick hands it on', async () => {
    sky.set(
      'cloud-tasks',
      refusing(() => new GoogleFault('PERMISSION_DENIED', 'No')),
    );
    await ask('queue');
    expect(one.log).toContainEqual(
      expect.objectContaining({
        message: 'certificate not handed on',
        reason: expect.stringMatching(
          /cannot add a task to projects\/p\/.*permission denied; grant cloudtasks.tasks.create/,
        ),
      }),
    );
    sky.clear();
    await one.tick();
    await expectDelivered('queue.a.test', 'queue');
  });
});

test('no private key stands in the log, in a record, in a task, in a message or in any call', async () => {
  expect(await leaks(one, { calls: readFileSync(record, 'utf8') }, keys)).toEqual([]);
  const data = (await one.secret('one', 'web', 'calm'))?.data;
  const secret = Buffer.from(String(Object(data)['tls.key']), 'base64').toString();
  expect(await leaks(one, { secret })).toEqual(['secret: PRIVATE KEY']);
});
