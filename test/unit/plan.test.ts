import { describe, expect, test } from 'vitest';
import type { Sight } from '../../shared/domain/delivery.ts';
import { plan } from '../../shared/domain/plan.ts';
import type { Facts } from '../../shared/domain/plan-rules.ts';
import type { VersionState } from '../../shared/domain/record.ts';
import { renewal } from '../../shared/domain/renewal.ts';
import {
  day,
  desired,
  facts,
  identity,
  issued,
  later,
  record,
  secret,
  stored,
  target,
} from './build.ts';

const HOUR = 3_600_000;
const KEY = 'prod/shop/tls';
const { id } = desired();

const sights = (sight: Sight, key = KEY): Partial<Facts> => ({ sights: new Map([[key, sight]]) });
const holding = (differs: Parameters<typeof secret>[0] = {}): Sight => ({
  state: 'present',
  secret: secret(differs),
});
const FOREIGN = holding({ installation: undefined, certificate: undefined });
const UNREADABLE: Sight = { state: 'unreadable', message: 'cannot be read: forbidden' };
const recorded = (
  differs: Parameters<typeof stored>[0],
  of?: Parameters<typeof stored>[1],
): Partial<Facts> => ({ inventory: [stored(differs, of)] });
const versions = (...states: readonly VersionState['state'][]): Partial<Facts> => ({
  versions: new Map([
    [id, states.map((state, index) => ({ number: states.length - index, state }))],
  ]),
});

/** The one entry of a plan that has one. */
function only(...differs: readonly Partial<Facts>[]) {
  const entries = plan(facts(Object.assign({}, ...differs)));
  expect(entries).toHaveLength(1);
  return entries[0] as NonNullable<(typeof entries)[number]>;
}

/** What is done, why, with which task, and what sync is told. */
type Outcome = readonly [action: string, reason: string, task: string | undefined, repair?: string];

const outcome = (...differs: readonly Partial<Facts>[]) => {
  const { action, reason, task, repair } = only(...differs);
  return [action, reason, task?.reason, repair];
};
const is = ([action, reason, task, repair]: Outcome) => [action, reason, task, repair];

const NEVER: Partial<Facts> = {
  ...recorded({ issued: undefined, delivered: undefined }),
  ...sights({ state: 'absent' }),
};
const UNASKED: Partial<Facts> = { desired: [], sights: new Map() };
const ORDER = { url: 'https://ca.test/order/1', after: 0 };
const CHALLENGE = { project: 'p', zone: 'z', owner: '_acme-challenge.www.a.test', value: 'v' };
const failure = (retryAt: Date) => ({
  code: 'ca-unavailable',
  message: 'it is down',
  count: 2,
  retryAt,
});
const dueAt = renewal(issued(), day(0)).at;
const manual = (...targets: readonly ReturnType<typeof target>[]) => ({
  targets,
  by: 'ops@a.test',
  at: day(1),
});
const nameless = { ...stored().record.identity, names: undefined };

