import { describe, expect, test } from 'vitest';
import { isOwn, isRecordOf, isWanted, newRecord } from '../../shared/domain/record.ts';
import { day, identity, record, stored, target } from './build.ts';

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

const other = (differs: Parameters<typeof identity>[0]) =>
  newRecord(identity(differs), NOBODY).identity;

test.for<[string, Partial<ReturnType<typeof record>>, boolean]>([
  ['that nobody edited is', {}, true],
  ['with names that did not fit is', { identity: { ...other({}), names: undefined } }, true],
  ['with other names is not', { identity: other({ names: ['x.a.test'] }) }, false],
  ['with another issuer is not', { identity: other({ issuer: 'staging' }) }, false],
  ['with another key type is not', { identity: other({ keyType: 'rsa-2048' }) }, false],
  ['with the digest of others is not', { identity: { ...other({}), namesDigest: '0' } }, false],
])('a record %s its own', ([, differs, expected]) => {
  expect(isOwn(stored().id, record(differs))).toBe(expected);
});

describe('a certificate is wanted', () => {
  const manual = { targets: [], by: 'ops@a.test', at: day(1) };
  test.for<[string, Parameters<typeof record>[0], boolean]>([
    ['while a namespace asks for it', {}, true],
    ['while a person does', { askers: [], manual }, true],
    ['by nobody else', { askers: [] }, false],
  ])('%s', ([, differs, expected]) => expect(isWanted(record(differs))).toBe(expected));
});
