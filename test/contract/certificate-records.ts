import { expect, test } from 'vitest';
import { type CertificateIdentity, certificateId } from '../../shared/domain/certificate.ts';
import { type CertificateRecord, newRecord } from '../../shared/domain/record.ts';
import type { CertificateRecords } from '../../shared/ports.ts';

const DAY = new Date('2026-11-21T10:00:00.000Z');

const NAMED: CertificateIdentity = {
  names: ['*.a.test', 'a.test'],
  issuer: 'production',
  keyType: 'ec-p256',
};
/** A record with its names. */
export const namedRecord = (): CertificateRecord =>
  newRecord(NAMED, { askers: [], manual: undefined });

/** A record with nothing in it but who it is. Its names are left out, so it is at home under every id. */
export const record = (differs: Partial<CertificateRecord> = {}): CertificateRecord => ({
  ...namedRecord(),
  identity: { ...namedRecord().identity, names: undefined },
  askers: [{ cluster: 'prod', namespace: 'web' }],
  ...differs,
});

const FULL = record({
  manual: {
    targets: [{ cluster: 'prod', namespace: 'web', secret: 'tls' }],
    by: 'user:a@b.test',
    at: DAY,
  },
  lease: { holder: 'worker-1', until: DAY },
  order: { url: 'https://ca.test/order/1', after: 2 },
  challenges: [{ project: 'p', zone: 'z', owner: '_acme-challenge.a.test', value: 'v' }],
  issued: { version: 2, serial: '0a', fingerprint: 'ff', notBefore: DAY, notAfter: DAY },
  failure: { code: 'ca-unavailable', message: 'no "answer"', count: 1, retryAt: DAY },
  delivered: { version: 2, at: DAY, failed: ['prod/web/tls: no'] },
});

const failed = (count: number) => ({ code: 'x', message: 'y', count, retryAt: DAY });
const failedAgain = (seen: CertificateRecord) => ({
  ...seen,
  failure: failed((seen.failure?.count ?? 0) + 1),
});
const nobody = () => expect.unreachable('every record was written by us');

/** What CertificateRecords promises. Each call of `create` may give the same store: ids are not used twice. */
export function certificateRecordsContract(create: () => CertificateRecords): void {
  test('a record is read back with every field', async () => {
    const created = await create().create('full', FULL);
    expect(created).toMatchObject({ id: 'full', record: FULL });
    expect(await create().read('full')).toEqual(created);
  });

  test('a record with its names is read back under its own id', async () => {
    const id = certificateId(NAMED);
    await create().create(id, namedRecord());
    expect((await create().read(id))?.record).toEqual(namedRecord());
  });

  test('a record that is not there is undefined', async () => {
    expect(await create().read('nowhere')).toBeUndefined();
  });

  test('who comes second is given the record of who was first', async () => {
    const first = await create().create('twice', record());
    const second = await create().create('twice', FULL);
    expect(second).toEqual(first);
  });

  test('the list holds what was created', async () => {
    const [one, two] = [
      await create().create('listed-1', record()),
      await create().create('listed-2', FULL),
    ];
    const listed = await create().list(nobody);
    expect(listed).toContainEqual(one);
    expect(listed).toContainEqual(two);
  });

  test('an update is what is read afterwards, under another etag', async () => {
    const created = await create().create('changed', record());
    const updated = await create().update('changed', failedAgain);
    expect(updated.record.failure).toEqual(failed(1));
    expect(updated.etag).not.toBe(created.etag);
    expect(await create().read('changed')).toEqual(updated);
  });

  test('an update can take every optional field away', async () => {
    await create().create('emptied', FULL);
    await create().update('emptied', () => record({ askers: [] }));
    expect((await create().read('emptied'))?.record).toEqual(record({ askers: [] }));
  });

  test('a change of nothing leaves the record as it is', async () => {
    const created = await create().create('kept', FULL);
    expect(await create().update('kept', () => undefined)).toEqual(created);
    expect(await create().read('kept')).toEqual(created);
  });

  test('a change that throws writes nothing', async () => {
    const created = await create().create('thrown', FULL);
    const update = create().update('thrown', () => {
      throw new Error('lease lost');
    });
    await expect(update).rejects.toThrow('lease lost');
    expect(await create().read('thrown')).toEqual(created);
  });

  test('a record that is not there cannot be updated', async () => {
    await expect(create().update('nowhere', failedAgain)).rejects.toMatchObject({
      code: 'not-found',
      retryable: false,
    });
  });

  test('of updates at once none is lost and none counts twice', async () => {
    await create().create('contended', record());
    await Promise.all(Array.from({ length: 6 }, () => create().update('contended', failedAgain)));
    expect((await create().read('contended'))?.record.failure?.count).toBe(6);
  });
}
