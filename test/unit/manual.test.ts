import { describe, expect, test } from 'vitest';
import {
  type CertificateRecord,
  newRecord,
  type StoredRecord,
  type Target,
} from '../../shared/domain/record.ts';
import type { IssueTask } from '../../shared/domain/task.ts';
import type { Looked } from '../../shared/jobs/look.ts';
import {
  type Accepted,
  askByHand,
  type ManualOrder,
  type ManualPorts,
  progress,
  renewByHand,
} from '../../shared/jobs/manual.ts';
import { cluster, day, identity, issued, record, rules, stored, target } from './build.ts';

const NOW = day(10);
const ID = stored().id;
const BY = 'user:ops@a.test';

/** Ports over one record that may be there, with a note of whatever was done. */
function portsOver(
  existing: CertificateRecord | undefined,
  differs: Partial<Pick<ManualPorts, 'look'>> & { meanwhile?: CertificateRecord } = {},
) {
  let held = existing;
  const done: string[] = [];
  const tasks: { name: string; task: IssueTask; at: Date | undefined }[] = [];
  const asStored = (of: CertificateRecord): StoredRecord => ({ ...stored(), record: of });
  const ports: ManualPorts = {
    records: {
      list: async () => [],
      read: async () => held && asStored(held),
      async create(_, fresh) {
        done.push('create');
        held = differs.meanwhile ?? fresh;
        return asStored(held);
      },
      async update(_, change) {
        const next = change(held as CertificateRecord);
        if (next) done.push('update');
        held = next ?? held;
        return asStored(held as CertificateRecord);
      },
    },
    queue: {
      async enqueue(name, task, at) {
        done.push('enqueue');
        tasks.push({ name, task, at });
        return 'enqueued';
      },
    },
    schedule: {
      async run() {
        done.push('run');
      },
    },
    look: async ({ targets }) => seen(targets.map(() => MISSING)),
    time: { now: () => NOW },
    ...differs,
  };
  return { ports, done, tasks, held: () => held };
}

const seen = (secrets: readonly Looked[], outside?: string) => ({ secrets, outside });
const MISSING: Looked = { state: 'behind', reason: 'secret-missing', serves: undefined };
const outdated = (serves: string): Looked => ({
  state: 'behind',
  reason: 'secret-outdated',
  serves,
});

const order = (differs: Partial<ManualOrder> = {}): ManualOrder => ({
  identity: identity(),
  targets: [target()],
  by: BY,
  ...differs,
});

const secrets = (count: number, prefix = 's'): Target[] =>
  Array.from({ length: count }, (_, index) => target({ secret: `${prefix}-${index}` }));

