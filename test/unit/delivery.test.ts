import { describe, expect, test } from 'vitest';
import type { SecretMetadata, Sight, Standing } from '../../shared/domain/delivery.ts';
import {
  heldBack,
  lagsBehind,
  mayHold,
  recorded,
  shortcoming,
  standing,
  versionsToDestroy,
} from '../../shared/domain/delivery.ts';
import type { CertificateRecord, VersionState } from '../../shared/domain/record.ts';
import type { Rules } from '../../shared/domain/request.ts';
import {
  cluster,
  day,
  desired,
  identity,
  issued,
  later,
  record,
  rules,
  secret,
  stored,
  target,
} from './build.ts';

const { id } = desired();
/** Versions in these states, the newest first. */
const numbered = (states: readonly VersionState['state'][]): readonly VersionState[] =>
  states.map((state, index) => ({ number: states.length - index, state }));
const holding = (differs: Partial<SecretMetadata> = {}): Sight => ({
  state: 'present',
  secret: secret(differs),
});
const behind = (reason: string, serves: string | undefined) => ({
  state: 'behind',
  reason,
  serves,
});
const refused = (reason: string, message: string) => ({
  state: 'refused',
  reason,
  message: expect.stringContaining(message),
});

test.for<[string, Sight, object]>([
  ['is current with our certificate in it', holding(), { state: 'current' }],
  ['is behind when it is not there', { state: 'absent' }, behind('secret-missing', undefined)],
  [
    'stays unreadable',
    { state: 'unreadable', message: 'm' },
    { state: 'unreadable', message: 'm' },
  ],
  [
    'is refused without a namespace to be in',
    { state: 'homeless', message: 'create it' },
    refused('namespace-missing', 'create it'),
  ],
  [
    'is behind with another version in it',
    holding({ fingerprint: 'f0' }),
    behind('secret-outdated', id),
  ],
  [
    'is behind without a fingerprint',
    holding({ fingerprint: undefined }),
    behind('secret-outdated', id),
  ],
  [
    'is behind with another certificate',
    holding({ certificate: 'other' }),
    behind('secret-outdated', 'other'),
  ],
  [
    'is behind with our label alone',
    holding({ certificate: undefined }),
    behind('secret-outdated', undefined),
  ],
  [
    'has drifted when somebody else wrote into it',
    holding({ otherManagers: ['kubectl'] }),
    behind('secret-drifted', id),
  ],
  [
    'is of a type that we cannot change',
    holding({ type: 'Opaque' }),
    refused('secret-type', 'is of type Opaque'),
  ],
  [
    'belongs to nobody we know',
    holding({ installation: undefined }),
    refused('secret-foreign', 'belongs to somebody else'),
  ],
  [
    'belongs to another installation',
    holding({ installation: 'other', belongsTo: 'other' }),
    refused('secret-foreign', 'belongs to other'),
  ],
  [
    'belongs to cert-manager',
    holding({ installation: undefined, belongsTo: "cert-manager's Certificate web" }),
    refused('secret-foreign', "belongs to cert-manager's Certificate web"),
  ],
  [
    'is foreign and of another type',
    holding({ installation: undefined, type: 'Opaque' }),
    refused('secret-type', 'exists with type Opaque and belongs to somebody else'),
  ],
])('a target %s', ([, sight, expected]) => {
  expect(standing(sight, { id, issued: issued() }, 'certherd')).toEqual(expected);
});

test.for<[string, Partial<SecretMetadata>]>([
  ['its annotations', {}],
  ['half of its annotations', { fingerprint: undefined }],
])('without a version nothing is current, whatever %s say', ([, differs]) => {
  const found: Standing = standing(holding(differs), { id, issued: undefined }, 'certherd');
  expect(found).toEqual(behind('secret-outdated', id));
});

