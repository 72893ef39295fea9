import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, isWithin, nameSet, parentOf, parseName } from '../../shared/domain/names.ts';
import { dnsNames } from './arbitrary.ts';

const letters = (count: number) => 'a'.repeat(count);
const LONGEST = [63, 63, 63, 61].map(letters).join('.');

describe('the normal form of a host', () => {
  test.for<[string, string, string]>([
    ['stays as it is', 'www.a.test', 'www.a.test'],
    ['is lower-case', 'WWW.A.Test', 'www.a.test'],
    ['has no last dot', 'www.a.test.', 'www.a.test'],
    ['keeps a wildcard', '*.A.test.', '*.a.test'],
    ['is an A-label for an IDN', 'bücher.test', 'xn--bcher-kva.test'],
    ['is an A-label below a wildcard', '*.Bücher.test', '*.xn--bcher-kva.test'],
    ['is the same for an A-label', 'xn--bcher-kva.test', 'xn--bcher-kva.test'],
    ['has ASCII dots', 'bücher。test', 'xn--bcher-kva.test'],
    ['may hold digits and hyphens', '1-2.3a.test', '1-2.3a.test'],
    ['may have a label of 63 characters', `${letters(63)}.test`, `${letters(63)}.test`],
    ['may be 253 characters long', LONGEST, LONGEST],
    [
      'may be 253 characters long with a wildcard',
      `*.${LONGEST.slice(2)}`,
      `*.${LONGEST.slice(2)}`,
    ],
  ])('%s', ([, host, name]) => expect(parseName(host)).toEqual({ name }));

  test.for<[string, string, string]>([
    ['an IPv4 address', '10.0.0.1', 'is an IP address'],
    ['an IPv4 address with a last dot', '10.0.0.1.', 'is an IP address'],
    ['an IPv4 address in hex', '10.0.0.0x1', 'is not a valid DNS name'],
    ['an IPv6 address', '2001:db8::1', 'is an IP address'],
    ['an IPv6 address in brackets', '[::1]', 'is an IP address'],
    ['a host with a port', 'a.test:443', 'is an IP address'],
    ['a name with a number as its last label', 'a.123', 'is an IP address'],
    ['nothing', '', 'is empty'],
    ['a dot', '.', 'is empty'],
    ['an empty label', 'a..test', 'has an empty label'],
    ['an empty first label', '.a.test', 'has an empty label'],
    ['two last dots', 'a.test..', 'has an empty label'],
    ['an empty label that only IDNA sees', 'a.test。。', 'is not a valid DNS name'],
    ['a bare wildcard', '*', 'may have a * only as its whole first label'],
    ['a wildcard of nothing', '*.', 'may have a * only as its whole first label'],
    ['a wildcard in the middle', 'a.*.test', 'may have a * only as its whole first label'],
    [
      'a wildcard that is part of a label',
      'w*.a.test',
      'may have a * only as its whole first label',
    ],
    ['two wildcards', '*.*.a.test', 'may have a * only as its whole first label'],
    ['an underscore', '_acme-challenge.a.test', 'has an underscore'],
    ['a single label', 'localhost', 'needs at least two labels'],
    ['a wildcard of a single label', '*.test', 'needs at least two labels'],
    ['a label that starts with a hyphen', '-a.test', 'is not a valid DNS name'],
    ['a label that ends with a hyphen', 'a-.test', 'is not a valid DNS name'],
    ['a label of 64 characters', `${letters(64)}.test`, 'is not a valid DNS name'],
    ['254 characters', `a${LONGEST}`.replace(/^a{64}/, `${letters(62)}.a`), 'is longer than 253'],
    ['254 characters with a wildcard', `*.${LONGEST.slice(1)}`, 'is longer than 253'],
    ['a path', 'a.test/x', 'is not a valid DNS name'],
    ['a path that hides the domain', 'a\\.test', 'is not a valid DNS name'],
    ['a query', 'a.test?x', 'is not a valid DNS name'],
    ['a fragment', 'a.test#x', 'is not a valid DNS name'],
    ['a user', 'u@a.test', 'is not a valid DNS name'],
    ['a percent-encoded letter', '%61.test', 'is not a valid DNS name'],
    ['a blank', 'a b.test', 'is not a valid DNS name'],
    ['a line break', 'a.test\n', 'is not a valid DNS name'],
    ['a wildcard in full width', '＊.a.test', 'is not a valid DNS name'],
    ['an underscore in full width', 'a＿b.test', 'is not a valid DNS name'],
  ])('refuses %s', ([, host, problem]) =>
    expect(parseName(host)).toEqual({ problem: expect.stringContaining(problem) }),
  );

  test('is its own normal form, whatever it was made from', () => {
    const characters = fc.constantFrom(...'aA9-_.*/%:@ \t\n\\#?[]ßüİ。．＊＿٣\u00ad\u200d😀');
    const labels = fc.oneof(
      fc.string({ unit: characters, maxLength: 5 }),
      fc.constantFrom('xn--a', '*', '0x1'),
    );
    const hosts = fc.array(labels, { maxLength: 4 }).map((parts) => parts.join('.'));
    fc.assert(
      fc.property(hosts, (host) => {
        const parsed = parseName(host);
        if ('problem' in parsed) return;
        expect(parseName(parsed.name)).toEqual(parsed);
        expect(parsed.name).toMatch(/^(\*\.)?([a-z0-9-]{1,63}\.)+[a-z0-9-]{1,63}$/);
      }),
    );
  });
});

