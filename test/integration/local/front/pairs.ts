import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** What a TLS Secret holds, and the serial to know it by (upper-case hex, as Node prints it). */
export type TestPair = Readonly<{ data: { 'tls.crt': string; 'tls.key': string }; serial: string }>;

/** A self-signed pair for these names, valid from 2026 to 2036. */
export async function pairFor(...names: readonly string[]): Promise<TestPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const serial = `5a${randomBytes(8).toString('hex')}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    name: 'CN=not-a-host-name',
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2036-01-01T00:00:00Z'),
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: 'dns' as const, value })),
      ),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const data = {
    'tls.crt': base64(certificate.toString('pem')),
    'tls.key': base64(x509.PemConverter.encode(key, 'PRIVATE KEY')),
  };
  return { data, serial: serial.toUpperCase() };
}

/** A pair whose key belongs to another certificate. */
export async function mismatchedPair(...names: readonly string[]): Promise<TestPair> {
  const [one, other] = [await pairFor(...names), await pairFor(...names)];
  return {
    data: { 'tls.crt': one.data['tls.crt'], 'tls.key': other.data['tls.key'] },
    serial: one.serial,
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
