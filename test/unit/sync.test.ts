import { describe, expect, test } from 'vitest';
import type {
  CertificateRecord,
  IssuedCertificate,
  StoredRecord,
  Target,
  VersionState,
} from '../../shared/domain/record.ts';
import type { ClusterRules, Ingress } from '../../shared/domain/request.ts';
import { CertificateError } from '../../shared/errors.ts';
import type { Written } from '../../shared/jobs/deliver.ts';
import { type SyncPorts, sync } from '../../shared/jobs/sync.ts';
import { Sensitive } from '../../shared/sensitive.ts';
import { cluster, day, identity, ingress, issued, rules, secret, stored, target } from './build.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const TWO = issued({ version: 2, serial: '0b', fingerprint: 'f2' });
const ENABLED: readonly VersionState[] = [
  { number: 2, state: 'enabled' },
  { number: 1, state: 'enabled' },
];
const DISABLED: readonly VersionState[] = [
  { number: 2, state: 'disabled' },
  { number: 1, state: 'enabled' },
];

/** By default somebody added version 2, for www.a.test, where version 1 is recorded and served, in a cluster whose one namespace asks. */
type Circumstances = Partial<{
  of: StoredRecord;
  ingresses: () => readonly Ingress[];
  names: readonly string[];
  newest: IssuedCertificate;
  /** The list of versions, as it is each time that it is asked for; the last one stays. */
  lists: readonly (readonly VersionState[])[];
  allow: ClusterRules['allow'];
  /** What writing a Secret ends with instead. */
  apply: () => never;
  /** What the Secret holds, and the record of that certificate. */
  holds: readonly [StoredRecord, fingerprint: string];
  /** What reading that record ends with instead. */
  readOther: () => never;
  /** The Secrets that the message names. */
  targets: readonly Target[];
  now: Date;
}>;

async function woken(circumstances: Circumstances) {
  const {
    of = stored(),
    ingresses = () => [ingress()],
    names = ['www.a.test'],
    newest = TWO,
    lists = [ENABLED],
    allow = cluster().allow,
    holds: [other, fingerprint] = [of, 'f1'],
    targets = [],
    now = day(10),
  } = circumstances;
  const applied: string[] = [];
  let lookups = 0;
  let latest = of.record;
  let alias = 0;
  let writes = 0;
  let written: readonly Written[] = [];
  const held = secret({ certificate: other.id, fingerprint });
  const writer = {
    ingresses: async (namespace?: string) =>
      ingresses().filter((one) => one.namespace === namespace),
    secret: async () => held,
    namespace: async () => 'active' as const,
    async apply({ namespace, secret: name }: { namespace: string; secret: string }) {
      circumstances.apply?.();
      applied.push(`${namespace}/${name}`);
      return 'applied' as const;
    },
  };
  const ports: SyncPorts = {
    writers: async () => writer,
    records: {
      list: async () => [],
      async read(id) {
        if (id === of.id) return { ...of, record: latest };
        circumstances.readOther?.();
        return other;
      },
      create: async () => of,
      async update(_, change, current = 0) {
        const next = change(latest);
        if (next) alias = current;
        if (next) writes += 1;
        latest = next ?? latest;
        return { ...of, record: latest };
      },
    },
    versions: {
      async list() {
        lookups += 1;
        return lists[Math.min(lookups, lists.length) - 1] ?? [];
      },
    },
    reader: {
      read: async () => ({ key: new Sensitive('key'), chain: 'chain' }),
      destroy: async () => {},
    },
    pki: {
      describe() {
        const { version: _, ...described } = newest;
        return { ...described, names };
      },
    },
    handshakes: { served: async () => newest },
    time: { now: () => now, sleep: async () => {} },
    log: SILENT,
  };
  const settings = { rules: rules({ clusters: [cluster({ allow })] }), keepVersions: 2 };
  const message = { certificate: of.id, reason: 'version-added', targets };
  const run = () =>
    sync(message, ports, settings).then(
      (outcome) => {
        written = outcome.state === 'delivered' ? outcome.targets : [];
        return outcome.state;
      },
      (error: CertificateError) => `${error.code}: ${error.message}`,
    );
  const end = await run();
  const { issued: recorded, delivered } = latest;
  const result = { end, applied, issued: recorded?.version, delivered, alias };
  return { result, written, again: run, writes: () => writes };
}

