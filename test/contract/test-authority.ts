import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import * as x509 from '@peculiar/x509';

const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

/** The moment at which everything here is valid, unless a case says otherwise. */
export const NOW = new Date('2026-06-01T00:00:00Z');

type Dates = Readonly<{ notBefore: Date; notAfter: Date }>;

/** What a certificate under test says; `names` are DNS names, `others` any other SAN. */
export type Wanted = Partial<Dates> &
  Readonly<{
    key?: KeyObject;
    names?: readonly string[];
    others?: readonly x509.JsonGeneralName[];
    isAuthority?: boolean;
    serialNumber?: string;
  }>;

/** Somebody who signs: its own certificate, and what it signs as PEM. */
export type Signer = Readonly<{
  pem: string;
  issue(wanted: Wanted): Promise<string>;
  under(name: string, wanted?: Wanted): Promise<Signer>;
}>;

const defaults: Dates = {
  notBefore: new Date(NOW.getTime() - DAY_MS),
  notAfter: new Date(NOW.getTime() + 89 * DAY_MS),
};

/** A root of its own. */
export async function testAuthority(name: string): Promise<Signer> {
  const key = newKey();
  const pem = await signed({ issuer: name, subject: name, by: key }, { key, isAuthority: true });
  return signer(name, key, pem);
}

function signer(name: string, by: KeyObject, pem: string): Signer {
  return {
    pem,
    issue: (wanted) => signed({ issuer: name, subject: wanted.names?.[0] ?? 'x', by }, wanted),
    under: async (subject, wanted = {}) => {
      const key = newKey();
      const asked = { isAuthority: true, ...wanted, key };
      return signer(subject, key, await signed({ issuer: name, subject, by }, asked));
    },
  };
}

type Parties = Readonly<{ issuer: string; subject: string; by: KeyObject }>;

async function signed({ issuer, subject, by }: Parties, wanted: Wanted): Promise<string> {
  const { names = [], others = [], isAuthority = false, key = newKey() } = wanted;
  const sans = [...names.map((value) => ({ type: 'dns' as const, value })), ...others];
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ ...defaults, ...wanted },
    serialNumber: wanted.serialNumber ?? randomBytes(8).toString('hex').replace(/^./, '4'),
    subject: `CN=${subject}`,
    issuer: `CN=${issuer}`,
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    signingKey: await signingKey(by),
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      ...(sans.length > 0 ? [new x509.SubjectAlternativeNameExtension(sans)] : []),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

const signingKey = (key: KeyObject) =>
  webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    SIGNING,
    false,
    ['sign'],
  );

/** A key as its owner keeps it. */
export const keyObject = (pem: string): KeyObject => createPrivateKey(pem);
