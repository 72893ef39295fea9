import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { issueDependencies } from '../../../functions/dependencies.ts';
import { AcmeProblem } from '../../../local/acme-ca/problem.ts';
import { GoogleFault } from '../../../local/google-api.ts';
import { certificateId } from '../../../shared/domain/certificate.ts';
import { type CertificateRecord, newRecord } from '../../../shared/domain/record.ts';
import { type IssueReason, type IssueTask, issueTask } from '../../../shared/domain/task.ts';
import { CertificateError } from '../../../shared/errors.ts';
import { type IssueOutcome, issue } from '../../../shared/jobs/issue.ts';
import { reconcile } from '../../../shared/jobs/reconcile.ts';
import type { CertificateAuthority, Order } from '../../../shared/ports.ts';
import { answering, on, once, refusing, weather } from './faults.ts';
import { certificateFor, planned, removeIngress, served } from './hands.ts';
import { SILENT } from './mortal.ts';
import { ingress, type Running, started } from './running.ts';
import { changeTxt, txtSets } from './traces.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;
const ASKERS = [{ cluster: 'one', namespace: 'web' }];
const sky = weather();
let one: Running;

beforeAll(async () => {
  one = await started({ trouble: sky.trouble, haste: 10, zones: ['a.test', 'b.test'] });
});
afterEach(() => sky.clear());
afterAll(() => one.stop());

const orders = () => one.system.ca?.counts().orders ?? 0;
const recordOf = async (host: string) => (await certificateFor(one, host)).record;

async function ask(name: string, host = `${name}.a.test`): Promise<void> {
  await one.apply('one', ingress(name, [host], name));
  await one.tick();
}

describe('what nothing asks for any more', () => {
  test('is not tried again after a failure, however long the CA refused it', async () => {
    const before = orders();
    const rejected = () => new AcmeProblem('rejectedIdentifier', 'No');
    sky.set('ca', on(/new-order/, refusing(rejected)));
    await ask('deleted');
    await removeIngress(one, 'one', 'deleted');
    await one.tick();
    sky.clear();
    one.clock.advance(DAY_MS);
    await one.settle();
    const { askers, issued, failure } = await recordOf('deleted.a.test');
    expect({ askers, issued, count: failure?.count }).toEqual({ askers: [], count: 1 });
    expect(orders()).toBe(before);
  });
});

test('two ticks make one task, and another when it was taken back meanwhile and is asked for again', async () => {
  const { ports, settings } = one.system.functions.reconcile;
  const shared = await ports();
  const names: string[] = [];
  const enqueue = async (name: string, task: IssueTask) => {
    if (task.identity.names.includes('again.a.test')) names.push(name);
    return 'enqueued' as const;
  };
  const tick = () => reconcile({ ...shared, queue: { enqueue } }, settings);
  const again = ingress('again', ['again.a.test'], 'again');
  await one.apply('one', again);
  await tick();
  await tick();
  await removeIngress(one, 'one', 'again');
  await tick();
  await one.apply('one', again);
  await tick();
  await tick();
  expect(names).toEqual([names[0], names[0], names[2], names[2]]);
  expect(names[2]).not.toBe(names[0]);
  await removeIngress(one, 'one', 'again');
});

test.for<[string, string, string]>([
  ['with another provider', 'away', 'ns.provider.example'],
  ['on the very same servers', 'beside', 'ns-cloud-a1.googledomains.com'],
])('a name below a zone that is delegated away, %s, costs no order', async ([, name, server]) => {
  const { dns } = one.system.services;
  const before = orders();
  dns.addRecords([{ name: `${name}.a.test`, type: 'NS', rrdatas: [`${server}.`] }]);
  dns.addZone({
    ...{ project: 'stranger', dnsName: `${name}.a.test` },
    ...{ delegated: false, nameServers: [server] },
  });
  await ask(name, `app.${name}.a.test`);
  expect((await recordOf(`app.${name}.a.test`)).failure).toMatchObject({
    code: 'dns-not-delegated',
    message: `_acme-challenge.app.${name}.a.test is delegated away below a.test: nobody asks managed zone a-test in project p for it, for ${name}.a.test is a zone of its own; point _acme-challenge.app.${name}.a.test into a zone of ours by a CNAME, or make ${name}.a.test one of them`,
  });
  expect(orders()).toBe(before);
  const alias = `_acme-challenge.app.${name}.a.test`;
  dns.addRecords([{ name: alias, type: 'CNAME', rrdatas: [`_acme-challenge.${name}.b.test.`] }]);
  one.clock.advance(10 * MINUTE_MS);
  await one.settle();
  expect((await recordOf(`app.${name}.a.test`)).issued).toMatchObject({ version: 1 });
});