const synced = async (circumstances: Circumstances) => (await woken(circumstances)).result;

const only = (namespace: string, names: readonly string[], wildcards = false) => ({
  ...{ namespaces: [namespace], names, wildcards },
});

describe('a version that somebody added', () => {
  const long = Array.from({ length: 40 }, (_, n) => `${'x'.repeat(50)}${n}.a.test`).sort();
  const longOnes = stored({}, identity({ names: long })).record.identity;
  const nameless = (differs: Partial<CertificateRecord> = {}): Circumstances => ({
    of: stored(
      { identity: { ...longOnes, names: undefined }, ...differs },
      identity({ names: long }),
    ),
    ingresses: () => [ingress({ tls: [{ hosts: long, secretName: 'tls' }] })],
  });
  const unreadable = () => {
    throw new CertificateError('cluster-unreachable', 'cannot read cluster prod');
  };

  test.for<[string, Circumstances]>([
    ['for the names of the record', {}],
    ['for more names, which the rules give', { names: ['a.test', 'www.a.test'] }],
    [
      'for a wildcard that the rules give',
      { names: ['*.a.test'], allow: [only('shop', ['a.test'], true)] },
    ],
    ['for the names that are asked for, too many for the record', { ...nameless(), names: long }],
  ])('%s is delivered and recorded', async ([, circumstances]) =>
    expect(await synced(circumstances)).toEqual({
      ...{ end: 'delivered', applied: ['shop/tls'], issued: 2, alias: 2 },
      delivered: { version: 2, at: day(10), failed: [] },
    }),
  );

  test.for<[string, Circumstances, string]>([
    [
      'for other names',
      { names: ['other.a.test'] },
      'certificate-invalid: version 2 of certificate ID is not good for www.a.test; disable it, and the one before is used',
    ],
    [
      'for other names than are asked for, too many for the record',
      { ...nameless(), names: ['other.a.test'] },
      `certificate-invalid: version 2 of certificate ID is not good for ${long[0]}; disable it, and the one before is used`,
    ],
    [
      'for names that nobody knows',
      { ...nameless(), ingresses: () => [] },
      'certificate-invalid: version 2 of certificate ID is for names that nobody can check: its record has no room for them, and nothing asks for them now; disable it, and the one before is used',
    ],
    [
      'for names that only a cluster knows which is away',
      { ...nameless(), ingresses: unreadable },
      'cluster-unreachable: certificate ID is not delivered everywhere: cannot read cluster prod',
    ],
    [
      'that begins in twenty days',
      { newest: { ...TWO, notBefore: day(30) } },
      'certificate-invalid: version 2 of certificate ID is not good before 2026-01-31T00:00:00.000Z; disable it, and the one before is used',
    ],
    [
      'for a wildcard that no rule gives',
      { names: ['*.a.test'] },
      'certificate-invalid: version 2 of certificate ID is not for everybody, and the one before is renewed: Secret prod/shop/tls may not have *.a.test, which is in version 2; add it to "allow" of cluster prod, or disable the version',
    ],
    [
      "for another tenant's name too",
      { names: ['www.a.test', 'bank.test'], allow: [only('shop', ['a.test'])] },
      'certificate-invalid: version 2 of certificate ID is not for everybody, and the one before is renewed: Secret prod/shop/tls may not have bank.test, which is in version 2; add it to "allow" of cluster prod, or disable the version',
    ],
  ])('%s is neither delivered nor recorded', async ([, circumstances, end]) => {
    const { id } = circumstances.of ?? stored();
    const result = await synced(circumstances);
    expect({ ...result, end: result.end.replaceAll(id, 'ID') }).toEqual({
      ...{ end, applied: [], issued: 1, alias: 0 },
      delivered: { version: 1, at: day(0), failed: [] },
    });
  });

  const askers = ['shop', 'blog'].map((namespace) => ({ cluster: 'prod', namespace }));
  const shared: Circumstances = {
    ingresses: () => [ingress(), ingress({ namespace: 'blog' })],
    names: ['*.a.test'],
    allow: [only('shop', ['a.test'], true), only('blog', ['a.test'])],
  };

  test('goes to whom the rules give every name, and what the others serve stays the one that is renewed', async () => {
    const { end, ...result } = await synced({ ...shared, of: stored({ askers }) });
    expect(end).toContain('Secret prod/blog/tls may not have *.a.test');
    expect(result).toMatchObject({ applied: ['shop/tls'], issued: 1, alias: 0 });
  });

  test('and that is recorded is withheld from who asks later and may not have it', async () => {
    const result = await synced({ ...shared, of: stored({ askers, issued: TWO }) });
    expect(result).toMatchObject({ end: 'delivered', applied: ['shop/tls'], issued: 2 });
    expect(result.delivered?.failed).toEqual([
      expect.stringContaining('Secret prod/blog/tls may not have *.a.test'),
    ]);
  });

  test('whose names nobody knows any more stays what it was when it is recorded', async () => {
    const of = nameless({ issued: TWO }).of ?? stored();
    const result = await synced({ of, ingresses: () => [], names: long });
    expect(result).toMatchObject({ end: 'delivered', applied: [], issued: 2, alias: 2 });
  });
});

