import { expect, test } from 'vitest';
import { cutIn, problemsIn, type ServerAnswer } from '../../../shared/adapters/dns-lookup.ts';

const FOUR = '192.0.2.1';
const SIX = '2001:db8::1';

const good = (server: string, address: string): ServerAnswer => ({
  ...{ server, address },
  ...{ problem: undefined, zone: 'a.test', isOutOfReach: false },
});
const lacking = (server: string, address: string) => ({
  ...good(server, address),
  problem: 'lacks 1 of 1 values',
});
const silent = (server: string, address: string) => ({
  ...good(server, address),
  ...{ problem: 'does not answer', isOutOfReach: true },
});
const nameless = { ...silent('b', ''), address: undefined, problem: 'has no address' };

test.for<[string, readonly ServerAnswer[], readonly string[]]>([
  ['nothing is wrong where all answer', [good('a', FOUR), good('a', SIX), good('b', FOUR)], []],
  [
    'one address that lacks a value is named',
    [good('a', FOUR), lacking('a', SIX)],
    [`a (${SIX}): lacks 1 of 1 values`],
  ],
  [
    'a silent server is named',
    [good('a', FOUR), silent('b', FOUR)],
    [`b (${FOUR}): does not answer`],
  ],
  ['a server without an address is named', [good('a', FOUR), nameless], ['b: has no address']],
  [
    'a machine without IPv6 judges by IPv4',
    [good('a', FOUR), silent('a', SIX), good('b', FOUR), silent('b', SIX)],
    [],
  ],
  [
    'one IPv6 address that answers proves that the others are silent',
    [good('a', FOUR), good('a', SIX), good('b', FOUR), silent('b', SIX)],
    [`b (${SIX}): does not answer`],
  ],
  [
    'a server with IPv6 alone is a problem for a machine without it',
    [good('a', FOUR), silent('a', SIX), silent('b', SIX)],
    [`b (${SIX}): does not answer`],
  ],
  [
    'a machine that reaches nothing names everything',
    [silent('a', FOUR), silent('a', SIX)],
    [`a (${FOUR}): does not answer`, `a (${SIX}): does not answer`],
  ],
])('%s', ([, answers, expected]) => {
  expect(problemsIn(answers)).toEqual(expected);
});

const SUB = 'sub.a.test';
const referring = (zone: string | undefined): ServerAnswer => ({
  ...good('a', FOUR),
  ...{ problem: 'is no authority for the name', zone },
});

test.for<[string, readonly ServerAnswer[], string | undefined]>([
  ['is found where all servers refer to it', [referring(SUB), referring(SUB)], SUB],
  ['is found where they serve it themselves', [{ ...good('a', FOUR), zone: SUB }], SUB],
  ['is found whoever is out of reach', [silent('b', FOUR), referring(SUB)], SUB],
  ['is none while one server is without it', [referring(SUB), good('b', FOUR)], undefined],
  ['is none where the zone has the name itself', [good('a', FOUR)], undefined],
  ['is none where the servers name no zone', [referring(undefined)], undefined],
  ['is none where they name another branch', [referring('other.a.test')], undefined],
  ['is none where they name the parent', [referring('test')], undefined],
  ['is none where they name what is not below the zone', [referring('x.test')], undefined],
  ['is unknown where nobody can be reached', [silent('a', FOUR), nameless], undefined],
  ['is unknown without servers', [], undefined],
])('a cut %s', ([, answers, expected]) => {
  expect(cutIn(answers, 'a.test', '_acme-challenge.www.sub.a.test')).toBe(expected);
});

test('a cut is none where the owner alone looks alike', () => {
  expect(cutIn([referring(SUB)], 'a.test', '_acme-challenge.xsub.a.test')).toBeUndefined();
});

test('a cut may be at the owner itself', () => {
  expect(cutIn([referring(SUB)], 'a.test', SUB)).toBe(SUB);
});
