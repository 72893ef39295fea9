import { expect, test } from 'vitest';
import { type PushedMessage, parseSyncMessage } from '../../functions/sync-message.ts';

const ID = 'a-test-0123456789abcdef';
const SECRET = `projects/123456789012/secrets/herd-cert-${ID}`;
const TARGET = { cluster: 'prod', namespace: 'web', secret: 'tls' };

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');

/** Secret Manager's event of a new version 7; each case states only what differs. */
const event = (differs: Readonly<Record<string, string>> = {}): PushedMessage => ({
  attributes: {
    eventType: 'SECRET_VERSION_ADD',
    dataFormat: 'JSON_API_V1',
    secretId: SECRET,
    versionId: `${SECRET}/versions/7`,
    timestamp: '2026-11-21T10:00:00Z',
    ...differs,
  },
  data: base64({ name: `${SECRET}/versions/7` }),
});

/** A repair of one target. */
const repair = (
  differs: Readonly<Record<string, string>> = {},
  data: string | undefined = base64({ targets: [TARGET] }),
): PushedMessage => ({
  attributes: { eventType: 'CERTHERD_REPAIR', certificate: ID, reason: 'drift', ...differs },
  data,
});

const heard = (message: PushedMessage) => parseSyncMessage(message, 'herd');

test.for<[string, string, string]>([
  ['a version that was added', 'SECRET_VERSION_ADD', 'version-added'],
  ['a version that was enabled', 'SECRET_VERSION_ENABLE', 'version-enabled'],
  ['a version that was disabled', 'SECRET_VERSION_DISABLE', 'version-disabled'],
])('%s is heard', ([, eventType, reason]) => {
  expect(heard(event({ eventType }))).toEqual({ certificate: ID, reason, targets: [], version: 7 });
});

test.for<[string, string]>([
  ['is absent', ''],
  ['is no number', `${SECRET}/versions/latest`],
  ['is zero', `${SECRET}/versions/0`],
  ['is of another form', '7'],
])('an event whose version %s is heard without it', ([, versionId]) => {
  expect(heard(event({ versionId }))).toEqual({
    certificate: ID,
    reason: 'version-added',
    targets: [],
  });
});

test('a repair is heard with its targets', () => {
  expect(heard(repair())).toEqual({ certificate: ID, reason: 'drift', targets: [TARGET] });
});

test.for<[string, PushedMessage]>([
  ['without data', { attributes: repair().attributes }],
  ['with empty data', repair({}, '')],
  ['with no targets', repair({}, base64({ targets: [] }))],
])('a repair %s is heard without targets', ([, message]) => {
  expect(heard(message)).toEqual({ certificate: ID, reason: 'drift', targets: [] });
});

test('of a target only what makes one is kept', () => {
  const message = repair({}, base64({ targets: [{ ...TARGET, force: true }], more: 1 }));
  expect(heard(message)?.targets).toEqual([TARGET]);
});

const secretId = (name: string) => event({ secretId: `projects/1/secrets/${name}` });

test.for<[string, PushedMessage]>([
  ['nothing at all', {}],
  ['no event type', { attributes: { secretId: SECRET } }],
  ['the test message of a new topic', event({ eventType: 'TOPIC_CONFIGURED' })],
  ['a change of a record', event({ eventType: 'SECRET_UPDATE' })],
  ['a destroyed version', event({ eventType: 'SECRET_VERSION_DESTROY' })],
  ['a deleted secret', event({ eventType: 'SECRET_DELETE' })],
  ['a type that every object has', event({ eventType: 'constructor' })],
  ['no secret', event({ secretId: '' })],
  ['an account key', secretId('herd-account-production')],
  ['a pending key', secretId(`herd-pending-${ID}`)],
  ['another installation', secretId(`other-cert-${ID}`)],
  ['an installation whose name ends like ours', secretId(`other-herd-cert-${ID}`)],
  ['a certificate without an id', secretId('herd-cert-')],
  ['an id that is none', secretId('herd-cert-A_b')],
  ['a regional secret', event({ secretId: `projects/1/locations/l/secrets/herd-cert-${ID}` })],
  ['a name that goes on', event({ secretId: `${SECRET}/versions/1` })],
  ['a repair of nothing', repair({ certificate: '' })],
  ['a repair of what is no id', repair({ certificate: '../x' })],
  ['a repair with data that is no JSON', repair({}, 'bm9uc2Vuc2U=')],
  ['a repair with data that is no base64', repair({}, '%%%')],
  ['a repair with data that is null', repair({}, base64(null))],
  ['a repair with a list for data', repair({}, base64([TARGET]))],
  ['a repair without a list of targets', repair({}, base64({ targets: TARGET }))],
  ['a repair with a target that is a text', repair({}, base64({ targets: ['prod/web/tls'] }))],
  ['a repair with a target that is null', repair({}, base64({ targets: [null] }))],
  ['a repair with half a target', repair({}, base64({ targets: [TARGET, { cluster: 'prod' }] }))],
  ['a repair with an empty name', repair({}, base64({ targets: [{ ...TARGET, secret: '' }] }))],
  [
    'a repair with a number for a name',
    repair({}, base64({ targets: [{ ...TARGET, secret: 1 }] })),
  ],
])('%s is none of our business', ([, message]) => {
  expect(heard(message)).toBeUndefined();
});
