import { expect, test } from 'vitest';
import type { CertificateRecord } from '../../shared/domain/record.ts';
import type { IssueTask } from '../../shared/domain/task.ts';
import { CertificateError } from '../../shared/errors.ts';
import { type ReconcilePorts, reconcile } from '../../shared/jobs/reconcile.ts';
import type { ClusterReader, Log } from '../../shared/ports.ts';
import {
  day,
  identity,
  ingress,
  issued,
  later,
  record,
  rules,
  secret,
  stored,
  target,
} from './build.ts';

const SETTINGS = { rules: rules(), zoneProjects: ['p'] };
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

const readers =
  (
    read: ClusterReader['secret'],
    differs: Partial<ClusterReader> = {},
  ): ReconcilePorts['readers'] =>
  async () => ({
    ...{ ingresses: async () => [ingress()], secret: read, namespace: async () => 'active' },
    ...differs,
  });

/** A certificate whose only version is disabled when it is looked at; `since` is what its record says by the time it is written. */
function disabled(since: Partial<CertificateRecord>) {
  const tasks: IssueTask[] = [];
  let latest = record(since);
  const ports: ReconcilePorts = {
    readers: readers(async () => secret()),
    zones: {
      list: async () => [{ project: 'p', zone: 'a-test', dnsName: 'a.test', nameServers: [] }],
    },
    records: {
      list: async () => [stored()],
      read: async () => undefined,
      create: async () => stored(),
      async update(_, change) {
        latest = change(latest) ?? latest;
        return { ...stored(), record: latest };
      },
    },
    versions: { list: async () => [{ number: 1, state: 'disabled' }] },
    queue: {
      async enqueue(_, task) {
        tasks.push(task);
        return 'enqueued';
      },
    },
    repairs: { publish: async () => {} },
    time: { now: () => day(10) },
    log: SILENT,
  };
  return { ports, tasks, latest: () => latest };
}

const TWO = { issued: issued({ version: 2 }), delivered: { version: 2, at: day(10), failed: [] } };
const enabled: ReconcilePorts['versions'] = {
  list: async () => [{ number: 1, state: 'enabled' }],
};
const NONE = { issued: undefined, delivered: undefined };
const leased = (until: Date) => ({ lease: { holder: 'worker', until } });

test.for<[string, Partial<CertificateRecord>, Partial<CertificateRecord>, readonly string[]]>([
  ['is forgotten, and another is issued', {}, NONE, ['missing']],
  ['is issued anew when another tick was first to forget it', NONE, NONE, ['missing']],
  ['is nothing to what was issued since', TWO, TWO, []],
  ['is left to the worker that has it since', leased(later(day(10), 1)), record(), []],
  ['is left to no worker whose lease is over', leased(day(10)), NONE, ['missing']],
])('a version that was disabled %s', async ([, since, expected, reasons]) => {
  const one = disabled(since);
  const { faults } = await reconcile(one.ports, SETTINGS);
  expect(faults).toEqual([]);
  const { issued: version, delivered } = one.latest();
  expect({ issued: version, delivered }).toEqual({
    ...{ issued: expected.issued, delivered: expected.delivered },
  });
  expect(one.tasks.map(({ reason }) => reason)).toEqual(reasons);
});

/** What is said of a certificate of ninety days at that moment; `lines` are severity and message with fields. */
async function saidAt(now: Date, differs: Partial<CertificateRecord> = {}, asks = true) {
  const { ports } = disabled({});
  const lines: [string, Record<string, unknown> | undefined][] = [];
  const keep =
    (severity: string): Log['warn'] =>
    (message, fields) => {
      if (message === 'certificate running out') lines.push([severity, fields]);
    };
  await reconcile(
    {
      ...ports,
      readers: readers(async () => undefined, {
        ingresses: async () => (asks ? [ingress()] : []),
      }),
      records: { ...ports.records, list: async () => [stored(differs)] },
      versions: { list: async () => [{ number: 1, state: 'enabled' }] },
      time: { now: () => now },
      log: {
        debug: keep('DEBUG'),
        info: keep('INFO'),
        warn: keep('WARNING'),
        error: keep('ERROR'),
      },
    },
    SETTINGS,
  );
  return lines;
}

const MANUAL = {
  by: 'user:ops@a.test',
  at: day(0),
  targets: [{ cluster: 'prod', namespace: 'shop', secret: 'tls' }],
};

test.for<[string, Date, readonly [string, number][]]>([
  ['nothing at a fifth', day(72), []],
  ['a warning below it', day(72.1), [['WARNING', 0.199]]],
  ['nothing where the line would say a fifth', day(72.01), []],
  ['a warning at a tenth', day(81), [['WARNING', 0.1]]],
  ['an error below it', day(81.1), [['ERROR', 0.099]]],
  ['an error of zero when it expires', day(90), [['ERROR', 0]]],
  ['an error below zero afterwards', day(99), [['ERROR', -0.1]]],
])('of a certificate running out is said %s', async ([, now, expected]) => {
  const said = await saidAt(now);
  expect(said.map(([severity, fields]) => [severity, fields?.lifeLeft])).toEqual(expected);
});

