import { describe, expect, test } from 'vitest';
import { isRecordOf, newRecord } from '../../shared/domain/record.ts';
import { day, identity, target } from './build.ts';

const NOBODY = { askers: [], manual: undefined };

/** Names whose JSON is `length` characters long. */
const namesOf = (length: number) => [`${'a'.repeat(length - '[".test"]'.length)}.test`];

describe('a new record', () => {
  test('knows what it is and who asks, and nothing else', () => {
    const asked = {
      askers: [{ cluster: 'prod', namespace: 'shop' }],
      manual: { targets: [target()], by: 'ops@a.test', at: day(1) },
    };
    expect(newRecord(identity(), asked)).toEqual({
      identity: {
        names: ['www.a.test'],
        namesDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
        issuer: 'production',
        keyType: 'ec-p256',
      },
      ...asked,
      lease: undefined,
      order: undefined,
      challenges: [],
      issued: undefined,
      failure: undefined,
      delivered: undefined,
    });
  });

  test.for<[string, number, boolean]>([
    ['holds names of 2 KiB', 2048, true],
    ['leaves longer ones to their digest', 2049, false],
  ])('%s', ([, length, held]) => {
    const names = namesOf(length);
    const made = newRecord(identity({ names }), NOBODY);
    expect(JSON.stringify(names)).toHaveLength(length);
    expect(made.identity.names).toEqual(held ? names : undefined);
    expect(isRecordOf(made, identity({ names }))).toBe(true);
  });
});

test.for<[string, Parameters<typeof identity>[0], boolean]>([
  ['is of its own identity', {}, true],
  ['is not of other names', { names: ['x.a.test'] }, false],
  ['is not of another issuer', { issuer: 'staging' }, false],
  ['is not of another key type', { keyType: 'rsa-2048' }, false],
])('a record %s', ([, differs, expected]) => {
  expect(isRecordOf(newRecord(identity(), NOBODY), identity(differs))).toBe(expected);
});