describe('a certificate', () => {
  test.for<[string, Partial<Facts>, Outcome]>([
    ['in good order is kept', {}, ['keep', 'fresh', undefined]],
    [
      'without a record is issued',
      { ...sights({ state: 'absent' }), inventory: [] },
      ['issue', 'missing', 'missing'],
    ],
    ['that was never issued is issued', NEVER, ['issue', 'missing', 'missing']],
    [
      'that nothing asks for and nothing serves is not wanted',
      UNASKED,
      ['keep', 'not-wanted', undefined],
    ],
  ])('%s', ([, differs, expected]) => expect(outcome(differs)).toEqual(is(expected)));

  test.for<[string, Date, Outcome]>([
    [
      'is kept until one horizon before its renewal',
      later(dueAt, -HOUR - 1),
      ['keep', 'fresh', undefined],
    ],
    ['gets its task one horizon before', later(dueAt, -HOUR), ['issue', 'due', 'due']],
    ['is issued at its renewal', dueAt, ['issue', 'due', 'due']],
    ['is no emergency right before five sixths', later(day(75), -1), ['issue', 'due', 'due']],
    ['is an emergency at five sixths', day(75), ['issue', 'emergency', 'emergency']],
    ['is an emergency when it has expired', day(91), ['issue', 'emergency', 'emergency']],
  ])('%s', ([, now, expected]) => expect(outcome({ now })).toEqual(is(expected)));

  test('gets a task for the exact moment', () => {
    expect(only({ now: later(dueAt, -HOUR) })).toMatchObject({
      id,
      names: ['www.a.test'],
      issuer: 'production',
      at: dueAt,
      task: { identity: identity(), reason: 'due', at: dueAt },
      askers: undefined,
      targets: [{ target: target(), asked: true, standing: { state: 'current' } }],
    });
    expect(only(NEVER).task).toEqual({ identity: identity(), reason: 'missing', at: undefined });
  });

  test('whose record is that of another is refused, and nothing is done to it', () => {
    const other = recorded({
      identity: stored({}, identity({ issuer: 'staging' })).record.identity,
      askers: [],
    });
    const entry = only(other, sights({ state: 'absent' }));
    expect(entry).toMatchObject({ action: 'refuse', reason: 'identity-mismatch' });
    expect([entry.task, entry.repair, entry.askers]).toEqual([undefined, undefined, undefined]);
  });

  test('whose record cannot be understood is not taken for absent, and nothing is done to it', () => {
    const illegible = new Map([[id, 'has record format 2']]);
    const entry = only({ inventory: [], illegible }, sights({ state: 'absent' }));
    expect(entry).toMatchObject({
      ...{ action: 'refuse', reason: 'record-invalid' },
      ...{ message: 'its secret has record format 2', task: undefined, repair: undefined },
    });
  });

  test('comes in the order of the ids, each once', () => {
    const names = ['b.a.test', 'a.a.test', 'c.a.test'];
    const all = names.map((name) =>
      desired({ identity: identity({ names: [name] }), targets: [] }),
    );
    const [, second, third] = names.map((name) => stored({}, identity({ names: [name] })));
    const entries = plan(
      facts({
        desired: all.slice(0, 2),
        inventory: [third, second].filter((one) => one !== undefined),
      }),
    );
    expect(entries.map((entry) => entry.names)).toEqual([['a.a.test'], ['b.a.test'], ['c.a.test']]);
  });
});

describe('who works on it', () => {
  const leased = (until: Date) =>
    recorded({ lease: { holder: 'worker', until }, issued: undefined });
  test.for<[string, Partial<Facts>, Outcome]>([
    [
      'is waited for while the lease lasts',
      leased(later(day(10), 1)),
      ['wait', 'in-progress', undefined],
    ],
    ['is not waited for when the lease is over', leased(day(10)), ['issue', 'missing', 'missing']],
  ])('%s', ([, differs, expected]) => expect(outcome(differs)).toEqual(is(expected)));
});

describe('a failure', () => {
  const failed = (retryAt: Date, differs: Parameters<typeof record>[0] = {}) =>
    recorded({ issued: undefined, delivered: undefined, failure: failure(retryAt), ...differs });
  const ahead = later(day(10), 1);
  const fresh = { issued: issued(), delivered: record().delivered };

  test.for<[string, Partial<Facts>, Outcome]>([
    [
      'holds it back, with a task for the time after',
      failed(ahead),
      ['wait', 'backing-off', 'retry'],
    ],
    [
      'holds it back, with a task for the time after, a day before it',
      failed(day(11)),
      ['wait', 'backing-off', 'retry'],
    ],
    [
      'holds it back without a task while that is further ahead than a task may wait',
      failed(later(day(11), 1)),
      ['wait', 'backing-off', undefined],
    ],
    ['holds it back no longer than it says', failed(day(10)), ['issue', 'missing', 'missing']],
    [
      'of a renewal holds it back',
      { ...failed(day(69), fresh), now: day(68) },
      ['wait', 'backing-off', 'retry'],
    ],
    ['is forgotten while nothing is due', failed(ahead, fresh), ['keep', 'fresh', undefined]],
    [
      'of what a person wished holds the wish back, due or not',
      failed(ahead, { ...fresh, failure: { ...failure(ahead), isWish: true } }),
      ['wait', 'backing-off', 'manual'],
    ],
    [
      'holds an open order back too',
      failed(ahead, { ...fresh, order: ORDER }),
      ['wait', 'backing-off', 'retry'],
    ],
    [
      'lets an open order go on later',
      failed(day(10), { order: ORDER }),
      ['issue', 'order-open', 'resume'],
    ],
  ])('%s', ([, differs, expected]) => {
    expect(outcome(differs)).toEqual(is(expected));
  });

  test('is told in full', () => {
    expect(only(failed(ahead))).toMatchObject({
      message: 'ca-unavailable: it is down (failure 2 in a row)',
      at: ahead,
      task: { at: ahead },
    });
  });
});