test('a CA that asks for a second each time it is down is asked after a minute', async () => {
  const busy = { status: 503, headers: { 'retry-after': '1' } };
  sky.set(
    'ca',
    on(
      /new-order/,
      refusing(() => new AcmeProblem('serverInternal', 'No', busy)),
    ),
  );
  const start = one.clock.now().getTime();
  await ask('second');
  const { failure } = await recordOf('second.a.test');
  expect(failure?.code).toBe('ca-unavailable');
  expect((failure?.retryAt.getTime() ?? 0) - start).toBeGreaterThanOrEqual(MINUTE_MS);
});

describe('a wildcard CNAME', () => {
  const alias = (name: string, target: string) =>
    one.system.services.dns.addRecords([
      { name: `${name}.`, type: 'CNAME', rrdatas: [`${target}.`] },
    ]);

  test.each([
    { name: 'lb', target: 'lb.b.test', what: 'into a zone of ours' },
    { name: 'stranger', target: 'lb.example', what: 'to a stranger' },
    { name: 'loop', target: 'x.loop.a.test', what: 'to itself' },
  ])('$what does not stand in the way', async ({ name, target }) => {
    alias(`*.${name}.a.test`, target);
    await ask(name, `shop.${name}.a.test`);
    const { issued } = await recordOf(`shop.${name}.a.test`);
    expect(await served(one, 'one', name)).toMatchObject({ version: '1', serial: issued?.serial });
    expect(await txtSets(one, 'a.test')).toEqual([]);
  });

  test('is told from a CNAME of the very same target, which costs no order', async () => {
    const before = orders();
    alias('*.both.a.test', 'both.b.test');
    alias('_acme-challenge.shop.both.a.test', 'both.b.test');
    await ask('both', 'shop.both.a.test');
    expect((await recordOf('shop.both.a.test')).failure).toMatchObject({
      code: 'dns-name-blocked',
      message: expect.stringMatching(/leads to both\.b\.test/),
    });
    expect(orders()).toBe(before);
  });
});

/** How a CA differs from the embedded one; `pass` lets virtual time pass. */
type Difference = (
  ca: CertificateAuthority,
  time: Readonly<{ now: () => number; pass: (ms: number) => void }>,
) => CertificateAuthority;

/** A worker in virtual time before a CA that differs; what it enqueues is run by hand. */
async function worker(differs: Difference, names: readonly string[]) {
  let now = one.clock.now().getTime();
  const pass = (ms: number) => {
    now += ms;
  };
  // The CA and its look at DNS work in real time, and must not be outrun.
  const sleep = async (ms: number) => {
    pass(ms);
    await one.system.ca?.idle();
  };
  const time = { now: () => new Date(now), sleep };
  const surroundings = { log: SILENT, time };
  const { ports, settings } = issueDependencies(one.system.configOf('issue'), surroundings);
  const shared = await ports();
  const queued: { task: IssueTask; at: Date | undefined }[] = [];
  const all = {
    ...shared,
    queue: {
      enqueue: async (_: string, task: IssueTask, at: Date | undefined) => {
        queued.push({ task, at });
        return 'enqueued' as const;
      },
    },
    authorities: (issuer: string) => differs(shared.authorities(issuer), { now: () => now, pass }),
  };
  const identity = { names, issuer: 'test', keyType: 'ec-p256' } as const;
  const id = certificateId(identity);
  const asked = { askers: ASKERS, manual: undefined };
  const { record: first } = await shared.records.create(id, newRecord(identity, asked));
  let holders = 0;
  const run = (task: IssueTask): Promise<IssueOutcome> => {
    holders += 1;
    return issue(task, `worker-${holders}`, all, settings);
  };
  return {
    now: () => now,
    queued,
    run,
    taskOf: (reason: IssueReason, record = first) => issueTask(id, identity, reason, record),
    record: async () => {
      const stored = await shared.records.read(id);
      if (!stored) throw new Error('its record is gone');
      return stored.record;
    },
    change: (differs: Partial<CertificateRecord>) =>
      shared.records.update(id, (record) => ({ ...record, ...differs })),
    forget: () => shared.records.update(id, (record) => ({ ...record, askers: [] })),
    pass,
    key: () => shared.vault.read(`certherd-pending-${id}`),
    /** Runs what was enqueued last, at its time. */
    next: async () => {
      const last = queued.at(-1);
      if (!last) throw new Error('nothing is enqueued');
      now = Math.max(now, last.at?.getTime() ?? 0);
      return run(last.task);
    },
  };
}

