import { expect, test } from 'vitest';
import { problemsIn, type ServerAnswer } from '../../../shared/adapters/dns-lookup.ts';

const FOUR = '192.0.2.1';
const SIX = '2001:db8::1';

const good = (server: string, address: string): ServerAnswer => ({
  ...{ server, address },
  ...{ problem: undefined, isOutOfReach: false },
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
