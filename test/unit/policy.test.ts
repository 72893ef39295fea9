import { expect, test } from 'vitest';
import { type AllowRule, isAllowed } from '../../shared/domain/policy.ts';

const rule = (differs: Partial<AllowRule> = {}): AllowRule => ({
  namespaces: ['shop'],
  names: ['a.test'],
  wildcards: false,
  ...differs,
});

test.for<[string, readonly AllowRule[] | undefined, string, boolean]>([
  ['gives the name of a rule', [rule()], 'a.test', true],
  ['gives what is below it', [rule()], 'x.y.a.test', true],
  ['does not give what only ends like it', [rule()], 'ba.test', false],
  ['does not give its parent', [rule({ names: ['x.a.test'] })], 'a.test', false],
  ['does not give another name', [rule()], 'b.test', false],
  ['gives nothing to another namespace', [rule({ namespaces: ['blog'] })], 'a.test', false],
  [
    'gives it to one of several namespaces',
    [rule({ namespaces: ['blog', 'shop'] })],
    'a.test',
    true,
  ],
  ['gives it to every namespace', [rule({ namespaces: ['*'] })], 'a.test', true],
  ['gives every name', [rule({ names: ['*'] })], 'b.test', true],
  ['gives no wildcard on its own', [rule()], '*.a.test', false],
  ['gives no wildcard with every name', [rule({ names: ['*'] })], '*.a.test', false],
  ['gives the wildcard of a name', [rule({ wildcards: true })], '*.a.test', true],
  ['gives a wildcard below a name', [rule({ wildcards: true })], '*.x.a.test', true],
  [
    'does not give the wildcard above a name',
    [rule({ names: ['x.a.test'], wildcards: true })],
    '*.a.test',
    false,
  ],
  ['gives exact names with wildcards too', [rule({ wildcards: true })], 'x.a.test', true],
  [
    'takes no half from each of two rules',
    [rule({ namespaces: ['blog'], wildcards: true }), rule()],
    '*.a.test',
    false,
  ],
  ['asks every rule', [rule({ names: ['b.test'] }), rule()], 'a.test', true],
  ['gives nothing with an empty list', [], 'a.test', false],
  ['gives every exact name without rules', undefined, 'b.test', true],
  ['gives no wildcard without rules', undefined, '*.a.test', false],
])('%s', ([, rules, name, expected]) => expect(isAllowed(rules, 'shop', name)).toBe(expected));