describe('a rollback', () => {
  const two = { issued: TWO, delivered: { version: 2, at: day(1), failed: [] } };
  const back: Circumstances = { of: stored(two), newest: issued({ fingerprint: 'f0' }) };

  test.for<[string, readonly (readonly VersionState[])[], object]>([
    [
      'is recorded',
      [DISABLED],
      { end: 'delivered', issued: 1, alias: 1, delivered: { version: 1 } },
    ],
    [
      'that is taken back meanwhile is not recorded',
      [DISABLED, ENABLED],
      { end: 'nothing', issued: 2, alias: 0, delivered: two.delivered },
    ],
  ])('%s', async ([, lists, expected]) =>
    expect(await synced({ ...back, lists })).toMatchObject(expected),
  );
});

describe('a version that is over', () => {
  const EXPIRED = issued({ notAfter: day(9) });
  const two = { issued: TWO, delivered: { version: 2, at: day(1), failed: [] } };
  const before = 'version 1 is good until 2026-01-10T00:00:00.000Z only';
  const open = {
    version: 0,
    failed: [`${before}, so it is written nowhere until it is renewed`],
  };
  const nowhere = { end: 'nothing', applied: [], issued: 1, alias: 1 };

  test.for<[string, Partial<CertificateRecord>, readonly VersionState[], object]>([
    ['before one that was disabled is recorded, to be renewed', two, DISABLED, open],
    [
      'and was never recorded is, to be renewed',
      { issued: undefined, delivered: undefined },
      DISABLED.slice(1),
      open,
    ],
    [
      'after one that is over as well is recorded, to be renewed',
      { issued: issued({ version: 0, fingerprint: 'f0', notAfter: day(8) }), delivered: undefined },
      [...DISABLED.slice(1), { number: 0, state: 'enabled' }],
      open,
    ],
    ['and is the one recorded says so', { issued: EXPIRED }, DISABLED.slice(1), open],
  ])('%s, and goes nowhere', async ([, differs, list, delivered]) => {
    const of = stored(differs);
    const { result, again, writes } = await woken({ of, lists: [list], newest: EXPIRED });
    expect(result).toMatchObject({ ...nowhere, delivered });
    expect(await again()).toBe('nothing');
    expect(writes()).toBe(1);
  });

  test.for<[string, Partial<CertificateRecord>, readonly VersionState[], string]>([
    ['while the one before is good', {}, ENABLED, 'disable it, and the one before is used'],
    [
      'for other names and not over, with none before',
      two,
      DISABLED,
      'disable it, and another is issued',
    ],
  ])('or never good %s is refused', async ([, differs, lists, expected]) => {
    const isOver = lists === ENABLED;
    const { end, ...rest } = await synced({
      ...{ of: stored(differs), lists: [lists] },
      newest: isOver ? { ...TWO, notAfter: day(9) } : issued({ fingerprint: 'f0' }),
      names: isOver ? ['www.a.test'] : ['other.a.test'],
    });
    expect(end).toContain(expected);
    expect(rest).toMatchObject({ applied: [], alias: 0 });
  });
});