describe('what an attempt left behind', () => {
  test.for<[string, readonly Partial<Facts>[], Outcome]>([
    [
      'is resumed when it is an order',
      [recorded({ order: ORDER })],
      ['issue', 'order-open', 'resume'],
    ],
    [
      'is removed when it is a TXT record',
      [recorded({ challenges: [CHALLENGE] })],
      ['keep', 'challenge-left', 'clean-up'],
    ],
    [
      'is used when a renewal is due anyway',
      [recorded({ challenges: [CHALLENGE] }), { now: day(70) }],
      ['issue', 'due', 'due'],
    ],
    [
      'is removed when nothing wants the certificate',
      [recorded({ challenges: [CHALLENGE] }), UNASKED],
      ['keep', 'not-wanted', 'clean-up'],
    ],
    [
      'is removed when nothing wants the order',
      [recorded({ order: ORDER }), UNASKED],
      ['keep', 'not-wanted', 'clean-up'],
    ],
  ])('%s', ([, differs, expected]) => expect(outcome(...differs)).toEqual(is(expected)));
});

describe('the Secrets', () => {
  const TWO: Partial<Facts> = {
    desired: [desired({ targets: [target(), target({ secret: 'two' })] })],
  };
  const both = (one: Sight | undefined, two: Sight | undefined): Partial<Facts> => ({
    sights: new Map(
      [[KEY, one] as const, ['prod/shop/two', two] as const].flatMap(([key, sight]) =>
        sight ? [[key, sight] as const] : [],
      ),
    ),
  });

  test.for<[string, readonly Partial<Facts>[], Outcome]>([
    [
      'are written when one is missing',
      [sights({ state: 'absent' })],
      ['sync', 'secret-missing', undefined, 'secret-missing'],
    ],
    [
      'are written when one holds something else',
      [sights(holding({ fingerprint: 'f0' }))],
      ['sync', 'secret-outdated', undefined, 'secret-outdated'],
    ],
    [
      'are written when somebody else wrote into one',
      [sights(holding({ otherManagers: ['kubectl'] }))],
      ['sync', 'secret-drifted', undefined, 'secret-drifted'],
    ],
    [
      'are written while a renewal goes on',
      [sights({ state: 'absent' }), { now: day(70) }],
      ['issue', 'due', 'due', 'secret-missing'],
    ],
    [
      'are written when the delivery was not recorded',
      [recorded({ delivered: undefined })],
      ['sync', 'not-delivered', undefined, 'not-delivered'],
    ],
    [
      'are written when an older version was delivered',
      [recorded({ issued: issued({ version: 2 }) })],
      ['sync', 'not-delivered', undefined, 'not-delivered'],
    ],
    ['are left alone while there is nothing to write', [NEVER], ['issue', 'missing', 'missing']],
    [
      'that were not looked at are left alone',
      [{ sights: new Map() }],
      ['keep', 'fresh', undefined],
    ],
    ['that are unreadable are left alone', [sights(UNREADABLE)], ['keep', 'fresh', undefined]],
    [
      'that are refused are told of while the certificate is good',
      [sights(FOREIGN)],
      ['refuse', 'targets-refused', undefined],
    ],
    [
      'that are refused keep no TXT record of ours in place',
      [sights(FOREIGN), recorded({ challenges: [CHALLENGE] })],
      ['refuse', 'targets-refused', 'clean-up'],
    ],
    [
      'of which one is refused leave a good certificate alone',
      [TWO, both(FOREIGN, holding())],
      ['keep', 'fresh', undefined],
    ],

    [
      'refuse an order when none may be written',
      [NEVER, sights(FOREIGN)],
      ['refuse', 'targets-refused', undefined],
    ],
    [
      'refuse a renewal when none may be written',
      [sights(FOREIGN), { now: day(76) }],
      ['refuse', 'targets-refused', undefined],
    ],
    [
      'refuse no renewal of what another Secret serves',
      [both(FOREIGN, holding()), { now: day(70) }],
      ['issue', 'due', 'due'],
    ],
    [
      'refuse no renewal of what a cluster asked for that is unreadable',
      [
        sights(FOREIGN),
        recorded({ askers: [{ cluster: 'ovh', namespace: 'shop' }] }),
        { unreadableClusters: new Set(['ovh']), now: day(70) },
      ],
      ['issue', 'due', 'due'],
    ],
    [
      'refuse no renewal of what another namespace asked for that is unreadable',
      [
        both(FOREIGN, undefined),
        recorded({ askers: [{ cluster: 'prod', namespace: 'blog' }] }),
        { unreadableClusters: new Set(['prod']), now: day(70) },
      ],
      ['issue', 'due', 'due'],
    ],
    [
      'refuse no renewal where another Secret of the namespace was not looked at',
      [sights(FOREIGN), { unlooked: new Set(['prod/shop']), now: day(70) }],
      ['issue', 'due', 'due'],
    ],
    [
      'refuse the next attempt when none may be written',
      [sights(FOREIGN), recorded({ issued: undefined, failure: failure(day(11)) })],
      ['refuse', 'targets-refused', undefined],
    ],
    [
      'hold the next attempt back while unreadable',
      [sights(UNREADABLE), recorded({ issued: undefined, failure: failure(day(11)) })],
      ['wait', 'targets-unreadable', undefined],
    ],
    [
      'hold an order back while unreadable',
      [NEVER, sights(UNREADABLE)],
      ['wait', 'targets-unreadable', undefined],
    ],
    [
      'hold no renewal back while unreadable',
      [sights(UNREADABLE), { now: day(70) }],
      ['issue', 'due', 'due'],
    ],
    [
      'hold an order back until they are looked at',
      [NEVER, { sights: new Map() }],
      ['wait', 'targets-not-looked-at', undefined],
    ],
    [
      'hold no renewal back until they are looked at',
      [{ sights: new Map(), now: day(70) }],
      ['issue', 'due', 'due'],
    ],
    [
      'hold no open order back',
      [sights(FOREIGN), recorded({ order: ORDER })],
      ['issue', 'order-open', 'resume'],
    ],

    [
      'allow an order when one of two may be written',
      [NEVER, TWO, both(FOREIGN, { state: 'absent' })],
      ['issue', 'missing', 'missing'],
    ],
    [
      'refuse an order when both are foreign',
      [NEVER, TWO, both(FOREIGN, FOREIGN)],
      ['refuse', 'targets-refused', undefined],
    ],
    [
      'hold an order back when one is foreign and one unreadable',
      [NEVER, TWO, both(FOREIGN, UNREADABLE)],
      ['wait', 'targets-unreadable', undefined],
    ],
    [
      'hold an order back when one is foreign and one was not looked at',
      [NEVER, TWO, both(FOREIGN, undefined)],
      ['wait', 'targets-not-looked-at', undefined],
    ],
    [
      'hold an order back when one is unreadable and one was not looked at',
      [NEVER, TWO, both(undefined, UNREADABLE)],
      ['wait', 'targets-unreadable', undefined],
    ],
  ])('%s', ([, differs, expected]) => expect(outcome(...differs)).toEqual(is(expected)));

  test.for<[string, Partial<Facts>, string]>([
    [
      'that is foreign',
      sights(FOREIGN),
      'Secret prod/shop/tls exists and belongs to somebody else',
    ],
    [
      'that is unreadable',
      sights(UNREADABLE),
      'Secret prod/shop/tls cannot be read: forbidden; nothing is ordered',
    ],
  ])('one %s is named', ([, differs, message]) => {
    expect(only(NEVER, differs).message).toContain(message);
  });
});

