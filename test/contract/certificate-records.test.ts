import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SecretManagerState } from '../../local/secret-manager/state.ts';
import type { CertificateRecord } from '../../shared/domain/record.ts';
import { recordAnnotations } from '../../shared/domain/record-annotations.ts';
import { Sensitive } from '../../shared/sensitive.ts';
import { certificateRecordsContract, namedRecord, record } from './certificate-records.ts';
import { refusing, type SecretStore, startSecretStore, TOPIC } from './secret-manager.ts';

let store: SecretStore;
beforeAll(async () => {
  store = await startSecretStore();
});
afterAll(() => store.close());
beforeEach(() => {
  store.script(() => {});
  store.calls.length = 0;
});

const nobody = () => expect.unreachable('every record is one');
const failure = { code: 'x', message: 'y', count: 1, retryAt: new Date('2026-11-21T10:00:00Z') };
const countOne = (seen: CertificateRecord) => ({
  ...seen,
  failure: { ...failure, count: (seen.failure?.count ?? 0) + 1 },
});

/** Writes fields of the secret as somebody else would. */
const patch = (id: string, fields: Readonly<Record<string, unknown>>) =>
  store.call('PATCH', `/herd-cert-${id}?updateMask=${Object.keys(fields)}`, fields);

describe('records, on the stand-in', () => {
  certificateRecordsContract(() => store.records);
});

describe('the secret of a certificate', () => {
  test('has name, label, topic and replication from its creation', async () => {
    await store.records.create('a-1', record());
    expect(await store.call('GET', '/herd-cert-a-1')).toMatchObject({
      labels: { 'certherd-certificate': 'herd' },
      replication: { automatic: {} },
      topics: [{ name: TOPIC }],
      annotations: recordAnnotations(record()),
    });
  });

  test('lies where it is told to, under the key of that place', async () => {
    const kmsKey = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
    const replicas = [{ location: 'l', kmsKey }, { location: 'm' }];
    const { records, vault } = store.installation('kept', replicas);
    await records.create('a-1', record());
    await vault.write('kept-account-a', 'account', new Sensitive('key'));
    const replication = {
      userManaged: {
        replicas: [
          { location: 'l', customerManagedEncryption: { kmsKeyName: kmsKey } },
          { location: 'm' },
        ],
      },
    };
    for (const name of ['/kept-cert-a-1', '/kept-account-a'])
      expect(await store.call('GET', name)).toMatchObject({ replication });
    expect(await store.call('GET', '/kept-account-a/versions/1')).toMatchObject({
      replicationStatus: {
        userManaged: {
          replicas: [
            {
              location: 'l',
              customerManagedEncryption: { kmsKeyVersionName: `${kmsKey}/cryptoKeyVersions/1` },
            },
            { location: 'm' },
          ],
        },
      },
    });
  });

  test('keeps what others wrote into it', async () => {
    await store.records.create('a-2', record());
    await store.call('POST', '/herd-cert-a-2:addVersion', { payload: { data: 'eA==' } });
    const annotations = { ...recordAnnotations(record()), owner: 'someone', 'a.b': 'c' };
    await patch('a-2', { annotations, versionAliases: { blue: 1 } });
    await store.records.update('a-2', countOne, 1);
    await store.records.update('a-2', () => record());
    expect(await store.call('GET', '/herd-cert-a-2')).toMatchObject({
      annotations,
      versionAliases: { blue: '1', current: '1' },
      labels: { 'certherd-certificate': 'herd' },
      topics: [{ name: TOPIC }],
    });
  });

  test('is moved on to another current version in the same write', async () => {
    await store.records.create('a-3', record());
    for (const data of ['eA==', 'eQ=='])
      await store.call('POST', '/herd-cert-a-3:addVersion', { payload: { data } });
    await store.records.update('a-3', countOne, 1);
    store.calls.length = 0;
    await store.records.update('a-3', countOne, 2);
    expect(store.calls.map((call) => call.split(' ')[0])).toEqual(['GET', 'PATCH']);
    expect(await store.call('GET', '/herd-cert-a-3/versions/current')).toMatchObject({
      name: expect.stringMatching(/versions\/2$/),
    });
  });

  test('is of no concern to another installation', async () => {
    const other = store.installation('other').records;
    await store.records.create('a-4', record());
    expect(await other.list(nobody)).toEqual([]);
    expect(await other.read('a-4')).toBeUndefined();
  });
});

describe('a record that cannot be understood', () => {
  test.for<[string, Readonly<Record<string, string>>, string]>([
    ['of another format', { format: '2' }, 'record format 2'],
    ['without any', {}, 'record format none'],
    ['edited to nonsense', { ...recordAnnotations(record()), lease: 'mine' }, 'not as it was'],
    ["edited into another's", recordAnnotations(namedRecord()), 'other names'],
  ])('%s is left out of the list and named', async ([title, annotations, problem]) => {
    const own = await startSecretStore();
    try {
      await own.records.create('good', record());
      await own.records.create('bad', record());
      await own.call('PATCH', '/herd-cert-bad?updateMask=annotations', { annotations });
      const invalid: string[] = [];
      const listed = await own.records.list((id, words) => invalid.push(`${id} ${words}`));
      expect(
        listed.map(({ id }) => id),
        title,
      ).toEqual(['good']);
      expect(invalid).toEqual([expect.stringMatching(/^bad (has|holds) /)]);
      expect(invalid[0]).toContain(problem);
      await expect(own.records.read('bad')).rejects.toMatchObject({
        code: 'record-invalid',
        message: expect.stringContaining(problem),
      });
      await expect(own.records.update('bad', countOne)).rejects.toMatchObject({
        code: 'record-invalid',
      });
    } finally {
      await own.close();
    }
  });

  test('a secret with our label and a name of its own is named', async () => {
    await store.call('POST', '?secretId=stray', {
      replication: { automatic: {} },
      labels: { 'certherd-certificate': 'herd' },
    });
    const invalid: string[] = [];
    await store.records.list((id) => invalid.push(id));
    expect(invalid).toEqual(['stray']);
    await store.call('DELETE', '/stray');
  });
});