describe('asking by hand', () => {
  test.for<[string, CertificateRecord | undefined, ManualOrder, string[], Accepted['awaits']]>([
    [
      'a new certificate is recorded before its task is made',
      undefined,
      order(),
      ['create', 'enqueue'],
      { version: true, delivery: true },
    ],
    [
      'one without a Secret is only issued',
      undefined,
      order({ targets: [] }),
      ['create', 'enqueue'],
      { version: true, delivery: false },
    ],
    [
      'one that is fresh is delivered by the next run',
      record(),
      order(),
      ['update', 'run'],
      { version: false, delivery: true },
    ],
    [
      'one that is fresh and has no Secret stays wanted, and that is all',
      record(),
      order({ targets: [] }),
      ['update'],
      { version: false, delivery: false },
    ],
    [
      'one that is due is issued',
      record({ issued: issued({ notBefore: day(-80), notAfter: day(10.5) }) }),
      order(),
      ['update', 'enqueue'],
      { version: true, delivery: true },
    ],
    [
      'one that is recorded already without Secrets needs no write for no Secrets',
      record({ manual: { targets: [target()], by: 'user:b@a.test', at: day(1) } }),
      order({ targets: [] }),
      [],
      { version: false, delivery: false },
    ],
  ])('%s', async ([, existing, asked, effects, awaits]) => {
    const { ports, done } = portsOver(existing);
    expect(await askByHand(asked, ports, rules())).toMatchObject({ state: 'accepted', awaits });
    expect(done).toEqual(effects);
  });

  test('Secrets that serve it already are not waited for', async () => {
    const { ports } = portsOver(record(), { look: async () => seen([outdated(ID)]) });
    expect(await askByHand(order(), ports, rules())).toMatchObject({
      awaits: { version: false, delivery: false },
    });
  });

  test('the task holds the identity and is not planned for later', async () => {
    const { ports, tasks } = portsOver(undefined);
    await askByHand(order(), ports, rules());
    expect(tasks[0]).toMatchObject({
      at: undefined,
      task: {
        certificate: ID,
        identity: identity(),
        reason: 'manual',
        replaces: 0,
        failures: 0,
      },
    });
    expect(tasks[0]?.name).toMatch(new RegExp(`^[0-9a-f]{32}-${ID}$`));
  });

  test("Secrets are added to those of an earlier word, and the moment is the later one's", async () => {
    const earlier = { targets: secrets(2), by: 'user:b@a.test', at: day(1) };
    const { ports, held } = portsOver(record({ manual: earlier }));
    await askByHand(order({ targets: [target(), ...secrets(1)] }), ports, rules());
    expect(held()?.manual).toEqual({ targets: [...secrets(2), target()], by: BY, at: NOW });
  });

  test('whoever comes second while the record is made is added to the first', async () => {
    const manual = { targets: secrets(1), by: BY, at: NOW };
    const meanwhile = newRecord(identity(), { askers: [], manual });
    const { ports, held } = portsOver(undefined, { meanwhile });
    await askByHand(order(), ports, rules());
    expect(held()?.manual?.targets).toEqual([...secrets(1), target()]);
  });

  test('twenty Secrets are kept, and not one more', async () => {
    const manual = { targets: secrets(19), by: BY, at: day(1) };
    const { ports } = portsOver(record({ manual }));
    expect(await askByHand(order(), ports, rules())).toMatchObject({ state: 'accepted' });
    expect(await askByHand(order({ targets: secrets(1, 'more') }), ports, rules())).toMatchObject({
      state: 'refused',
      reason: 'too-many-targets',
    });
    const { ports: none, done } = portsOver(undefined);
    expect(await askByHand(order({ targets: secrets(21) }), none, rules())).toMatchObject({
      reason: 'too-many-targets',
    });
    expect(done).toEqual([]);
  });

  test.for<[string, Looked[], string, RegExp]>([
    [
      'a Secret of somebody else is not written',
      [
        { state: 'unreadable', message: 'cannot be read' },
        { state: 'refused', reason: 'secret-foreign', message: 'belongs to b' },
      ],
      'secret-refused',
      /^Secret prod\/shop\/s-1 belongs to b$/,
    ],
    [
      'a Secret that cannot be read costs no order',
      [MISSING, { state: 'unreadable', message: 'cannot be read' }],
      'secret-unreadable',
      /^Secret prod\/shop\/s-1 cannot be read$/,
    ],
    [
      'a Secret that gets another certificate costs no order',
      [MISSING, { state: 'refused', reason: 'target-taken', message: 'Secret s-1 gets another' }],
      'target-taken',
      /^Secret s-1 gets another$/,
    ],
    ['a look that is too short counts as none', [MISSING], 'secret-unreadable', /not looked at$/],
  ])('%s', async ([, standings, reason, message]) => {
    const { ports, done } = portsOver(undefined, { look: async () => seen(standings) });
    const outcome = await askByHand(order({ targets: secrets(2) }), ports, rules());
    expect(outcome).toMatchObject({ state: 'refused', reason });
    expect(outcome).toHaveProperty('message', expect.stringMatching(message));
    expect(done).toEqual([]);
  });

  test.for<[string, Partial<ManualOrder>, RegExp]>([
    ['a cluster that is none', { targets: [target({ cluster: 'x' })] }, /no cluster x/],
    [
      'a name that no rule gives',
      { identity: identity({ names: ['*.a.test'] }) },
      /no rule gives \*\.a\.test to namespace shop/,
    ],
  ])('the policy refuses %s before any Secret is looked at', async ([, differs, message]) => {
    const look = () => expect.unreachable('nothing is looked at');
    const { ports, done } = portsOver(undefined, { look });
    const outcome = await askByHand(order(differs), ports, rules({ clusters: [cluster()] }));
    expect(outcome).toMatchObject({ state: 'refused', reason: 'not-allowed' });
    expect(outcome).toHaveProperty('message', expect.stringMatching(message));
    expect(done).toEqual([]);
  });

  test('a name outside every zone costs nothing, with Secrets or without', async () => {
    const { ports, done } = portsOver(undefined, {
      look: async () => seen([], 'host x lies in none'),
    });
    expect(await askByHand(order({ targets: [] }), ports, rules())).toEqual({
      state: 'refused',
      reason: 'not-allowed',
      message: 'host x lies in none',
    });
    expect(done).toEqual([]);
  });

  test('a record of another identity is left alone', async () => {
    const other = newRecord(identity({ names: ['b.test'] }), { askers: [], manual: undefined });
    const { ports, done } = portsOver(other);
    expect(await askByHand(order(), ports, rules())).toMatchObject({ reason: 'record-mismatch' });
    expect(done).toEqual([]);
  });
});

