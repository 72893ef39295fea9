import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  challengeName,
  isChallengeName,
  NEW_SET_TTL,
  quoted,
  type TxtSet,
  txtChange,
  unquoted,
  zonesFor,
} from '../../shared/domain/challenge.ts';

describe('the name that proves', () => {
  test.for<[string, string, string]>([
    ['a name stands below itself', 'www.a.test', '_acme-challenge.www.a.test'],
    ['a wildcard stands below its parent', '*.a.test', '_acme-challenge.a.test'],
  ])('%s', ([, name, owner]) => {
    expect(challengeName(name)).toBe(owner);
    expect(isChallengeName(owner)).toBe(true);
  });

  test.for([
    'www.a.test',
    '_acme-challenge',
    '_acme-challengex.a.test',
    'x._acme-challenge.a.test',
  ])('%s is none', (owner) => expect(isChallengeName(owner)).toBe(false));
});

describe('the zones of a name', () => {
  const zone = (dnsName: string, zone = dnsName) => ({ dnsName, zone });

  test('come longest first, every one of the same name among them', () => {
    const zones = [zone('a.test'), zone('b.a.test', 'one'), zone('b.a.test', 'two'), zone('test')];
    expect(zonesFor(zones, '_acme-challenge.b.a.test').map((found) => found.zone)).toEqual([
      'one',
      'two',
      'a.test',
      'test',
    ]);
  });

  test.for<[string, string, number]>([
    ['a zone holds its own name', 'a.test', 1],
    ['a zone holds the names below it', 'x.y.a.test', 1],
    ['a zone does not hold a name that merely ends like it', 'ba.test', 0],
    ['a zone does not hold its parent', 'test', 0],
  ])('%s', ([, owner, count]) => {
    expect(zonesFor([zone('a.test')], owner)).toHaveLength(count);
  });
});

describe('the change of a TXT set', () => {
  const set = (values: readonly string[], ttl = 300): TxtSet => ({ ttl, values });

  test.for<
    [string, TxtSet | undefined, readonly string[], readonly string[], ReturnType<typeof txtChange>]
  >([
    [
      'makes a set with our own TTL',
      undefined,
      ['x', 'y'],
      [],
      { deletion: undefined, addition: set(['"x"', '"y"'], NEW_SET_TTL) },
    ],
    [
      'adds to a foreign set and keeps its TTL and spelling',
      set(['foreign text']),
      ['x'],
      [],
      { deletion: set(['foreign text']), addition: set(['foreign text', '"x"']) },
    ],
    ['is none when the value is there', set(['"x"']), ['x'], [], undefined],
    ['is none when the value is there without quotes', set(['x']), ['x'], [], undefined],
    ['is none when the value is there in parts', set(['"ab" "cd"']), ['abcd'], [], undefined],
    [
      'takes ours out and keeps the rest',
      set(['"x"', '"foreign"']),
      [],
      ['x'],
      { deletion: set(['"x"', '"foreign"']), addition: set(['"foreign"']) },
    ],
    [
      'takes a set away with its last value',
      set(['x']),
      [],
      ['x'],
      { deletion: set(['x']), addition: undefined },
    ],
    ['is none when there is nothing to take out', set(['"foreign"']), [], ['x'], undefined],
    ['is none when there is no set to take out of', undefined, [], ['x'], undefined],
    ['keeps what is both added and removed', set(['"x"']), ['x'], ['x'], undefined],
    [
      'swaps values in one change',
      set(['"old"']),
      ['new'],
      ['old'],
      { deletion: set(['"old"']), addition: set(['"new"']) },
    ],
    [
      'adds a value once that is wanted twice',
      undefined,
      ['x', 'x'],
      [],
      { deletion: undefined, addition: set(['"x"'], NEW_SET_TTL) },
    ],
  ])('%s', ([, current, add, remove, expected]) => {
    expect(txtChange(current, add, remove)).toEqual(expected);
  });

  const texts = fc.array(fc.string({ maxLength: 300 }), { maxLength: 5 });
  const sets = fc.option(
    fc.record({ ttl: fc.nat(), values: texts.map((list) => [...new Set(list.map(quoted))]) }),
    { nil: undefined },
  );
  const outcome = (current: TxtSet | undefined, change: ReturnType<typeof txtChange>) =>
    change ? change.addition : current;

  test('leaves every wanted value there, no removed one, and all that is foreign', () => {
    fc.assert(
      fc.property(sets, texts, texts, (current, add, remove) => {
        const left = outcome(current, txtChange(current, add, remove))?.values ?? [];
        const plain = new Set(left.map(unquoted));
        for (const value of add) expect(plain).toContain(value);
        for (const value of remove) if (!add.includes(value)) expect(plain).not.toContain(value);
        for (const value of current?.values ?? [])
          if (!remove.includes(unquoted(value))) expect(left).toContain(value);
        expect(left.length).toBe(plain.size);
      }),
    );
  });

  test('is none the second time', () => {
    fc.assert(
      fc.property(sets, texts, texts, (current, add, remove) => {
        const left = outcome(current, txtChange(current, add, remove));
        expect(txtChange(left, add, remove)).toBeUndefined();
      }),
    );
  });

  test('deletes exactly what was read, or nothing', () => {
    fc.assert(
      fc.property(sets, texts, texts, (current, add, remove) => {
        const change = txtChange(current, add, remove);
        if (change) expect(change.deletion).toBe(current);
      }),
    );
  });
});

describe('presentation format', () => {
  test.for<[string, string, string]>([
    ['quotes', '"abc"', 'abc'],
    ['no quotes', 'abc', 'abc'],
    ['several strings', '"ab" "cd"', 'abcd'],
    ['several bare strings', 'ab cd', 'abcd'],
    ['an escaped quote', '"a\\"b"', 'a"b'],
    ['an escaped backslash', '"a\\\\b"', 'a\\b'],
    ['an octet in decimal', '"a\\032b\\065"', 'a bA'],
    ['an escape outside quotes', 'a\\ b', 'a b'],
    ['a space inside quotes', '"a b"', 'a b'],
    ['an empty string', '""', ''],
    ['nothing', '', ''],
  ])('reads %s', ([, value, text]) => expect(unquoted(value)).toBe(text));

  test.for<[string, string, string]>([
    ['quotes', 'abc', '"abc"'],
    ['escapes', 'a"b\\c', '"a\\"b\\\\c"'],
    ['an empty text', '', '""'],
    ['255 octets as one string', 'x'.repeat(255), `"${'x'.repeat(255)}"`],
    ['256 octets as two', 'x'.repeat(256), `"${'x'.repeat(255)}" "x"`],
  ])('writes %s', ([, text, value]) => expect(quoted(text)).toBe(value));

  test('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 600 }), (text) => {
        expect(unquoted(quoted(text))).toBe(text);
      }),
    );
  });
});