describe('a pattern', () => {
  test.for<[string, string, string, boolean]>([
    ['covers itself', 'a.test', 'a.test', true],
    ['covers itself as a wildcard', '*.a.test', '*.a.test', true],
    ['covers a name directly below', '*.a.test', 'x.a.test', true],
    ['does not cover its parent', '*.a.test', 'a.test', false],
    ['does not cover two labels', '*.a.test', 'x.y.a.test', false],
    ['does not cover what only ends like it', '*.a.test', 'x.ba.test', false],
    ['without a star covers nothing below', 'a.test', 'x.a.test', false],
    ['does not cover a wildcard below', '*.a.test', '*.x.a.test', false],
    ['without a star covers no wildcard', 'x.a.test', '*.a.test', false],
  ])('%s', ([, pattern, name, expected]) => expect(covers(pattern, name)).toBe(expected));
});

describe('a suffix', () => {
  test.for<[string, string, boolean]>([
    ['holds itself', 'a.test', true],
    ['holds what is below', 'x.y.a.test', true],
    ['holds its wildcard', '*.a.test', true],
    ['does not hold what only ends like it', 'ba.test', false],
    ['does not hold its parent', 'test', false],
  ])('%s', ([, name, expected]) => expect(isWithin('a.test', name)).toBe(expected));

  test('is what all but the first label make', () => expect(parentOf('*.a.test')).toBe('a.test'));
});

describe('a set of names', () => {
  test.for<[string, readonly string[], readonly string[]]>([
    ['is sorted', ['b.test', 'a.test'], ['a.test', 'b.test']],
    ['holds each once', ['a.test', 'a.test'], ['a.test']],
    ['drops what its wildcard covers', ['x.a.test', '*.a.test'], ['*.a.test']],
    ['keeps the parent of a wildcard', ['a.test', '*.a.test'], ['*.a.test', 'a.test']],
    ['keeps what is deeper', ['x.y.a.test', '*.a.test'], ['*.a.test', 'x.y.a.test']],
    ['may be empty', [], []],
  ])('%s', ([, names, expected]) => expect(nameSet(names)).toEqual(expected));

  test('is the same for any order and when made again, and covers every name', () => {
    fc.assert(
      fc.property(fc.array(dnsNames), (names) => {
        const set = nameSet(names);
        expect(nameSet(set)).toEqual(set);
        expect(nameSet(names.toReversed())).toEqual(set);
        for (const name of names) expect(set.some((kept) => covers(kept, name))).toBe(true);
      }),
    );
  });
});
