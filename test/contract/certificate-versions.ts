import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import type {
  Bundle,
  CertificateReader,
  CertificateRecords,
  CertificateVersions,
  CertificateWriter,
} from '../../shared/ports.ts';
import { Sensitive } from '../../shared/sensitive.ts';
import { record } from './certificate-records.ts';

export type VersionPorts = Readonly<{
  records: CertificateRecords;
  versions: CertificateVersions;
  writer: CertificateWriter;
  reader: CertificateReader;
}>;

/** A key and what has the form of a chain. */
export function newBundle(): Bundle {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const pem = (text: string) =>
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(text).toString('base64')}\n-----END CERTIFICATE-----\n`;
  return { key: new Sensitive(key), chain: pem(`leaf of ${key.length}`) + pem('intermediate') };
}

const shown = ({ key, chain }: Bundle) => ({ key: key.reveal(), chain });

/** What the three ports on a certificate's versions promise together. Each call of `create` may give the same store. */
export function certificateVersionsContract(create: () => VersionPorts): void {
  const withVersions = async (id: string, count: number) => {
    const ports = create();
    await ports.records.create(id, record());
    const bundles: Bundle[] = [];
    for (let after = 0; after < count; after += 1) {
      bundles.push(newBundle());
      expect(await ports.writer.add(id, bundles[after] as Bundle, after)).toBe(after + 1);
    }
    return { ...ports, bundles };
  };

  test('a certificate without a secret has no versions', async () => {
    expect(await create().versions.list('nowhere')).toEqual([]);
  });

  test('a secret without versions has none', async () => {
    const { versions } = await withVersions('empty', 0);
    expect(await versions.list('empty')).toEqual([]);
  });

  test('versions are numbered from one and listed newest first', async () => {
    const { versions } = await withVersions('listed', 3);
    const listed = await versions.list('listed');
    expect(listed).toEqual([
      { number: 3, state: 'enabled' },
      { number: 2, state: 'enabled' },
      { number: 1, state: 'enabled' },
    ]);
  });

  test('each version is read back as it was added', async () => {
    const { reader, bundles } = await withVersions('read', 2);
    expect(shown(await reader.read('read', 1))).toEqual(shown(bundles[0] as Bundle));
    expect(shown(await reader.read('read', 2))).toEqual(shown(bundles[1] as Bundle));
  });

  test('a destroyed version is listed as that, and destroyed again without complaint', async () => {
    const { versions, reader } = await withVersions('destroyed', 2);
    await reader.destroy('destroyed', 1);
    await reader.destroy('destroyed', 1);
    const listed = await versions.list('destroyed');
    expect(listed.map(({ state }) => state)).toEqual(['enabled', 'destroyed']);
    await expect(reader.read('destroyed', 1)).rejects.toMatchObject({ code: 'store-unavailable' });
  });

  test.for<[string, (ports: VersionPorts) => Promise<unknown>]>([
    ['added to', ({ writer }) => writer.add('nowhere', newBundle(), 0)],
    ['read', ({ reader }) => reader.read('nowhere', 1)],
    ['destroyed', ({ reader }) => reader.destroy('nowhere', 1)],
  ])('what is not there cannot be %s', async ([, act]) => {
    await expect(act(create())).rejects.toMatchObject({ code: 'not-found' });
  });
}