describe('the versions', () => {
  const TWICE: Partial<Facts> = {
    ...recorded({
      issued: issued({ version: 2, fingerprint: 'f2' }),
      delivered: { version: 2, at: day(1), failed: [] },
    }),
    ...sights(holding({ version: 2, fingerprint: 'f2' })),
  };
  test.for<[string, readonly Partial<Facts>[], Outcome]>([
    ['that are as recorded change nothing', [versions('enabled')], ['keep', 'fresh', undefined]],
    [
      'with a newer one than recorded are looked into',
      [versions('enabled', 'enabled')],
      ['sync', 'version-changed', undefined, 'version-changed'],
    ],
    [
      'whose newest was disabled are looked into',
      [
        versions('disabled', 'enabled'),
        recorded({
          issued: issued({ version: 2 }),
          delivered: { version: 2, at: day(1), failed: [] },
        }),
      ],
      ['sync', 'version-changed', undefined, 'version-changed'],
    ],
    [
      'that nobody made a record of are looked into before any order',
      [versions('enabled'), NEVER],
      ['sync', 'version-changed', undefined, 'version-changed'],
    ],
    [
      'that are all disabled are no certificate',
      [versions('disabled', 'destroyed')],
      ['issue', 'missing', 'missing'],
    ],
    ['that are none are no certificate', [versions(), NEVER], ['issue', 'missing', 'missing']],
    [
      'that are none although one is recorded are not believed',
      [versions()],
      ['keep', 'fresh', undefined],
    ],
    [
      'that are older than the one recorded are not believed',
      [versions('disabled'), TWICE],
      ['keep', 'fresh', undefined],
    ],
    [
      'that are older than the one recorded are no reason to go back',
      [versions('enabled'), TWICE],
      ['keep', 'fresh', undefined],
    ],
    [
      'that are not as recorded hold up no renewal',
      [versions('enabled', 'enabled'), { now: day(70) }],
      ['issue', 'due', 'due', 'version-changed'],
    ],
    [
      'of what nothing wants are looked into all the same',
      [versions('enabled', 'enabled'), UNASKED],
      ['sync', 'version-changed', undefined, 'version-changed'],
    ],
  ])('%s', ([, differs, expected]) => expect(outcome(...differs)).toEqual(is(expected)));
});