/** A CA that never ends its work on an order while `isStuck` says so. */
const stuck = (isStuck: () => boolean): Difference => {
  const seen = (order: Order): Order =>
    isStuck() && order.status === 'valid' ? { ...order, status: 'processing' } : order;
  return (ca) => ({
    ...ca,
    finalize: async (order, csr) => seen(await ca.finalize(order, csr)),
    order: async (url) => {
      const order = await ca.order(url);
      return order && seen(order);
    },
  });
};

/** Every request takes that long; those that are sent at once take no longer than one. */
const slow =
  (ms: number): Difference =>
  (ca, { now, pass }) => {
    const slowly =
      <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A) => {
        const end = now() + ms;
        const reply = await call(...args);
        pass(Math.max(0, end - now()));
        return reply;
      };
    return {
      directory: ca.directory,
      newOrder: slowly(ca.newOrder),
      order: slowly(ca.order),
      authorization: slowly(ca.authorization),
      respond: slowly(ca.respond),
      finalize: slowly(ca.finalize),
      certificate: slowly(ca.certificate),
    };
  };

test('an order that the CA leaves in "processing" is a failure after a quarter of an hour, and is kept', async () => {
  let isStuck = true;
  const it = await worker(
    stuck(() => isStuck),
    ['stuck.a.test'],
  );
  const before = orders();
  let outcome = await it.run(it.taskOf('missing'));
  for (let count = 0; outcome.state === 'unfinished' && count < 20; count += 1)
    outcome = await it.next();
  expect(outcome).toMatchObject({ state: 'failed', code: 'ca-unavailable', count: 1 });
  const { order, failure } = await it.record();
  expect(failure?.message).toBe(
    `the CA has left order ${order?.url} in "processing" since ${order?.at?.toISOString()}; it is asked again, and its status page may say more`,
  );
  expect((await it.next()).state).toBe('failed');
  isStuck = false;
  expect((await it.next()).state).toBe('issued');
  expect(orders() - before).toBe(1);
});

test('a large certificate of a slow CA is issued in several attempts by one order', async () => {
  const names = Array.from({ length: 40 }, (_, n) => `large${n}.a.test`).sort();
  const it = await worker(slow(10_000), names);
  const before = orders();
  const states = [(await it.run(it.taskOf('missing'))).state];
  while (states.at(-1) === 'unfinished' && states.length < 6) states.push((await it.next()).state);
  // How many, its validations decide, which take real time.
  expect(states.slice(0, 2)).toEqual(['unfinished', 'unfinished']);
  expect(states.at(-1)).toBe('issued');
  expect(orders() - before).toBe(1);
});