describe('a delivery that is not complete', () => {
  const away = () => {
    throw new CertificateError('cluster-unreachable', 'cluster prod cannot be reached');
  };

  test('is recorded with what is in its way, once, however often it is tried', async () => {
    const { result, again, writes } = await woken({ apply: away });
    expect(result).toEqual({
      end: expect.stringMatching(/^cluster-unreachable: .* is not delivered everywhere/),
      ...{ applied: [], issued: 2, alias: 2 },
      delivered: {
        ...{ version: 1, at: day(0) },
        failed: ['Secret prod/shop/tls is not written: cluster prod cannot be reached'],
      },
    });
    expect(await again()).toBe(result.end);
    expect(writes()).toBe(1);
  });

  test('is recorded when the cluster cannot be asked at all', async () => {
    const { delivered, issued: version } = await synced({ ingresses: away });
    expect({ version, delivered }).toEqual({
      version: 2,
      delivered: { version: 1, at: day(0), failed: ['cluster prod cannot be reached'] },
    });
  });
});

describe('a Secret that holds something better than what is due', () => {
  const both = stored(
    { issued: issued({ fingerprint: 'f9', notAfter: day(160) }) },
    identity({ names: ['new.a.test', 'www.a.test'] }),
  );
  const changedBack: Circumstances = {
    ...{ newest: issued({ fingerprint: 'f0' }), lists: [DISABLED.slice(1)] },
    ...{ of: stored({ issued: issued({ fingerprint: 'f0' }) }), holds: [both, 'f9'] },
  };

  test('gets what is due where nobody understands the record of what it holds', async () => {
    const readOther = () => {
      throw new CertificateError('record-invalid', 'its secret has format 9');
    };
    const result = await synced({ ...changedBack, now: day(88), readOther });
    expect(result).toMatchObject({ end: 'delivered', applied: ['shop/tls'] });
  });

  test.for<[string, Circumstances, readonly string[]]>([
    ['keeps it', { now: day(88) }, []],
    ['gets what is not due', { now: day(50) }, ['shop/tls']],
    [
      'gets what is due where it lacks a name',
      { now: day(88), holds: [stored({}, identity({ names: ['new.a.test'] })), 'f9'] },
      ['shop/tls'],
    ],
  ])('%s, and the delivery is complete', async ([, differs, applied]) => {
    const result = await synced({ ...changedBack, ...differs });
    expect(result).toMatchObject({
      end: 'delivered',
      applied,
      delivered: { version: 1, failed: [] },
    });
  });
});

describe('a Secret that holds another certificate', () => {
  const other = stored({}, identity({ names: ['new.a.test'] }));

  test('is left to it by a late repair that names the Secret', async () => {
    const { result, written } = await woken({
      ...{ ingresses: () => [], holds: [other, 'f9'], targets: [target()] },
    });
    expect(result.applied).toEqual([]);
    expect(written).toEqual([
      { target: target(), state: 'unchanged', reason: 'it holds another certificate by now' },
    ]);
  });

  const word = (at: Date, secretName = 'tls') => ({
    ...{ by: 'user:ops@a.test', at, targets: [target({ secret: secretName })] },
  });
  const taken = { state: 'refused', reason: 'certificate ID was asked for it later, by hand' };
  const given = { state: 'written', reason: 'secret-outdated' };

  test.for<[string, CertificateRecord['manual'], object]>([
    ['later stays', word(day(3)), taken],
    ['earlier gives way', word(day(1)), given],
    ['later, but for another Secret, gives way', word(day(3), 'another'), given],
    ['never gives way', undefined, given],
  ])('and was asked for by hand %s', async ([, manual, expected]) => {
    const holds = { ...other, record: { ...other.record, manual } };
    const { written } = await woken({
      ...{ of: stored({ manual: word(day(2)) }), ingresses: () => [], holds: [holds, 'f9'] },
    });
    const [{ state, reason } = {}, ...more] = written;
    expect({ state, reason: reason?.replace(other.id, 'ID') }).toEqual(expected);
    expect(more).toEqual([]);
  });
});