describe('what is wanted', () => {
  const gone: Partial<Facts> = { ...UNASKED, configuredClusters: new Set() };
  const unreadable: Partial<Facts> = { ...UNASKED, unreadableClusters: new Set(['prod']) };
  const served: Partial<Facts> = { ...UNASKED, ...sights(holding()) };
  const hidden: Partial<Facts> = { ...UNASKED, ...sights(UNREADABLE, 'prod/shop/other') };
  const elsewhere: Partial<Facts> = { ...UNASKED, ...sights(UNREADABLE, 'prod/blog/other') };
  const anyNamespace = { askers: [{ cluster: 'prod', namespace: '*' }] };
  const never = { issued: undefined, delivered: undefined };
  const late = { now: day(70) };

  test.for<[string, readonly Partial<Facts>[], Outcome]>([
    ['is what a Secret still serves', [served, late], ['issue', 'due', 'due']],
    [
      "is not what a copy says it serves that is nobody's",
      [UNASKED, sights(holding({ installation: undefined })), late],
      ['keep', 'not-wanted', undefined],
    ],
    [
      'is not what a Secret of ours holds that does not say which',
      [UNASKED, sights(holding({ certificate: undefined })), late],
      ['keep', 'not-wanted', undefined],
    ],
    [
      'is not what a Secret of another installation says it serves',
      [UNASKED, sights(holding({ installation: 'other' })), late],
      ['keep', 'not-wanted', undefined],
    ],
    [
      'is what a namespace asked for where a Secret was not looked at',
      [UNASKED, { unlooked: new Set(['prod/shop']) }, late],
      ['issue', 'due', 'due'],
    ],
    [
      'is what any namespace of a cluster asked for where a Secret was not looked at',
      [UNASKED, recorded(anyNamespace), { unlooked: new Set(['prod/blog']) }, late],
      ['issue', 'due', 'due'],
    ],
    [
      'is not what a namespace asked for when it is another where a Secret was not looked at',
      [UNASKED, { unlooked: new Set(['prod/blog', 'ovh/shop']) }, late],
      ['keep', 'not-wanted', undefined],
    ],
    [
      'is what a cluster asked for that is unreadable now',
      [unreadable, late],
      ['issue', 'due', 'due'],
    ],
    [
      'is what a cluster asked for that is gone from the configuration',
      [gone, late],
      ['issue', 'due', 'due'],
    ],
    [
      'is what a namespace asked for in which a Secret is unreadable',
      [hidden, late],
      ['issue', 'due', 'due'],
    ],
    [
      'is what any namespace of a cluster asked for in which a Secret is unreadable',
      [hidden, recorded(anyNamespace), late],
      ['issue', 'due', 'due'],
    ],
    [
      'is not what another namespace asked for',
      [elsewhere, late],
      ['keep', 'not-wanted', undefined],
    ],
    [
      'is what a person asked for',
      [UNASKED, recorded({ manual: manual(), askers: [] }), late],
      ['issue', 'due', 'due'],
    ],
    [
      'is ordered for a person who only stores it',
      [UNASKED, recorded({ ...never, manual: manual(), askers: [] })],
      ['issue', 'missing', 'missing'],
    ],
    [
      'is not ordered for a person whose Secrets are refused',
      [UNASKED, recorded({ ...never, manual: manual(target()), askers: [] })],
      ['refuse', 'targets-refused', undefined],
    ],
    ...[day(10), day(70), day(80)].map((now): [string, readonly Partial<Facts>[], Outcome] => [
      `is not renewed for a person whose Secrets are refused (${now.toISOString()})`,
      [UNASKED, recorded({ manual: manual(target()), askers: [] }), { now }],
      ['refuse', 'targets-refused', undefined],
    ]),
    [
      'is cleaned up for a person whose Secrets are refused',
      [UNASKED, recorded({ manual: manual(target()), askers: [], challenges: [CHALLENGE] })],
      ['refuse', 'targets-refused', 'clean-up'],
    ],
    [
      'is not ordered while who asked is unreadable',
      [unreadable, recorded(never)],
      ['wait', 'targets-unreadable', undefined],
    ],
    [
      'is not ordered when who asked is gone',
      [gone, recorded(never)],
      ['wait', 'targets-unreadable', undefined],
    ],
    [
      'is delivered for a person who only stores it',
      [UNASKED, recorded({ manual: manual(), askers: [], delivered: undefined })],
      ['sync', 'not-delivered', undefined, 'not-delivered'],
    ],
  ])('%s', ([, differs, expected]) => expect(outcome(...differs)).toEqual(is(expected)));

  test('names the Secret that only still serves it, and sync is told when it is behind', () => {
    const entry = only(UNASKED, sights(holding({ fingerprint: 'f0' })));
    expect(entry.targets).toMatchObject([
      { target: target(), asked: false, standing: { state: 'behind' } },
    ]);
    expect(entry.repair).toBe('secret-outdated');
  });

  test('is not what a Secret that may not hold it says it serves', () => {
    const mayHold: Facts['mayHold'] = ({ namespace }) => namespace === 'shop';
    const loot = 'prod/evil/loot';
    const forged = sights(holding({ fingerprint: 'none' }), loot);
    const unwanted = only(UNASKED, recorded({ askers: [] }), forged, { mayHold });
    expect(unwanted).toMatchObject({ action: 'keep', reason: 'not-wanted', targets: [] });
    expect([unwanted.repair, unwanted.askers]).toEqual([undefined, undefined]);

    const both = new Map([...(facts().sights ?? []), ...(forged.sights ?? [])]);
    const wanted = only({ sights: both, mayHold });
    expect(wanted).toMatchObject({ action: 'keep', reason: 'fresh', targets: [{ asked: true }] });
  });

  test('is served by several Secrets, each named once', () => {
    const serving: Facts['sights'] = new Map([
      [KEY, holding()],
      ['prod/shop/two', holding()],
      ['prod/blog/none', { state: 'absent' }],
    ]);
    const { targets } = only({ sights: serving });
    expect(targets.map(({ target: { secret: name }, asked }) => [name, asked])).toEqual([
      ['tls', true],
      ['two', false],
    ]);
  });

  test('is asked for by each of its Secrets that serves it', () => {
    const { targets } = only({
      desired: [desired({ targets: [target(), target({ secret: 'two' })] })],
      sights: new Map([
        [KEY, holding()],
        ['prod/shop/two', holding()],
      ]),
    });
    expect(targets.map(({ target: { secret: name }, asked }) => [name, asked])).toEqual([
      ['tls', true],
      ['two', true],
    ]);
  });

  test('is renewed in one Secret while its successor is being issued for it', () => {
    const successor = desired({ identity: identity({ names: ['new.a.test', 'www.a.test'] }) });
    const entries = plan(facts({ desired: [successor], now: day(70) }));
    expect(entries.map(({ names, action, targets }) => [names, action, targets[0]?.asked])).toEqual(
      [
        [['new.a.test', 'www.a.test'], 'issue', true],
        [['www.a.test'], 'issue', false],
      ],
    );
  });
});