describe('while the lists of Secret Manager lag behind', () => {
  const lists = (of: string) =>
    sky.set(
      'secret-manager',
      on(new RegExp(`GET .*-${of}-.*versions\\?`), answering(200, 'application/json', '{}')),
    );

  test('a renewal that takes two attempts is not taken for the certificate before it', async () => {
    let isStuck = false;
    const it = await worker(
      stuck(() => isStuck),
      ['after.a.test'],
    );
    expect(await it.run(it.taskOf('missing'))).toMatchObject({ state: 'issued', version: 1 });
    const before = await it.record();
    isStuck = true;
    lists('cert');
    expect((await it.run(it.taskOf('manual', before))).state).toBe('unfinished');
    isStuck = false;
    expect(await it.next()).toMatchObject({ state: 'issued', version: 2 });
    expect((await it.record()).issued?.serial).not.toBe(before.issued?.serial);
  });

  test('the key of an order is found, and costs no second order', async () => {
    let isStuck = true;
    const it = await worker(
      stuck(() => isStuck),
      ['lag.a.test'],
    );
    const before = orders();
    lists('pending');
    expect((await it.run(it.taskOf('missing'))).state).toBe('unfinished');
    expect(await it.record()).toMatchObject({ order: { key: 1 } });
    isStuck = false;
    expect((await it.next()).state).toBe('issued');
    sky.clear();
    expect(await it.key()).toBeUndefined();
    expect(orders() - before).toBe(1);
  });

  test.for<[string, number, string, number]>([
    ['is waited for', 30, 'store-unavailable', 1],
    ['is lost after an hour', 60, 'certificate-invalid', 2],
  ])('the key of an order of an earlier program %s', async ([title, minutes, code, ordered]) => {
    let isStuck = true;
    const it = await worker(
      stuck(() => isStuck),
      [`${title.replaceAll(' ', '-')}.a.test`],
    );
    const before = orders();
    await it.run(it.taskOf('missing'));
    const { order } = await it.record();
    await it.change({ order: order && { ...order, key: undefined } });
    isStuck = false;
    lists('pending');
    it.pass(minutes * MINUTE_MS);
    expect(await it.next()).toMatchObject({ state: 'failed', code });
    sky.clear();
    expect((await it.next()).state).toBe('issued');
    expect(orders() - before).toBe(ordered);
  });
});

test('Secret Manager is written to seven times, once in vain, until a first certificate is there', async () => {
  const writes: string[] = [];
  const it = await worker((ca) => ca, ['writes.a.test']);
  sky.set(
    'secret-manager',
    on(/^(POST|PATCH) .*certherd-(cert|pending)-writes-/, ({ method, url = '' }) => {
      const of = url.includes('-cert-') ? 'certificate' : 'key';
      writes.push(`${url.includes('secretId=') ? 'CREATE' : method} ${of}`);
    }),
  );
  expect((await it.run(it.taskOf('missing'))).state).toBe('issued');
  expect(writes.slice(0, writes.indexOf('POST certificate') + 1)).toEqual([
    ...['PATCH certificate', 'PATCH certificate'],
    ...['POST key', 'CREATE key', 'POST key'],
    ...['PATCH certificate', 'POST certificate'],
  ]);
});

test('an order with nothing left to prove has its key in the record before the CA sees it', async () => {
  const seen: (number | undefined)[] = [];
  let isDown = true;
  const it = await worker(
    (ca) => ({
      ...ca,
      respond: async (url) => {
        await ca.respond(url);
        if (isDown) throw new CertificateError('ca-unavailable', 'it is down');
      },
      order: async (url) => {
        await expect.poll(async () => (await ca.order(url))?.status).not.toBe('pending');
        return ca.order(url);
      },
      finalize: async (order, csr) => {
        seen.push((await it.record()).order?.key);
        return ca.finalize(order, csr);
      },
    }),
    ['proven.a.test'],
  );
  await it.run(it.taskOf('missing'));
  const { order } = await it.record();
  await it.change({ order: order && { ...order, key: undefined } });
  isDown = false;
  expect((await it.next()).state).toBe('issued');
  expect(seen).toEqual([2]);
});

test('a moment that is further ahead than a day has a task once it is not', async () => {
  const HOUR_MS = 60 * MINUTE_MS;
  let retryAt: Date | undefined;
  const it = await worker(
    (ca, { now }) => ({
      ...ca,
      newOrder: async () => {
        retryAt = new Date(now() + 34 * HOUR_MS);
        throw new CertificateError('ca-rate-limited', 'slow down', { retryAt });
      },
    }),
    ['limited.a.test'],
  );
  await one.apply('one', ingress('limited', ['limited.a.test'], 'limited'));
  expect(await it.run(it.taskOf('missing'))).toMatchObject({ state: 'failed', retryAt });
  expect(it.queued).toEqual([]);
  const { ports, settings } = one.system.functions.reconcile;
  const shared = await ports();
  const made = new Map<string, Date | undefined>();
  const enqueue = async (name: string, task: IssueTask, at: Date | undefined) => {
    if (task.identity.names.includes('limited.a.test')) made.set(name, at);
    return 'enqueued' as const;
  };
  const start = it.now();
  const tickAt = async (hours: number) => {
    const time = { ...shared.time, now: () => new Date(start + hours * HOUR_MS) };
    await reconcile({ ...shared, queue: { enqueue }, time }, settings);
    return [...made.values()];
  };
  expect(await tickAt(0)).toEqual([]);
  expect(await tickAt(9)).toEqual([]);
  expect(await tickAt(10)).toEqual([retryAt]);
  expect(await tickAt(11)).toEqual([retryAt]);
  await removeIngress(one, 'one', 'limited');
});

