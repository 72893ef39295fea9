import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { AcceptedCsr } from './csr.ts';
import type { Authority } from './state.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
const BACKDATE_MS = 3_600_000;
const LONGEST_COMMON_NAME = 64;

/** A new root and the intermediate that issues, both P-256. */
export async function createAuthority(now: Date): Promise<Authority> {
  const rootKeys = await newKeys();
  const keys = await newKeys();
  const mark = randomBytes(3).toString('hex');
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=Certherd Local Root ${mark}`,
    keys: rootKeys,
    signingAlgorithm: ALGORITHM,
    ...validity(now, 7300),
    extensions: await authorityExtensions(rootKeys.publicKey, undefined),
  });
  const intermediate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `CN=Certherd Local Intermediate ${mark}`,
    issuer: root.subject,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    ...validity(now, 3650),
    extensions: [
      ...(await authorityExtensions(keys.publicKey, 0)),
      await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    root: root.toString('pem'),
    intermediate: intermediate.toString('pem'),
    intermediateKey: Buffer.from(pkcs8).toString('base64'),
  };
}

const newKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

async function authorityExtensions(key: webcrypto.CryptoKey, pathLength: number | undefined) {
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(key),
  ];
}

export type Issue = Readonly<{
  csr: AcceptedCsr;
  names: readonly string[];
  lifetimeDays: number;
  now: Date;
}>;

/**
 * Signs a certificate and returns the chain as PEM: leaf, then intermediate. Like Let's Encrypt's it starts an hour
 * before `now`, and its last second is the one before `notBefore` + lifetime (RFC 5280 counts both ends).
 */
export async function issuedChain(authority: Authority, issue: Issue): Promise<string> {
  const { csr, names, lifetimeDays, now } = issue;
  const intermediate = new x509.X509Certificate(authority.intermediate);
  const commonName = csr.commonName ?? names.find((name) => name.length <= LONGEST_COMMON_NAME);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: commonName ? [{ CN: [commonName] }] : [],
    issuer: intermediate.subject,
    publicKey: new x509.PublicKey(csr.spki),
    signingKey: await signingKey(authority),
    signingAlgorithm: ALGORITHM,
    ...validity(now, lifetimeDays),
    extensions: await leafExtensions(issue, { intermediate, critical: !commonName }),
  });
  return `${leaf.toString('pem')}\n${authority.intermediate}\n`;
}

async function leafExtensions(
  { csr, names }: Issue,
  { intermediate, critical }: { intermediate: x509.X509Certificate; critical: boolean },
) {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  return [
    new x509.KeyUsagesExtension(digitalSignature | (csr.isRsa ? keyEncipherment : 0), true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.BasicConstraintsExtension(false, undefined, true),
    await x509.SubjectKeyIdentifierExtension.create(new x509.PublicKey(csr.spki)),
    await x509.AuthorityKeyIdentifierExtension.create(intermediate.publicKey),
    new x509.SubjectAlternativeNameExtension(
      names.map((value) => ({ type: 'dns', value })),
      critical,
    ),
  ];
}

function signingKey({ intermediateKey }: Authority) {
  const pkcs8 = Buffer.from(intermediateKey, 'base64');
  return webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']);
}

function validity(now: Date, days: number) {
  const start = Math.floor((now.getTime() - BACKDATE_MS) / 1000) * 1000;
  return { notBefore: new Date(start), notAfter: new Date(start + days * DAY_MS - 1000) };
}

// A first byte of 1 to 127 keeps the number positive and its length at 17 bytes (RFC 5280 allows 20).
function newSerial(): string {
  const serial = randomBytes(17);
  serial[0] = 1 + ((serial[0] ?? 0) % 127);
  return serial.toString('hex');
}