describe('a large fleet', () => {
  test('is listed in pages of a thousand', async () => {
    const own = await startSecretStore({
      store: { load: () => fleet(2500), save: () => {} },
    });
    try {
      const listed = await own.records.list(nobody);
      expect(new Set(listed.map(({ id }) => id)).size).toBe(2500);
      expect(own.calls).toHaveLength(3);
      expect(listed[0]).toEqual({
        id: 'c-2499',
        etag: '"e-2499"',
        createdAt: new Date('2026-11-21T10:00:00.123Z'),
        record: record(),
      });
    } finally {
      await own.close();
    }
  });
});

function fleet(size: number): SecretManagerState {
  const secret = (n: number) => ({
    name: `projects/123456789012/secrets/herd-cert-c-${n}`,
    createTime: '2026-11-21T10:00:00.123456Z',
    replication: { automatic: {} },
    labels: { 'certherd-certificate': 'herd' },
    annotations: recordAnnotations(record()),
    etag: `"e-${n}"`,
  });
  const stored = Array.from({ length: size }, (_, n) => ({
    born: n + 1,
    secret: secret(n),
    versions: [],
  }));
  return {
    changes: size,
    projects: ['p'],
    secrets: Object.fromEntries(stored.map((one) => [one.secret.name, one])),
  };
}

describe('on a bad day', () => {
  test('an update whose reply is lost is not made twice', async () => {
    await store.records.create('b-1', record());
    store.loseReplyOf('SECRET_UPDATE');
    const updated = await store.records.update('b-1', countOne);
    expect(updated.record.failure?.count).toBe(1);
    expect(await store.records.read('b-1')).toEqual(updated);
  });

  test('an update that never arrived is made', async () => {
    await store.records.create('b-2', record());
    store.script(refusing(/^PATCH/, ['UNAVAILABLE', 'try later'], 1));
    expect((await store.records.update('b-2', countOne)).record.failure?.count).toBe(1);
  });

  test('a creation whose reply is lost is found to have worked', async () => {
    store.loseReplyOf('SECRET_CREATE');
    expect(await store.records.create('b-3', record())).toMatchObject({ record: record() });
  });

  test.for<[string, ConstructorParameters<typeof import('../../local/google-api.ts').GoogleFault>]>(
    [
      ['a stale etag as 400', ['FAILED_PRECONDITION', 'The etag provided does not match.']],
      ['a stale etag as 409', ['ABORTED', 'conflict']],
      ['too many writes', ['RESOURCE_EXHAUSTED', 'Quota exceeded']],
    ],
  )('%s is read and written again', async ([title, fault]) => {
    const id = title.replaceAll(' ', '-');
    await store.records.create(id, record());
    store.script(refusing(/^PATCH/, fault, 1));
    expect((await store.records.update(id, countOne)).record.failure?.count).toBe(1);
  });

  test('the limit of two writes a second is waited out', async () => {
    const limited = await startSecretStore({ limits: true });
    try {
      await limited.records.create('b-4', record());
      for (let n = 0; n < 3; n += 1) await limited.records.update('b-4', countOne);
      expect((await limited.records.read('b-4'))?.record.failure?.count).toBe(3);
    } finally {
      await limited.close();
    }
  });

  test.for<[string, RegExp, () => Promise<unknown>, string]>([
    [
      'to list',
      /^GET .*secrets\?/,
      () => store.records.list(nobody),
      'cannot list the secrets of project p: permission denied; grant secretmanager.secrets.list on project p',
    ],
    [
      'to read',
      /^GET/,
      () => store.records.read('www'),
      'cannot read projects/p/secrets/herd-cert-www: permission denied; grant secretmanager.secrets.get on project p',
    ],
    [
      'to create',
      /^POST/,
      () => store.records.create('www', record()),
      'cannot create projects/p/secrets/herd-cert-www: permission denied; grant secretmanager.secrets.create on project p',
    ],
  ])('who may not %s is told which permission is missing', async ([, pattern, act, message]) => {
    store.script(refusing(pattern, ['PERMISSION_DENIED', 'Permission denied on resource.']));
    await expect(act()).rejects.toMatchObject({ code: 'not-permitted', message });
  });

  test('a topic that cannot be published to is named', async () => {
    const fault = ['FAILED_PRECONDITION', `The Pub/Sub topic [${TOPIC}] cannot be`] as const;
    store.script(refusing(/^POST/, [...fault]));
    await expect(store.records.create('b-5', record())).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(TOPIC),
    });
  });

  test('an update that keeps being refused for another reason is not tried again', async () => {
    await store.records.create('b-6', record());
    store.script(refusing(/^PATCH/, ['INVALID_ARGUMENT', 'The annotations take 20000 bytes']));
    store.calls.length = 0;
    await expect(store.records.update('b-6', countOne)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('20000 bytes'),
    });
    expect(store.calls).toHaveLength(2);
  });

  test('a read is tried again while the service is unavailable', async () => {
    await store.records.create('b-7', record());
    store.script(refusing(/^GET/, ['UNAVAILABLE', 'try later'], 2));
    expect(await store.records.read('b-7')).toMatchObject({ id: 'b-7' });
  });
});