test('a wish that the CA puts off for more than a day is not forgotten', async () => {
  const slow = (ca: CertificateAuthority, { now }: Readonly<{ now: () => number }>) => ({
    ...ca,
    newOrder: async () => {
      const retryAt = new Date(now() + 2 * DAY_MS);
      throw new CertificateError('ca-rate-limited', 'slow down', { retryAt });
    },
  });
  const { run, record, taskOf, queued } = await worker(slow, ['wished.a.test']);
  expect(await run(taskOf('manual'))).toMatchObject({ state: 'failed', count: 1 });
  expect(await record()).toMatchObject({ failure: { code: 'ca-rate-limited', isWish: true } });
  expect(queued).toEqual([]);
});

test('what made a large order invalid is not looked for beyond the end of the attempt', async () => {
  const names = Array.from({ length: 20 }, (_, n) => `invalid${n}.a.test`).sort();
  const start = one.clock.now().getTime();
  let end = 0;
  const it = await worker((ca, time) => {
    const invalid = async (url: string) => {
      end = time.now();
      const order = await ca.order(url);
      return order && { ...order, status: 'invalid' as const };
    };
    return slow(10_000)({ ...ca, order: invalid }, time);
  }, names);
  expect(await it.run(it.taskOf('missing'))).toMatchObject({
    state: 'failed',
    code: 'ca-rejected',
  });
  expect(end - start).toBeLessThan(90_000);
  expect(it.now() - start).toBeLessThan(110_000);
});

test('a renewal by hand of what nothing asks for is tried once, and stays a wish while it is unfinished', async () => {
  let isDown = false;
  const difference: Difference = (ca, time) => ({
    ...stuck(() => true)(ca, time),
    newOrder: (names) => {
      if (isDown) throw new CertificateError('ca-unavailable', 'it is down');
      return ca.newOrder(names);
    },
  });
  const it = await worker(difference, ['wish.a.test']);
  await it.forget();
  expect((await it.run(it.taskOf('manual'))).state).toBe('unfinished');
  expect(it.queued.at(-1)?.task.reason).toBe('manual');
  await it.run(it.taskOf('clean-up', await it.record()));
  isDown = true;
  expect((await it.next()).state).toBe('failed');
  expect(await it.next()).toMatchObject({ reason: 'nothing asks for it any more' });
});

test('a lease that is over ends an attempt, and the next one goes on', async () => {
  let isSlow = true;
  const it = await worker(
    (ca, { pass }) => ({
      ...ca,
      newOrder: async (names) => {
        const order = await ca.newOrder(names);
        if (isSlow) pass(130_000);
        return order;
      },
    }),
    ['lease.a.test'],
  );
  expect((await it.run(it.taskOf('missing'))).state).toBe('unfinished');
  isSlow = false;
  expect((await it.next()).state).toBe('issued');
});

describe('a clean-up', () => {
  test('that comes late leaves a live order and its key alone', async () => {
    let isStuck = true;
    const it = await worker(
      stuck(() => isStuck),
      ['late.a.test'],
    );
    const before = orders();
    const late = it.taskOf('clean-up');
    expect((await it.run(it.taskOf('missing'))).state).toBe('unfinished');
    const record = await it.record();
    const ofAnother = { ...late, order: 'https://ca.test/order/other' };
    for (const task of [late, ofAnother, it.taskOf('clean-up', record)])
      expect(await it.run(task)).toMatchObject({ state: 'kept', reason: 'an order is under way' });
    expect((await it.record()).order).toEqual(record.order);
    expect(await it.key()).toBeDefined();
    isStuck = false;
    expect((await it.next()).state).toBe('issued');
    expect(orders() - before).toBe(1);
  });

  test('gives up the order that nothing wants, and no other', async () => {
    const it = await worker(
      stuck(() => true),
      ['unwanted.a.test'],
    );
    await it.run(it.taskOf('missing'));
    const { record } = await it.forget();
    expect(await it.run({ ...it.taskOf('clean-up', record), order: 'other' })).toMatchObject({
      reason: 'an order is under way',
    });
    expect(await it.run(it.taskOf('clean-up', record))).toMatchObject({ state: 'kept' });
    expect(await it.record()).toMatchObject({ order: undefined, challenges: [] });
    expect(await it.key()).toBeUndefined();
    expect(await planned(one)).toContain('unwanted.a.test keep not-wanted');
  });
});