test('a certificate running out is named with all that an alert shows', async () => {
  const [, fields] = (await saidAt(day(81.1)))[0] ?? [];
  expect(fields).toEqual({
    certificate: stored().id,
    names: ['www.a.test'],
    issuer: 'production',
    notAfter: day(90),
    lifeLeft: 0.099,
  });
});

test.for<[string, Partial<CertificateRecord>, number]>([
  ['nobody asks for', { askers: [] }, 0],
  ['only a person asked for', { askers: [], manual: MANUAL }, 1],
  ['was never issued', { issued: undefined, delivered: undefined }, 0],
])('a certificate that %s is said to run out %i times', async ([, differs, times]) => {
  expect(await saidAt(day(85), differs, false)).toHaveLength(times as number);
});

/** What is said of the one certificate that is asked for and not there yet, or of a stored one. */
async function said(
  differs: Partial<ReconcilePorts>,
): Promise<readonly (readonly [severity: string, message: string, reason: unknown])[]> {
  const { ports } = disabled({});
  const lines: [string, string, unknown][] = [];
  const keep =
    (severity: string): Log['warn'] =>
    (message, fields) => {
      if (fields?.certificate === stored().id) lines.push([severity, message, fields.reason]);
    };
  const log = {
    debug: keep('DEBUG'),
    info: keep('INFO'),
    warn: keep('WARNING'),
    error: keep('ERROR'),
  };
  await reconcile({ ...ports, log, ...differs }, SETTINGS);
  return lines;
}

const none = { list: async () => [] };
const records = (differs: Partial<CertificateRecord>) => ({
  ...disabled({}).ports.records,
  list: async () => [stored(differs)],
});
const closed = readers(async () => {
  throw new CertificateError('cluster-forbidden', 'grant get on secrets');
});

test.for<[string, Partial<ReconcilePorts>, readonly (readonly [string, string, string])[]]>([
  [
    'that is issued',
    { records: { ...records({}), ...none } },
    [['INFO', 'certificate planned', 'missing']],
  ],
  [
    'that waits for a worker',
    { records: records(leased(later(day(10), 1))) },
    [['INFO', 'certificate planned', 'in-progress']],
  ],
  [
    'that waits for a right on its Secrets',
    { records: { ...records({}), ...none }, readers: closed },
    [['WARNING', 'certificate planned', 'targets-unreadable']],
  ],
  [
    'that only sync has to see to',
    { versions: enabled, readers: readers(async () => undefined) },
    [['INFO', 'certificate planned', 'secret-missing']],
  ],
  [
    'that is refused',
    { readers: readers(async () => secret({ installation: undefined })) },
    [['WARNING', 'certificate refused', 'targets-refused']],
  ],
  ['that is kept', { versions: enabled }, []],
])('of a certificate %s the plan is said for whom it concerns', async ([, differs, expected]) =>
  expect(await said(differs)).toEqual(expected),
);

test('nothing is ordered for a namespace that does not exist, which is asked for once', async () => {
  const { ports, tasks } = disabled({});
  const asked: string[] = [];
  const certificates = ['nowhere/one', 'nowhere/two', 'shop/three'].map((place, index) => {
    const [namespace, name] = place.split('/') as [string, string];
    const of = target({ namespace, secret: name });
    return { ...of, names: [`c${index}.a.test`], issuer: undefined };
  });
  const { plan } = await reconcile(
    {
      ...ports,
      records: { ...ports.records, list: async () => [] },
      readers: readers(async () => undefined, {
        async namespace(name) {
          asked.push(name);
          return undefined;
        },
      }),
    },
    { ...SETTINGS, rules: rules({ certificates }) },
  );
  const refused = plan.filter(({ action }) => action === 'refuse');
  expect(refused.map(({ reason, message }) => [reason, message]).sort()).toEqual(
    ['one', 'two'].map((name) => [
      'targets-refused',
      `Secret prod/nowhere/${name} cannot be made: namespace nowhere does not exist in cluster prod; create it`,
    ]),
  );
  expect(tasks.flatMap(({ identity: { names } }) => names).sort()).toEqual([
    'c2.a.test',
    'www.a.test',
  ]);
  expect(asked).toEqual(['nowhere']);
});

test('what nothing asks for any more is forgotten in a namespace with more Secrets than one tick looks at', async () => {
  const gone = stored({}, identity({ names: ['gone.a.test'] }));
  const { ports } = disabled({});
  const written = new Map<string, CertificateRecord>();
  let reads = 0;
  const ingresses = Array.from({ length: 1001 }, (_, n) =>
    ingress({ name: `web-${n}`, tls: [{ hosts: ['www.a.test'], secretName: `tls-${n}` }] }),
  );
  await reconcile(
    {
      ...ports,
      readers: readers(
        async () => {
          reads += 1;
          return secret();
        },
        { ingresses: async () => ingresses },
      ),
      records: {
        ...ports.records,
        list: async () => [stored(), gone],
        async update(id, change) {
          const next = change(gone.record) ?? gone.record;
          written.set(id, next);
          return { ...gone, record: next };
        },
      },
      versions: { list: async () => [{ number: 1, state: 'enabled' }] },
    },
    SETTINGS,
  );
  expect([...written].map(([id, { askers }]) => [id, askers])).toEqual([[gone.id, []]]);
  expect(reads).toBe(1000);
});