describe('the askers of a record', () => {
  const prodShop = { cluster: 'prod', namespace: 'shop' };
  const many = Array.from({ length: 30 }, (_, index) =>
    target({ namespace: `${'n'.repeat(40)}-${index}` }),
  );

  test.for<[string, readonly Partial<Facts>[], unknown]>([
    [
      'are written when there are none',
      [{ inventory: [], ...sights({ state: 'absent' }) }],
      [prodShop],
    ],
    ['are not written when they are as recorded', [{}], undefined],
    ['are written when one is new', [recorded({ askers: [] })], [prodShop]],
    ['are written when one is gone', [UNASKED], []],
    [
      'stay while their cluster is unreadable',
      [UNASKED, { unreadableClusters: new Set(['prod']) }],
      undefined,
    ],
    ['hold who still serves it', [{ desired: [] }, recorded({ askers: [] })], [prodShop]],
    [
      'are as recorded in whatever order',
      [
        recorded({
          askers: [
            { cluster: 'b', namespace: 'x' },
            { cluster: 'a', namespace: 'x' },
          ],
        }),
        UNASKED,
        { configuredClusters: new Set() },
      ],
      undefined,
    ],
    [
      'too long for a record are as recorded when it names their cluster',
      [
        { desired: [desired({ targets: many })] },
        recorded({ askers: [{ cluster: 'prod', namespace: '*' }] }),
        { sights: new Map() },
      ],
      undefined,
    ],
  ])('%s', ([, differs, expected]) => expect(only(...differs).askers).toEqual(expected));
});