describe('an open order', () => {
  test.for<[string, string, string | undefined, number]>([
    ['is given up at once', 'when another directory is configured', 'https://new.test/', 0],
    ['is given up after a week', 'when its CA does not answer', undefined, 7],
  ])('%s %s', async ([title, , directory, days]) => {
    let gone: string | undefined;
    const difference: Difference = (ca, time) => {
      const own = stuck(() => gone === undefined)(ca, time);
      return {
        ...own,
        directory: (gone && directory) ?? ca.directory,
        order: (url) => {
          if (url === gone) throw new CertificateError('ca-unavailable', 'it is gone');
          return own.order(url);
        },
      };
    };
    const it = await worker(difference, [`${title.replaceAll(' ', '-')}.a.test`]);
    const before = orders();
    expect((await it.run(it.taskOf('missing'))).state).toBe('unfinished');
    gone = (await it.record()).order?.url;
    const start = it.now();
    for (let count = 0; count < 12; count += 1) if ((await it.next()).state === 'issued') break;
    expect((await it.record()).issued).toMatchObject({ version: 1 });
    expect(Math.floor((it.now() - start) / DAY_MS)).toBe(days);
    expect(orders() - before).toBe(2);
  });
});

const forbidden = refusing(() => new GoogleFault('PERMISSION_DENIED', 'not yours'));

test('a TXT value that cannot be removed holds up no order, and is removed as soon as it can be', async () => {
  const it = await worker((ca) => ca, ['left.a.test']);
  const name = '_acme-challenge.left.b.test';
  const left = { project: 'p', zone: 'b-test', owner: name, value: 'v' };
  await changeTxt(one, 'b.test', { name: `${name}.`, to: ['"v"'] });
  await it.change({ challenges: [left, { ...left, zone: 'a-test' }] });
  sky.set('cloud-dns', on(/b-test/, forbidden));
  expect(await it.run(it.taskOf('missing'))).toMatchObject({ state: 'issued' });
  expect(await it.record()).toMatchObject({ order: undefined, challenges: [left] });
  const tidy = async () => it.run(it.taskOf('clean-up', await it.record()));
  expect(await tidy()).toMatchObject({ state: 'kept', reason: /cannot be removed/ });
  sky.clear();
  expect(await tidy()).toMatchObject({ state: 'kept', reason: /is removed/ });
  expect(await it.record()).toMatchObject({ challenges: [] });
  expect(await txtSets(one, 'b.test')).toEqual([]);
});

test('TXT values stay in DNS for an attempt that is near, and no longer', async () => {
  let isDown = true;
  const difference: Difference = (ca) => ({
    ...ca,
    respond: async (url) => {
      if (isDown) throw new CertificateError('ca-unavailable', 'it is down');
      await ca.respond(url);
    },
  });
  const it = await worker(difference, ['near.a.test']);
  const before = orders();
  const sets = async () =>
    (await txtSets(one, 'a.test')).filter(({ name }) => name.includes('near'));
  const after = async (attempt: Promise<IssueOutcome>) => {
    const { state } = await attempt;
    const { challenges, failure } = await it.record();
    const minutes = ((failure?.retryAt.getTime() ?? 0) - it.now()) / MINUTE_MS;
    return [state, minutes, challenges.length, (await sets()).length];
  };
  expect(await after(it.run(it.taskOf('missing')))).toEqual(['failed', 1, 1, 1]);
  expect(await after(it.next())).toEqual(['failed', 10, 1, 1]);
  sky.set('cloud-dns', on(/POST .*changes/, forbidden));
  expect(await after(it.next())).toEqual(['failed', 100, 1, 1]);
  sky.clear();
  expect(await after(it.next())).toEqual(['failed', 1440, 1, 0]);
  expect((await it.record()).failure).toMatchObject({ code: 'ca-unavailable', count: 4 });
  isDown = false;
  expect((await it.next()).state).toBe('issued');
  expect(orders() - before).toBe(1);
  expect(await sets()).toEqual([]);
});

