import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renewal } from '../../shared/domain/renewal.ts';
import { inTurn, type Lookout, looks } from '../../shared/domain/rotation.ts';
import { day, desired, identity, issued, later, stored, target } from './build.ts';

describe('a run', () => {
  const numbers = (count: number) =>
    new Map(Array.from({ length: count }, (_, n) => [String(n), n] as const));
  const reached = (count: number, most: number, turns: readonly number[]) =>
    new Set(turns.flatMap((turn) => inTurn(numbers(count), most, turn))).size;
  const following = (turn: number, count: number) =>
    Array.from({ length: count }, (_, n) => turn + n);

  test.for<[string, number, number, readonly number[]]>([
    ['holds everything when there are as many as it may hold', 4, 7, [0, 1, 2, 3]],
    ['starts at the beginning', 3, 0, [0, 1, 2]],
    ['jumps and wraps around', 3, 1, [2, 3, 0]],
    ['is empty when it may hold nothing', 0, 5, []],
  ])('%s', ([, most, turn, expected]) => expect(inTurn(numbers(4), most, turn)).toEqual(expected));

  test('goes by the keys, in whatever order they come', () => {
    const backwards = new Map([...numbers(4)].reverse());
    expect(inTurn(backwards, 3, 1)).toEqual([2, 3, 0]);
  });

  test('reaches every item within twice as many turns as they fill', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(),
        (count, most, turn) => {
          const turns = following(turn, 2 * Math.ceil(count / most));
          expect(reached(count, most, turns)).toBe(count);
        },
      ),
    );
  });

  const NOVEMBER = 498_000;
  test.for<[string, number, readonly number[]]>([
    ['3400 in the 24 turns of a day', 3400, following(NOVEMBER, 24)],
    ['4800 in 34 turns', 4800, following(NOVEMBER, 34)],
    ['4800 by every second turn', 4800, following(NOVEMBER, 60).map((turn) => 2 * turn)],
    ['4800 by every sixth turn', 4800, following(NOVEMBER, 60).map((turn) => 6 * turn)],
  ])('of 200 reaches %s', ([, count, turns]) => expect(reached(count, 200, turns)).toBe(count));

  test('reaches what was there first while one item comes in each turn, wherever it lies', () => {
    const items = new Map(Array.from({ length: 3300 }, (_, n) => [`item-${n}`, n]));
    const seen = new Set<number>();
    for (const turn of following(NOVEMBER, 24)) {
      for (const item of inTurn(items, 200, turn)) seen.add(item);
      items.set(`${turn % 2 ? 'a' : 'z'}-${turn}`, -turn);
    }
    expect([...seen].filter((item) => item >= 0)).toHaveLength(3300);
  });
});

describe('the Secrets to look at', () => {
  const HORIZON = 3_600_000;
  const SHOP = 'prod/shop';
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
    looks(lookout(differs)).targets.map(({ secret }) => secret);

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

  const left = (namespace: string) => target({ namespace, secret: 'left' });
  const asks = (namespace: string) => ({ askers: [{ cluster: 'prod', namespace }] });
  const gone = (namespace: string) => {
    const { id, record } = stored(asks(namespace), identity({ names: ['gone.a.test'] }));
    return [id, { ...stored(), id, record }] as const;
  };
  const manyPlaces = Array.from({ length: 30 }, (_, n) =>
    target({ namespace: `${'n'.repeat(40)}-${n}`, secret: 'tls' }),
  );
  const orderly = [of({}, healthy), of({})] as const;
  const refused = of({ delivered: { version: 1, at: day(0), failed: ['Secret x is foreign'] } });

  test.for<[string, Partial<Lookout>, readonly string[]]>([
    [
      'where something is not asked for any more go before the others',
      { bystanders: [left('shop')], inventory: new Map([...orderly, gone('shop')]) },
      ['left'],
    ],
    [
      'in a cluster of which a record names no namespaces go before the others',
      { bystanders: [left('shop')], inventory: new Map([...orderly, gone('*')]) },
      ['left'],
    ],
    [
      'where everything is asked for as it was do not',
      { bystanders: [left('shop')], inventory: new Map([...orderly, gone('blog')]) },
      ['healthy.a.test'],
    ],
    [
      'where the record holds no more than their cluster do not',
      {
        desired: [desired({ targets: manyPlaces }), healthy],
        bystanders: [left('shop')],
        inventory: new Map([of({}, healthy), of(asks('*'), desired())]),
      },
      ['tls'],
    ],
    [
      'which refused something go before the others there',
      { inventory: new Map([of({}, healthy), refused, gone('shop')]) },
      ['other.a.test'],
    ],
    [
      'which have what they ask for are no others',
      { inventory: new Map([...orderly, gone('shop')]) },
      ['healthy.a.test'],
    ],
  ])('%s', ([, differs, expected]) => expect(names(differs)).toEqual(expected));

  test.for<[string, Partial<Lookout>, readonly string[]]>([
    ['nowhere when all have what they ask for', {}, []],
    ['where one is never delivered', { inventory: new Map([of({}, healthy)]), most: 0 }, [SHOP]],
    ['where one refused', { inventory: new Map([of({}, healthy), refused]), most: 0 }, [SHOP]],
    ['where nothing asks for one', { bystanders: [left('blog')], most: 0 }, ['prod/blog']],
    ['nowhere when all were looked at', { bystanders: [left('blog')], most: 3 }, []],
  ])('that were left out may serve something old %s', ([, differs, expected]) =>
    expect([...looks(lookout(differs)).unlooked]).toEqual(expected),
  );

  test('of one namespace, too many for one turn, do not keep what nobody asks for there any more, and are all looked at in turn', () => {
    const many = Array.from({ length: 1001 }, (_, n) => target({ secret: `tls-${n}` }));
    const big = desired({ targets: many });
    const seen = new Set<string>();
    for (const turn of [0, 1, 2]) {
      const { targets, unlooked } = looks(
        lookout({
          ...{ desired: [big], most: 1000, turn },
          inventory: new Map([[big.id, stored()], gone('shop')]),
        }),
      );
      expect(targets).toHaveLength(1000);
      expect([...unlooked]).toEqual([]);
      for (const { secret } of targets) seen.add(secret);
    }
    expect(seen.size).toBe(1001);
  });
});