describe('a certificate whose names are unknown', () => {
  const unknown = (differs: Parameters<typeof stored>[0] = {}): Partial<Facts> => ({
    desired: [],
    ...recorded({ identity: nameless, ...differs }),
  });

  test.for<[string, readonly Partial<Facts>[], Outcome]>([
    ['is kept while it is fresh', [unknown()], ['keep', 'fresh', undefined]],
    ['waits when it is due', [unknown(), { now: day(70) }], ['wait', 'names-unknown', undefined]],
    [
      'waits with an open order',
      [unknown({ order: ORDER }), { now: day(70) }],
      ['wait', 'names-unknown', undefined],
    ],
    [
      'says nothing of leftovers that no worker could be sent for',
      [unknown({ challenges: [CHALLENGE] })],
      ['keep', 'fresh', undefined],
    ],
  ])('%s', ([, differs, expected]) => {
    expect(outcome(...differs)).toEqual(is(expected));
    expect(only(...differs).names).toEqual([]);
  });
});

test('a certificate without its names goes on being asked for where it was', () => {
  const open = { ...UNASKED, ...recorded({ identity: nameless, order: ORDER }), now: day(70) };
  expect(only(open)).toMatchObject({ reason: 'names-unknown', askers: undefined });
});

describe('a name in no zone that could be read', () => {
  const isProvable = () => false;
  test.for<[string, readonly Partial<Facts>[], Outcome]>([
    [
      'holds the first order back',
      [NEVER, { isProvable }],
      ['wait', 'zones-unreadable', undefined],
    ],
    ['holds no renewal back', [{ isProvable, now: day(70) }], ['issue', 'due', 'due']],
  ])('%s', ([, differs, expected]) => expect(outcome(...differs)).toEqual(is(expected)));

  test('is named', () => expect(only(NEVER, { isProvable }).message).toContain('www.a.test'));
});