test.for<[string, readonly VersionState['state'][], number, readonly number[]]>([
  ['nothing goes while there are no more than are kept', ['enabled', 'enabled'], 2, []],
  ['nothing goes while there are fewer good ones', ['enabled', 'disabled', 'disabled'], 2, []],
  ['the oldest go', ['enabled', 'enabled', 'enabled', 'enabled'], 2, [2, 1]],
  ['a disabled one in between does not count', ['enabled', 'disabled', 'enabled'], 2, []],
  [
    'a disabled one goes with what is older than the kept',
    ['enabled', 'enabled', 'disabled', 'enabled'],
    2,
    [2, 1],
  ],
  ['what is destroyed is not destroyed again', ['enabled', 'enabled', 'destroyed'], 2, []],
  ['with one kept everything older goes', ['enabled', 'disabled', 'enabled'], 1, [2, 1]],
])('%s', ([, states, keep, expected]) => {
  expect(versionsToDestroy(numbered(states), states.length, keep)).toEqual(expected);
});

test.for<[string, readonly VersionState['state'][], number, boolean]>([
  ['none behind nothing', [], 0, false],
  ['none behind one that exists', [], 1, true],
  ['as many as there are', ['disabled', 'enabled'], 2, false],
  ['more than are known', ['enabled', 'enabled'], 1, false],
  ['fewer than are known', ['enabled', 'enabled'], 3, true],
])('a list of versions that has %s', ([, states, known, expected]) =>
  expect(lagsBehind(numbered(states), known)).toBe(expected),
);

describe('a version that was added', () => {
  const MINUTE = 60_000;
  const found = (
    differs: Partial<Parameters<typeof shortcoming>[0]> = {},
  ): Parameters<typeof shortcoming>[0] => ({ ...issued(), names: ['www.a.test'], ...differs });
  const wanted = ['www.a.test'];
  const outside = (ms: number) => found({ notBefore: later(day(10), ms) });
  const ending = (ms: number) => found({ notAfter: later(day(10), ms) });

  test.for<[string, ReturnType<typeof found>, readonly string[], string | undefined]>([
    ['for the very names is as good', found(), wanted, undefined],
    ['for more names is as good', found({ names: ['a.test', 'www.a.test'] }), wanted, undefined],
    ['for a wildcard is as good', found({ names: ['*.a.test'] }), wanted, undefined],
    ['for other names is not', found({ names: ['*.b.test'] }), wanted, 'not good for www.a.test'],
    ['for some of the names is not', found(), ['www.a.test', '*.a.test'], 'not good for *.a.test'],
    ['for names that need no look is good by its dates', found(), [], undefined],
    ['that ends right after now is good', ending(1), wanted, undefined],
    ['that ends now is not', ending(0), wanted, 'good until 2026-01-11T00:00:00.000Z only'],
    ['that begins within ten minutes is good', outside(10 * MINUTE), wanted, undefined],
    [
      'that begins later is not',
      outside(10 * MINUTE + 1),
      wanted,
      'not good before 2026-01-11T00:10:00.001Z',
    ],
  ])('%s', ([, version, names, expected]) =>
    expect(shortcoming(version, names, day(10))).toBe(expected),
  );
});

describe('a Secret that says it serves a certificate', () => {
  const allow = (names: readonly string[], namespace = 'shop', wildcards = false) => ({
    clusters: [cluster({ allow: [{ namespaces: [namespace], names, wildcards }] })],
  });
  const configured = (names: readonly string[], name = 'tls') => ({
    ...allow(['other.test']),
    certificates: [{ ...target({ secret: name }), names, issuer: undefined }],
  });

  test.for<[string, Partial<Rules>, readonly string[] | undefined, boolean]>([
    ['may hold it where a rule gives every name', allow(['a.test']), ['x.a.test', 'a.test'], true],
    ['may not where one name is not given', allow(['x.a.test']), ['x.a.test', 'y.a.test'], false],
    ['may not where another namespace is given it', allow(['a.test'], 'blog'), ['a.test'], false],
    ['may not hold a wildcard that no rule grants', allow(['a.test']), ['*.a.test'], false],
    ['may hold a wildcard that a rule grants', allow(['a.test'], 'shop', true), ['*.a.test'], true],
    ['may not hold names that are not known', allow(['*']), undefined, false],
    ['may not in a cluster that is not configured', { clusters: [] }, ['a.test'], false],
    ['may hold what the configuration names for it', configured(['*.a.test']), ['*.a.test'], true],
    [
      'may hold a part of what the configuration names for it',
      configured(['b.test', '*.a.test']),
      ['x.a.test'],
      true,
    ],
    ['may not hold what is configured for others', configured(['a.test'], 'x'), ['a.test'], false],
    [
      'may not hold what is more than the configuration names for it',
      configured(['a.test']),
      ['a.test', 'bank.test'],
      false,
    ],
  ])('%s', ([, differs, names, expected]) =>
    expect(mayHold(target(), names, rules(differs))).toBe(expected),
  );
});

