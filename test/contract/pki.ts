import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Bundle, Pki } from '../../shared/ports.ts';
import { Sensitive } from '../../shared/sensitive.ts';
import { keyObject, NOW, type Signer, testAuthority, type Wanted } from './test-authority.ts';

const NAMES = ['*.a.test', 'a.test'];
const MINUTE_MS = 60_000;
const inMs = (ms: number) => new Date(NOW.getTime() + ms);

export function pkiContract(title: string, create: () => Pki) {
  describe(title, () => {
    const pki = create();
    const key = pki.newKey('ec-p256');
    let root: Signer;
    let issuer: Signer;
    beforeAll(async () => {
      root = await testAuthority('Root');
      issuer = await root.under('Issuer');
    });

    /** A good chain for NAMES; each case states only its difference. */
    const bundle = async (wanted: Wanted = {}, by = issuer): Promise<Bundle> => {
      const leaf = await by.issue({ key: keyObject(key.reveal()), names: NAMES, ...wanted });
      return { key, chain: leaf + by.pem };
    };

    describe('makes keys', () => {
      test.for([
        ['ec-p256', { asymmetricKeyType: 'ec', details: { namedCurve: 'prime256v1' } }],
        ['rsa-2048', { asymmetricKeyType: 'rsa', details: { modulusLength: 2048 } }],
      ] as const)(
        'of the type %s, each its own, as PKCS #8',
        ([type, { details, ...expected }]) => {
          const made = pki.newKey(type);
          expect(made.reveal()).toMatch(
            /^-----BEGIN PRIVATE KEY-----\n[^-]+-----END PRIVATE KEY-----\n$/,
          );
          expect(keyObject(made.reveal())).toMatchObject(expected);
          expect(keyObject(made.reveal()).asymmetricKeyDetails).toMatchObject(details);
          expect(pki.newKey(type).reveal()).not.toBe(made.reveal());
        },
      );
    });

    describe('makes signing requests', () => {
      const long = `${'x'.repeat(60)}.a.test`;
      test.for<[string, 'ec-p256' | 'rsa-2048', readonly string[], string]>([
        ['for a name and its wildcard', 'ec-p256', NAMES, 'CN=*.a.test'],
        ['with an RSA key', 'rsa-2048', ['a.test'], 'CN=a.test'],
        ['whose subject is the first name that fits', 'ec-p256', [long, 'a.test'], 'CN=a.test'],
        ['without a subject when none fits', 'ec-p256', [long], ''],
      ])('%s', async ([, type, names, subject]) => {
        const own = pki.newKey(type);
        const request = new x509.Pkcs10CertificateRequest(await pki.signingRequest(own, names));
        expect(await request.verify()).toBe(true);
        expect(request.subject).toBe(subject);
        expect(sansOf(request)).toEqual(names.map((value) => ({ type: 'dns', value })));
        expect(Buffer.from(request.publicKey.rawData)).toEqual(
          createPublicKey(own.reveal()).export({ type: 'spki', format: 'der' }),
        );
      });
    });

    describe('verifies', () => {
      test.for<[string, Wanted, readonly string[]]>([
        ['a good chain', {}, NAMES],
        ['names in another order', {}, NAMES.toReversed()],
        ['names that the CA wrote in upper case', { names: ['*.A.TEST', 'A.test'] }, NAMES],
        ['a certificate that begins in five minutes', { notBefore: inMs(5 * MINUTE_MS) }, NAMES],
        [
          'one that lasts a second beyond the hour',
          { notAfter: inMs(60 * MINUTE_MS + 1000) },
          NAMES,
        ],
      ])('%s', async ([, wanted, names]) => {
        const good = await bundle(wanted);
        const leaf = new X509Certificate(good.chain);
        expect(pki.verify(good, names, NOW)).toEqual({
          serial: leaf.serialNumber.toLowerCase(),
          fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
          notBefore: leaf.validFromDate,
          notAfter: leaf.validToDate,
        });
      });

      test('a leaf alone, and a chain with its root', async () => {
        const { chain } = await bundle();
        const [leaf = ''] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
        expect(pki.verify({ key, chain: leaf }, NAMES, NOW)).toBeDefined();
        expect(pki.verify({ key, chain: chain + root.pem }, NAMES, NOW)).toBeDefined();
      });
    });

    describe('refuses', () => {
      test.for<[string, Wanted, readonly string[], string]>([
        ['a missing name', { names: ['a.test'] }, NAMES, 'does not name *.a.test'],
        ['a name too many', {}, ['a.test'], 'names *.a.test, which was not asked for'],
        [
          'an address among the names',
          { others: [{ type: 'ip', value: '10.0.0.1' }] },
          NAMES,
          'names IP Address:10.0.0.1, which was not asked for',
        ],
        ['no names', { names: [] }, NAMES, 'does not name *.a.test, a.test'],
        [
          'a certificate that begins later',
          { notBefore: inMs(5 * MINUTE_MS + 1000) },
          NAMES,
          'is not valid before 2026-06-01T00:05:01.000Z',
        ],
        [
          'one that ends within the hour',
          { notAfter: inMs(60 * MINUTE_MS) },
          NAMES,
          'expires at 2026-06-01T01:00:00.000Z, within the hour',
        ],
        [
          'a certificate for another key',
          { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
          NAMES,
          'the private key does not belong to the certificate',
        ],
      ])('%s', async ([, wanted, names, words]) => {
        const bad = await bundle(wanted);
        expect(() => pki.verify(bad, names, NOW)).toThrow(
          expect.objectContaining({
            code: 'certificate-invalid',
            message: expect.stringContaining(words),
          }),
        );
      });

      const chains: Record<string, [string, (good: string) => Promise<string> | string]> = {
        'no chain': ['the chain holds no certificate', () => ''],
        'a page instead of a chain': ['the chain holds no certificate', () => '<html></html>'],
        'a leaf that is noise': [
          'certificate 1 of the chain cannot be parsed',
          () => '-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n',
        ],
        'the issuer first': ['the private key does not belong', (good) => reversed(good)],
        'a stranger after the leaf': [
          'is not signed by',
          async (good) => first(good) + (await testAuthority('Stranger')).pem,
        ],
        'a stranger of the right name': [
          'is not signed by',
          async (good) => first(good) + (await (await testAuthority('Root')).under('Issuer')).pem,
        ],
        'a leftover at the end': ['is not signed by', (good) => good + issuer.pem],
        'an issuer that is no authority': [
          'stands as an issuer and is no authority',
          async () => {
            const impostor = await root.under('Issuer', { isAuthority: false });
            return (await bundle({}, impostor)).chain;
          },
        ],
        'an issuer that has expired': [
          'is not valid at',
          async () => {
            const old = await root.under('Old', { notAfter: inMs(-1000) });
            return (await bundle({}, old)).chain;
          },
        ],
      };
      test.for(Object.entries(chains))('%s', async ([, [words, change]]) => {
        const chain = await change((await bundle()).chain);
        expect(() => pki.verify({ key, chain }, NAMES, NOW)).toThrow(
          expect.objectContaining({
            code: 'certificate-invalid',
            message: expect.stringContaining(words),
          }),
        );
      });

      test('a key that is none, without a word of it', async () => {
        const broken = new Sensitive(key.reveal().replace(/.{20}\n-----END/, 'nonsense\n-----END'));
        const { chain } = await bundle();
        expect(() => pki.describe({ key: broken, chain })).toThrow(
          'the private key cannot be parsed',
        );
      });
    });

    describe('describes', () => {
      const rsa = () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
      const p384 = () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
      test.for<[string, () => KeyObject, 'pkcs1' | 'sec1' | 'pkcs8']>([
        ['RSA 3072 as PKCS #1', rsa, 'pkcs1'],
        ['P-384 as SEC 1', p384, 'sec1'],
        ['P-384 as PKCS #8', p384, 'pkcs8'],
      ])('what a person imported: %s', async ([, make, type]) => {
        const own = make();
        const leaf = await issuer.issue({
          key: own,
          names: ['b.test', 'A.test'],
          others: [{ type: 'ip', value: '10.0.0.1' }],
          serialNumber: '0a0B0c',
          notAfter: inMs(-MINUTE_MS),
        });
        const imported = {
          key: new Sensitive(own.export({ type: type as 'pkcs8', format: 'pem' }) as string),
          chain: leaf,
        };
        expect(pki.describe(imported)).toMatchObject({
          names: ['a.test', 'b.test'],
          serial: '0a0b0c',
          fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
          notAfter: inMs(-MINUTE_MS),
        });
      });

      test('nothing of a certificate for another key, nor of one without DNS names', async () => {
        const { chain } = await bundle();
        expect(() => pki.describe({ key: pki.newKey('ec-p256'), chain })).toThrow(
          'does not belong',
        );
        expect(() => pki.describe({ key: pki.newKey('rsa-2048'), chain })).toThrow(
          'does not belong',
        );
        const nameless = await bundle({ names: [] });
        expect(() => pki.describe(nameless)).toThrow('has no DNS names');
      });
    });
  });
}

const certificates = (chain: string) => chain.split(/(?<=-----END CERTIFICATE-----\n)/);
const first = (chain: string) => certificates(chain)[0] ?? '';
const reversed = (chain: string) => certificates(chain).reverse().join('');

function sansOf(request: x509.Pkcs10CertificateRequest) {
  const [extension] = request.extensions.filter(
    (each) => each instanceof x509.SubjectAlternativeNameExtension,
  );
  return extension?.names.toJSON();
}