test('a refusal names three Secrets and counts the others', () => {
  const targets = ['a', 'b', 'c', 'd', 'e'].map((name) => target({ secret: name }));
  const foreign = new Map(targets.map(({ secret: name }) => [`prod/shop/${name}`, FOREIGN]));
  const { message } = only(NEVER, { desired: [desired({ targets })], sights: foreign });
  expect(message.match(/Secret prod/g)).toHaveLength(3);
  expect(message).toMatch(/; and 2 more Secrets$/);
});

describe('a Secret that holds something better', () => {
  const both = identity({ names: ['new.a.test', 'www.a.test'] });
  const better = stored(
    { issued: issued({ fingerprint: 'f9', notAfter: day(160) }), delivered: undefined, askers: [] },
    both,
  );
  const held = (differs: Partial<Facts> = {}) => {
    const [entry] = plan(
      facts({
        inventory: [stored(), better],
        ...sights(holding({ certificate: better.id, fingerprint: 'f9' })),
        now: day(80),
        ...differs,
      }),
    ).filter((one) => one.id === id);
    const { action, reason, task, repair, targets } = entry ?? expect.unreachable();
    return [action, reason, task?.reason, repair, targets[0]?.standing.state];
  };

  test.for<[string, Partial<Facts>, readonly unknown[]]>([
    [
      'keeps it until its own certificate is renewed, and sync is told nothing',
      {},
      ['issue', 'emergency', 'emergency', undefined, 'held'],
    ],
    [
      'gets its own while that is not due',
      { now: day(50) },
      ['sync', 'secret-outdated', undefined, 'secret-outdated', 'behind'],
    ],
    [
      'gets its own when nobody knows what it holds',
      { inventory: [stored()] },
      ['issue', 'emergency', 'emergency', 'secret-outdated', 'behind'],
    ],
    [
      'of nobody knows which certificate gets its own',
      sights(holding({ certificate: undefined })),
      ['issue', 'emergency', 'emergency', 'secret-outdated', 'behind'],
    ],
    [
      'gets its own back after somebody wrote into it',
      sights(holding({ fingerprint: 'edited' })),
      ['issue', 'emergency', 'emergency', 'secret-outdated', 'behind'],
    ],
  ])('%s', ([, differs, expected]) => expect(held(differs)).toEqual(expected));
});

describe('a certificate that has expired', () => {
  test('is renewed, and sync is not told to write it anywhere', () =>
    expect(outcome(sights({ state: 'absent' }), { now: day(90) })).toEqual(
      is(['issue', 'emergency', 'emergency']),
    ));

  test('is written for as long as it is good', () =>
    expect(outcome(sights({ state: 'absent' }), { now: later(day(90), -1) })).toEqual(
      is(['issue', 'emergency', 'emergency', 'secret-missing']),
    ));
});