describe('the record after a delivery', () => {
  const two = issued({ version: 2, serial: '0b', fingerprint: 'f2' });
  const done = (version: number, failed: readonly string[] = []) => ({
    delivered: { version, at: day(0), failed },
  });
  const open = (version: number, ...failed: readonly string[]) => done(version, failed);
  const away = (...failed: readonly string[]) => ({ failed });
  const outcome = (differs: Partial<Parameters<typeof recorded>[1]> = {}) => ({
    ...{ issued: issued(), listed: numbered(['enabled']), failed: [], refused: [] },
    ...{ isAsked: false, at: day(1) },
    ...differs,
  });
  const asked = (n: number) => ({
    manual: { targets: [target()], by: 'user:a@b.test', at: day(n) },
  });
  const failure = { code: 'ca-rejected', message: 'm', count: 3, retryAt: day(2) };
  const newest = { version: 2, at: day(1), failed: [] };
  const long = Array.from({ length: 9 }, (_, n) => `Secret ${n} ${'x'.repeat(300)}`);

  test.for<[string, Partial<CertificateRecord>, ReturnType<typeof outcome>]>([
    ['says so already', {}, outcome()],
    ['says so already with what was refused', done(1, ['a']), outcome({ refused: ['a'] })],
    [
      'says so already, as far as a record holds it',
      done(
        1,
        long.slice(0, 5).map((text) => text.slice(0, 200)),
      ),
      outcome({ refused: long }),
    ],
    [
      'says so already of what is open',
      open(0, 'a', 'b'),
      outcome({ ...away('a'), refused: ['b'] }),
    ],
    ['says so since somebody asked by hand', asked(0), outcome()],
    [
      'was asked for by hand and is open as it was',
      { ...asked(0.5), ...open(0, 'a') },
      outcome(away('a')),
    ],
    ['is waited for and is open as it was', open(0, 'a'), outcome({ isAsked: true, ...away('a') })],
    [
      'names a newer version than is listed, which was recorded meanwhile',
      { issued: two, ...done(2) },
      outcome(),
    ],
    [
      'names a newer version that was enabled again meanwhile',
      { issued: two, ...done(2) },
      outcome({ listed: numbered(['enabled', 'enabled']) }),
    ],
  ])('is left alone when it %s', ([, differs, of]) =>
    expect(recorded(record(differs), of)).toBeUndefined(),
  );

  test.for<
    [string, Partial<CertificateRecord>, ReturnType<typeof outcome>, Partial<CertificateRecord>]
  >([
    ['names the new version', {}, outcome({ issued: two }), { issued: two, delivered: newest }],
    [
      'tells the moment of a delivery that somebody waits for',
      done(1),
      outcome({ isAsked: true }),
      { delivered: { ...newest, version: 1 } },
    ],
    ...(['disabled', 'destroyed'] as const).map(
      (state): [string, Partial<CertificateRecord>, ReturnType<typeof outcome>, object] => [
        `goes back to an older version when the newer one is ${state}`,
        { issued: two, ...done(2) },
        outcome({ listed: numbered([state, 'enabled']) }),
        { issued: issued(), delivered: { ...newest, version: 1 } },
      ],
    ),
    [
      'goes forward when what was recorded meanwhile is older',
      {},
      outcome({ issued: two }),
      { issued: two, delivered: newest },
    ],
    [
      'names what the worker recorded, when it is not delivered yet',
      { issued: two, ...done(1) },
      outcome({ issued: two }),
      { issued: two, delivered: newest },
    ],
    [
      'says what keeps a delivery open, before what was refused, and moves the alias',
      { issued: two, ...done(1) },
      outcome({ issued: two, ...away('a'), refused: ['b'] }),
      { issued: two, ...open(1, 'a', 'b') },
    ],
    [
      'is open about one that was complete before, whose moment nobody takes for a new one',
      {},
      outcome(away('a')),
      open(0, 'a'),
    ],
    [
      'says what keeps the very first open',
      { issued: undefined, delivered: undefined },
      outcome(away('a')),
      { issued: issued(), delivered: { version: 0, at: day(1), failed: ['a'] } },
    ],
    [
      'says no more of what was open once everybody has it',
      open(0, 'a'),
      outcome(),
      { delivered: { ...newest, version: 1 } },
    ],
    [
      'names other Secrets that were refused',
      done(1, ['a']),
      outcome({ refused: ['b'] }),
      { delivered: { version: 1, at: day(1), failed: ['b'] } },
    ],
    [
      'tells the moment to whoever asked by hand since',
      asked(0.5),
      outcome(),
      { delivered: { ...newest, version: 1 } },
    ],
    [
      'forgets the failure when another version is there',
      { failure },
      outcome({ issued: two }),
      { issued: two, delivered: newest, failure: undefined },
    ],
    [
      'keeps the failure of what is to come after this version',
      { failure, delivered: undefined },
      outcome(),
      { failure, delivered: { ...newest, version: 1 } },
    ],
  ])('%s', ([, differs, of, expected]) =>
    expect(recorded(record(differs), of)).toEqual(record({ ...differs, ...expected })),
  );
});

