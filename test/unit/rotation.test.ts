import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renewal } from '../../shared/domain/renewal.ts';
import { inTurn, type Lookout, targetsToLookAt } from '../../shared/domain/rotation.ts';
import { day, desired, identity, issued, later, stored, target } from './build.ts';

describe('a run', () => {
  test.for<[string, number, number, readonly number[]]>([
    ['holds everything when there are as many as it may hold', 4, 7, [0, 1, 2, 3]],
    ['starts at the beginning', 3, 0, [0, 1, 2]],
    ['moves on and wraps around', 3, 1, [3, 0, 1]],
    ['is empty when it may hold nothing', 0, 5, []],
  ])('%s', ([, most, turn, expected]) =>
    expect(inTurn([0, 1, 2, 3], most, turn)).toEqual(expected),
  );

  test('reaches every item within as many turns as are needed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(),
        (count, most, turn) => {
          const items = Array.from({ length: count }, (_, index) => index);
          const turns = Array.from({ length: Math.ceil(count / most) }, (_, index) => turn + index);
          expect(new Set(turns.flatMap((of) => inTurn(items, most, of))).size).toBe(count);
        },
      ),
    );
  });
});

describe('the Secrets to look at', () => {
  const HORIZON = 3_600_000;
  const certificate = (name: string) =>
    desired({ identity: identity({ names: [name] }), targets: [target({ secret: name })] });
  const [healthy, other] = [certificate('healthy.a.test'), certificate('other.a.test')];
  const of = (differs: Parameters<typeof stored>[0], { identity: mine } = other) => {
    const record = stored(differs, mine);
    return [record.id, record] as const;
  };
  const lookout = (differs: Partial<Lookout> = {}): Lookout => ({
    desired: [healthy, other],
    inventory: new Map([of({}, healthy), of({})]),
    bystanders: [],
    now: day(10),
    horizonMs: HORIZON,
    most: 1,
    turn: 0,
    ...differs,
  });
  const names = (differs: Partial<Lookout>) =>
    targetsToLookAt(lookout(differs)).map(({ secret }) => secret);

  test.for<[string, Partial<Lookout>, readonly string[]]>([
    ['are any when nothing is urgent', {}, ['healthy.a.test']],
    ['come in turn', { turn: 1 }, ['other.a.test']],
    [
      'are first those without a record',
      { inventory: new Map([of({}, healthy)]) },
      ['other.a.test'],
    ],
    [
      'are first those never issued',
      { inventory: new Map([of({}, healthy), of({ issued: undefined })]) },
      ['other.a.test'],
    ],
    [
      'are first those never delivered',
      { inventory: new Map([of({}, healthy), of({ delivered: undefined })]) },
      ['other.a.test'],
    ],
    [
      'are first those with a version that is not delivered',
      { inventory: new Map([of({}, healthy), of({ issued: issued({ version: 2 }) })]) },
      ['other.a.test'],
    ],
    [
      'are first those in an emergency',
      { inventory: new Map([of({}, healthy), of({ issued: issued({ notAfter: day(12) }) })]) },
      ['other.a.test'],
    ],
    [
      'hold the others after the urgent ones',
      { inventory: new Map([of({}, healthy)]), most: 2 },
      ['other.a.test', 'healthy.a.test'],
    ],
    [
      'hold Secrets that only still serve after those that are asked for',
      { most: 3, bystanders: [target({ secret: 'left' })] },
      ['healthy.a.test', 'other.a.test', 'left'],
    ],
    [
      'are each looked at once',
      { most: 9, inventory: new Map(), bystanders: [target({ secret: 'other.a.test' })] },
      ['healthy.a.test', 'other.a.test'],
    ],
    [
      'leave a quarter to what is not urgent',
      {
        inventory: new Map([of({}, healthy)]),
        desired: [
          healthy,
          desired({ targets: ['a', 'b', 'c', 'd', 'e'].map((secret) => target({ secret })) }),
        ],
        most: 4,
      },
      ['a', 'b', 'c', 'healthy.a.test'],
    ],
    ['take turns even when all are urgent', { inventory: new Map(), turn: 1 }, ['other.a.test']],
  ])('%s', ([, differs, expected]) => expect(names(differs)).toEqual(expected));

  test('are urgent from one horizon before the renewal on', () => {
    const inventory = new Map([of({ issued: issued({ notAfter: day(900) }) }, healthy), of({})]);
    const { at } = renewal(issued(), day(10));
    const now = later(at, -HORIZON);
    expect(names({ inventory, now })).toEqual(['other.a.test']);
    expect(names({ inventory, now: later(now, -1) })).toEqual(['healthy.a.test']);
  });
});
