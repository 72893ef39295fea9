import { describe, expect, test } from 'vitest';
import {
  isAskable,
  isOwn,
  isRecordOf,
  isWanted,
  keyed,
  newRecord,
  type SavedOrder,
} from '../../shared/domain/record.ts';
import { day, identity, later, record, stored, target } from './build.ts';

const NOBODY = { askers: [], manual: undefined };

/** Names whose JSON is `length` characters long. */

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
});

test.for<[string, Parameters<typeof identity>[0], boolean]>([
  ['is of its own identity', {}, true],
  ['is not of other names', { names: ['x.a.test'] }, false],
  ['is not of another issuer', { issuer: 'staging' }, false],
  ['is not of another key type', { keyType: 'rsa-2048' }, false],
])('a record %s', ([, differs, expected]) => {
  expect(isRecordOf(newRecord(identity(), NOBODY), identity(differs))).toBe(expected);
});

test.for<[string, Parameters<typeof identity>[0], boolean]>([
  ['is of the names that it lacks', {}, true],
  ['is of no others', { names: ['x.a.test'] }, false],
])('a record without its names %s', ([, differs, expected]) => {
  const nameless = record({ identity: { ...other({}), names: undefined } });
  expect(isRecordOf(nameless, identity(differs))).toBe(expected);
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

test('the key of an order is recorded with it, and nowhere without one', () => {
  const order = { url: 'https://ca.test/order/1', after: 0 };
  expect(keyed(record({ order }), 3)).toEqual(record({ order: { ...order, key: 3 } }));
  expect(keyed(record(), 3)).toEqual(record());
});

describe('a saved order', () => {
  const DIRECTORY = 'https://ca.test/directory';
  const order: SavedOrder = {
    url: 'https://orders.ca.test/1',
    after: 0,
    at: day(0),
    directory: DIRECTORY,
  };

  test.for<[string, Partial<SavedOrder>, Date, boolean]>([
    ['is asked for at its directory, whatever host its URL is on', {}, day(1), true],
    ['is not asked for at another', { directory: 'https://ca.test/other' }, day(1), false],
    ['of an earlier program is taken for one of this', { directory: undefined }, day(1), true],
    ['is asked for until it is a week old', {}, later(day(7), -1), true],
    ['is not asked for from then on', {}, day(7), false],
    ['of an earlier program is not either', { directory: undefined }, day(7), false],
    ['whose age nobody knows is not asked for', { at: undefined }, day(0), false],
  ])('%s', ([, differs, now, expected]) => {
    expect(isAskable({ ...order, ...differs }, DIRECTORY, now)).toBe(expected);
  });
});