describe('a certificate that is due', () => {
  const better = (
    differs: Partial<CertificateRecord> = {},
    of: Parameters<typeof identity>[0] = { names: ['new.a.test', 'www.a.test'] },
  ) =>
    stored({ issued: issued({ fingerprint: 'f9', notAfter: day(160) }), ...differs }, identity(of));
  const due = { ...identity(), notAfter: day(90) };
  const nameless = { ...better().record.identity, names: undefined };

  test('is not put over another that covers its names and is good for longer', () => {
    const { id } = better();
    expect(heldBack(due, better(), 'f9')).toEqual({
      state: 'held',
      reason: 'better-served',
      message: `holds certificate ${id} with the same names, good until 2026-06-10T00:00:00.000Z; it gets this one as soon as that is renewed`,
    });
    expect(heldBack(due, better({}, { names: ['*.a.test'] }), 'f9')).toBeDefined();
    expect(heldBack({ ...due, notAfter: later(day(160), -1) }, better(), 'f9')).toBeDefined();
  });

  test.for<[string, Parameters<typeof heldBack>]>([
    ['another that is good no longer', [{ ...due, notAfter: day(160) }, better(), 'f9']],
    ['an older version of another', [due, better(), 'f8']],
    ['what no record knows', [due, better({ issued: undefined }), undefined]],
    ['another that lacks a name', [due, better({}, { names: ['new.a.test'] }), 'f9']],
    ['another whose names are unknown', [due, better({ identity: nameless }), 'f9']],
    ["another issuer's", [due, better({}, { ...due, issuer: 'staging' }), 'f9']],
    ['one with another type of key', [due, better({}, { ...due, keyType: 'rsa-2048' }), 'f9']],
    ['another while its own names are unknown', [{ ...due, names: undefined }, better(), 'f9']],
  ])('is put over %s', ([, of]) => expect(heldBack(...of)).toBeUndefined());
});