describe('renewing by hand', () => {
  test('replaces a version that is not due', async () => {
    const { ports, tasks } = portsOver(record({ issued: issued({ version: 3 }) }));
    expect(await renewByHand(ID, ports)).toMatchObject({
      awaits: { version: true, delivery: true },
    });
    expect(tasks[0]?.task).toMatchObject({ reason: 'manual', replaces: 3 });
  });

  test('waits for no delivery when nothing asks for it', async () => {
    const { ports } = portsOver(record({ askers: [] }));
    expect(await renewByHand(ID, ports)).toMatchObject({
      awaits: { version: true, delivery: false },
    });
  });

  test('needs the names', async () => {
    const { ports, done } = portsOver(
      record({ identity: { ...record().identity, names: undefined } }),
    );
    expect(await renewByHand(ID, ports)).toMatchObject({ reason: 'names-unknown' });
    expect(done).toEqual([]);
  });

  test('needs a certificate', async () => {
    const { ports } = portsOver(undefined);
    expect(await renewByHand('x', ports)).toMatchObject({ reason: 'not-found' });
  });
});

const failure = (count: number) => ({ code: 'c', message: 'm', count, retryAt: day(count) });
const delivered = (version: number, n: number) => ({ version, at: day(n), failed: [] });

test.for<
  [string, Partial<CertificateRecord>, Accepted['awaits'], Partial<CertificateRecord>, string]
>([
  ['nothing changed', {}, { version: true, delivery: false }, {}, 'open'],
  [
    'a newer version is there',
    {},
    { version: true, delivery: false },
    { issued: issued({ version: 2 }) },
    'done',
  ],
  [
    'a newer version is not delivered yet',
    {},
    { version: true, delivery: true },
    { issued: issued({ version: 2 }) },
    'open',
  ],
  [
    'a newer version is delivered',
    {},
    { version: true, delivery: true },
    { issued: issued({ version: 2 }), delivered: delivered(2, 10) },
    'done',
  ],
  [
    'the old version was delivered again, and that is not the new one',
    {},
    { version: true, delivery: true },
    { issued: issued({ version: 2 }), delivered: delivered(1, 10) },
    'open',
  ],
  [
    'the version there is was delivered again',
    {},
    { version: false, delivery: true },
    { delivered: delivered(1, 10) },
    'done',
  ],
  ['the delivery is the one of before', {}, { version: false, delivery: true }, {}, 'open'],
  [
    'a failure of before says nothing',
    { failure: failure(1) },
    { version: true, delivery: false },
    { failure: failure(1) },
    'open',
  ],
  [
    'another failure ends it',
    { failure: failure(1) },
    { version: true, delivery: false },
    { failure: failure(2) },
    'failed',
  ],
  [
    'a first failure ends it',
    {},
    { version: true, delivery: true },
    { failure: failure(1) },
    'failed',
  ],
  ['there is nothing to wait for', {}, { version: false, delivery: false }, {}, 'done'],
  [
    'a Secret that was named by hand refused it',
    { manual: { targets: [target()], by: BY, at: day(1) } },
    { version: false, delivery: true },
    { delivered: { ...delivered(1, 10), failed: ['Secret prod/shop/tls is taken'] } },
    'failed',
  ],
  [
    'a Secret that nobody named by hand refused it',
    { manual: { targets: [target()], by: BY, at: day(1) } },
    { version: false, delivery: true },
    { delivered: { ...delivered(1, 10), failed: ['Secret prod/shop/tls-2 is taken'] } },
    'done',
  ],
])('progress: %s', ([, before, awaits, now, expected]) => {
  const accepted: Accepted = { state: 'accepted', before: stored(before), awaits };
  expect(progress(accepted, record({ ...before, ...now })).state).toBe(expected);
});
