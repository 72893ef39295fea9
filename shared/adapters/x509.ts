import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import type { KeyType } from '../domain/certificate.ts';
import { CertificateError } from '../errors.ts';
import type { Bundle, Pki } from '../ports.ts';
import { Sensitive } from '../sensitive.ts';
import { pemBlocks } from './bundle.ts';

// A CA's clock may run ahead of ours; one that backdates, as most do, is never near this.
const CLOCK_SKEW_MS = 5 * 60_000;
// What expires within the hour would be replaced before it is delivered everywhere.
const SHORTEST_LIFE_LEFT_MS = 60 * 60_000;
// RFC 5280 appendix A.1, ub-common-name.
const LONGEST_COMMON_NAME = 64;

const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const;

/** Everything X.509, in this process and offline. Problems are `certificate-invalid` and never quote a key. */
export function createPki(): Pki {
  return { newKey, signingRequest, verify, describe };
}

function newKey(type: KeyType): Sensitive {
  const { privateKey } =
    type === 'rsa-2048'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new Sensitive(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
}

async function signingRequest(key: Sensitive, names: readonly string[]): Promise<Buffer> {
  const x509 = await import('@peculiar/x509');
  const { keys, algorithm } = await cryptoKeys(parsedKey(key));
  const commonName = names.find((name) => name.length <= LONGEST_COMMON_NAME);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: algorithm,
    ...(commonName && { name: [{ CN: [commonName] }] }),
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: 'dns' as const, value })),
      ),
    ],
  });
  return Buffer.from(request.rawData);
}

async function cryptoKeys(key: KeyObject) {
  const algorithm = ALGORITHMS[key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'];
  const { subtle } = webcrypto;
  const secret = key.export({ type: 'pkcs8', format: 'der' });
  const open = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const [privateKey, publicKey] = await Promise.all([
    subtle.importKey('pkcs8', secret, algorithm, false, ['sign']),
    subtle.importKey('spki', open, algorithm, true, ['verify']),
  ]);
  return { keys: { privateKey, publicKey }, algorithm };
}

function verify(bundle: Bundle, names: readonly string[], now: Date) {
  const [leaf, ...issuers] = parsedChain(bundle.chain);
  checkKey(leaf, bundle.key);
  checkNames(leaf, names);
  checkDates(leaf, now);
  checkIssuers([leaf, ...issuers], now);
  return issuedBy(leaf);
}

function describe(bundle: Bundle) {
  const [leaf] = parsedChain(bundle.chain);
  checkKey(leaf, bundle.key);
  const names = namesOf(leaf);
  if (names.length === 0) throw invalid(`${titled(leaf)} has no DNS names`);
  return { ...issuedBy(leaf), names };
}

const issuedBy = (leaf: X509Certificate) => ({
  serial: leaf.serialNumber.toLowerCase(),
  fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
  notBefore: leaf.validFromDate,
  notAfter: leaf.validToDate,
});

function parsedChain(chain: string): readonly [X509Certificate, ...X509Certificate[]] {
  const [leaf, ...issuers] = pemBlocks(chain, 'CERTIFICATE').map(parsedCertificate);
  if (!leaf) throw invalid('the chain holds no certificate');
  return [leaf, ...issuers];
}

function parsedCertificate(pem: string, index: number): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw invalid(`certificate ${index + 1} of the chain cannot be parsed`, cause);
  }
}

function parsedKey(key: Sensitive): KeyObject {
  try {
    return createPrivateKey(key.reveal());
  } catch {
    // Without the cause on purpose: no library's words about key material go anywhere.
    throw invalid('the private key cannot be parsed');
  }
}

function checkKey(leaf: X509Certificate, key: Sensitive): void {
  if (!leaf.checkPrivateKey(parsedKey(key)))
    throw invalid(`the private key does not belong to ${titled(leaf)}`);
}

function checkNames(leaf: X509Certificate, names: readonly string[]): void {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const held = new Set(
    alternativeNames(leaf).map(({ kind, value }) => (kind === 'DNS' ? value : `${kind}:${value}`)),
  );
  const missing = [...wanted.difference(held)];
  if (missing.length > 0) throw invalid(`${titled(leaf)} does not name ${missing.join(', ')}`);
  const foreign = [...held.difference(wanted)];
  if (foreign.length > 0)
    throw invalid(`${titled(leaf)} names ${foreign.join(', ')}, which was not asked for`);
}

function checkDates(leaf: X509Certificate, now: Date): void {
  if (leaf.validFromDate.getTime() > now.getTime() + CLOCK_SKEW_MS)
    throw invalid(
      `${titled(leaf)} is not valid before ${leaf.validFromDate.toISOString()}, and it is ${now.toISOString()} here`,
    );
  if (leaf.validToDate.getTime() <= now.getTime() + SHORTEST_LIFE_LEFT_MS)
    throw invalid(`${titled(leaf)} expires at ${leaf.validToDate.toISOString()}, within the hour`);
}

function checkIssuers(chain: readonly X509Certificate[], now: Date): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    if (!issuer) return;
    if (!issuer.ca) throw invalid(`${titled(issuer)} stands as an issuer and is no authority`);
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      throw invalid(`${titled(certificate)} is not signed by ${titled(issuer)}, which follows it`);
    if (issuer.validFromDate > now || issuer.validToDate <= now)
      throw invalid(`${titled(issuer)} is not valid at ${now.toISOString()}`);
  }
}

const namesOf = (leaf: X509Certificate): readonly string[] =>
  [
    ...new Set(
      alternativeNames(leaf)
        .filter(({ kind }) => kind === 'DNS')
        .map(({ value }) => value),
    ),
  ].sort();

/** Node prints `DNS:a.test, IP Address:1.2.3.4`, and quotes what would be ambiguous; no DNS name needs quotes. */
function alternativeNames(leaf: X509Certificate) {
  const entries = leaf.subjectAltName?.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries.map((entry) => {
    const [kind = '', ...rest] = entry.trim().split(':');
    return { kind, value: rest.join(':').toLowerCase() };
  });
}

const titled = (certificate: X509Certificate) =>
  `the certificate ${certificate.serialNumber.toLowerCase()} (${certificate.subject.replaceAll('\n', ', ') || 'without a subject'})`;

const invalid = (problem: string, cause?: unknown) =>
  new CertificateError('certificate-invalid', problem, { cause });
