import { createPublicKey, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { publicKeyOf } from './jws.ts';
import { AcmeProblem } from './problem.ts';
import type { PublicJwk } from './state.ts';

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/** A certificate request that may be signed. `spki` is the key's DER; `commonName` is one of the order's names. */
export type AcceptedCsr = Readonly<{ spki: Buffer; isRsa: boolean; commonName?: string }>;

export type CsrRules = Readonly<{ names: readonly string[]; accountKey: PublicJwk }>;

/**
 * Checks a CSR (DER, base64url) against its order (RFC 8555 section 7.4): signature, exactly the order's names, a
 * key of P-256, P-384 or RSA from 2048 to 4096 bits that is not the account's. Throws `badCSR`.
 */
export async function acceptedCsr(encoded: string, rules: CsrRules): Promise<AcceptedCsr> {
  const { csr, alternatives, spki, key } = parsedCsr(encoded);
  if (!(await isSigned(csr))) throw badCsr('the signature does not match');
  const commonName = commonNameOf(csr);
  const names = new Set([...dnsNames(alternatives), ...(commonName ? [commonName] : [])]);
  if (names.symmetricDifference(new Set(rules.names)).size > 0)
    throw badCsr('the names are not exactly the identifiers of the order');
  if (!isAccepted(key)) throw badCsr('the key must be P-256, P-384, or RSA of 2048 to 4096 bits');
  if (key.equals(publicKeyOf(rules.accountKey)))
    throw badCsr('the key must not be the account key');
  return {
    spki,
    isRsa: key.asymmetricKeyType === 'rsa',
    ...(commonName !== undefined && { commonName }),
  };
}

function parsedCsr(encoded: string) {
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) throw badCsr('csr must be base64url DER without padding');
  try {
    const csr = new x509.Pkcs10CertificateRequest(Buffer.from(encoded, 'base64url'));
    const extension = csr.getExtension(SUBJECT_ALTERNATIVE_NAME)?.rawData;
    const alternatives = extension && new x509.SubjectAlternativeNameExtension(extension);
    const spki = Buffer.from(csr.publicKey.rawData);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return { csr, alternatives: alternatives?.names.items ?? [], spki, key };
  } catch (cause) {
    throw badCsr(`it cannot be parsed: ${(cause as Error).message}`);
  }
}

async function isSigned(csr: x509.Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await csr.verify();
  } catch {
    // An unknown algorithm or a broken signature makes the library throw: nothing was proven.
    return false;
  }
}

function commonNameOf(csr: x509.Pkcs10CertificateRequest): string | undefined {
  const [first, ...others] = csr.subjectName.getField('CN');
  if (others.length > 0) throw badCsr('it has more than one common name');
  return first?.toLowerCase();
}

function dnsNames(items: readonly x509.GeneralName[]): string[] {
  const foreign = items.find(({ type }) => type !== 'dns');
  if (foreign) throw badCsr(`it asks for a name of type ${foreign.type}`);
  return items.map(({ value }) => value.toLowerCase());
}

function isAccepted(key: KeyObject): boolean {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return ['prime256v1', 'secp384r1'].includes(namedCurve);
  return key.asymmetricKeyType === 'rsa' && modulusLength >= 2048 && modulusLength <= 4096;
}

const badCsr = (reason: string) => new AcmeProblem('badCSR', `CSR refused: ${reason}`);