describe('a worker that stalls, and wakes when its order is under way in the hands of another, leaves its key alone', () => {
  /** A worker whose CA refuses the first finalize and leaves every other in "processing"; `stalls` is what happens meanwhile. */
  async function staller(name: string, refusal: () => Promise<void>) {
    let isRefused = false;
    let isStuck = true;
    const it = await worker(
      (ca, time) => {
        const own = stuck(() => isStuck)(ca, time);
        return {
          ...own,
          finalize: async (order, csr) => {
            if (isRefused) return own.finalize(order, csr);
            isRefused = true;
            await refusal();
            throw new CertificateError('ca-rejected', 'No');
          },
        };
      },
      [`${name}.a.test`],
    );
    const expectIssued = async () => {
      expect(await it.key()).toBeDefined();
      isStuck = false;
      expect((await it.next()).state).toBe('issued');
    };
    return { ...it, expectIssued };
  }

  type Staller = Awaited<ReturnType<typeof staller>>;
  const stalls = async (it: Staller) => {
    it.pass(200_000);
    expect((await it.run(it.taskOf('resume'))).state).toBe('unfinished');
  };
  const whenTidying = (stall: () => Promise<void>) =>
    sky.set('cloud-dns', on(/GET .*rrsets/, once(stall)));

  test.for<[string, (stall: () => Promise<void>) => Promise<void> | void]>([
    ['before its failure', (stall) => stall()],
    ['between TXT and key', whenTidying],
  ])('%s', async ([title, refusal]) => {
    const before = orders();
    const it: Staller = await staller(title.replaceAll(' ', '-').toLowerCase(), async () => {
      await refusal(() => stalls(it));
    });
    expect(await it.run(it.taskOf('missing'))).toMatchObject({ state: 'kept' });
    expect((await it.record()).failure).toBeUndefined();
    await it.expectIssued();
    expect(orders() - before).toBe(1);
  });

  test('in a clean-up', async () => {
    const it = await staller('stalled-clean-up', async () => {
      throw new CertificateError('ca-unavailable', 'it is down');
    });
    const before = orders();
    await it.run(it.taskOf('missing'));
    const { record } = await it.forget();
    whenTidying(async () => {
      await it.change({ askers: ASKERS });
      it.pass(200_000);
      expect((await it.next()).state).toBe('unfinished');
    });
    await it.run(it.taskOf('clean-up', record));
    await it.expectIssued();
    expect(orders() - before).toBe(1);
  });
});

test('a key that cannot be destroyed is remembered by its order, and goes as soon as it can', async () => {
  const { run, taskOf, record, key } = await worker((ca) => ca, ['keyleft.a.test']);
  const before = orders();
  sky.set('secret-manager', on(/POST .*pending.*:destroy/, forbidden));
  expect(await run(taskOf('missing'))).toMatchObject({ state: 'issued', version: 1 });
  const left = await record();
  expect(left).toMatchObject({ lease: undefined, issued: { version: 1 }, order: { after: 0 } });
  expect(await key()).toBeDefined();
  sky.clear();

  expect(await run(taskOf('resume', left))).toMatchObject({ state: 'issued', version: 1 });
  expect((await record()).order).toBeUndefined();
  expect(await key()).toBeUndefined();
  expect(orders()).toBe(before + 1);
});

test('a retry of what nothing asks for any more removes what the attempt before it left', async () => {
  const refuse: Difference = (ca) => ({
    ...ca,
    finalize: async () => {
      throw new CertificateError('ca-unavailable', 'away');
    },
  });
  const { run, record, forget, next, taskOf } = await worker(refuse, ['unasked.a.test']);
  expect(await run(taskOf('missing'))).toMatchObject({ state: 'failed' });
  expect((await record()).challenges).toHaveLength(1);
  await forget();
  expect(await next()).toMatchObject({ state: 'kept', reason: expect.stringContaining('removed') });
  expect(await record()).toMatchObject({ order: undefined, challenges: [], lease: undefined });
});
