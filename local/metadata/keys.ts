import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  webcrypto,
} from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
};
const YEAR_MS = 365 * 86_400_000;

/** The key that signs ID tokens, as it is kept: PEM texts and the key id that tokens name. */
export type SigningKey = Readonly<{ kid: string; privateKey: string; certificate: string }>;

export async function newSigningKey(now: Date): Promise<SigningKey> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString('hex'),
    name: 'CN=federated-signon.system.gserviceaccount.com',
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(now.getTime() - YEAR_MS),
    notAfter: new Date(now.getTime() + 20 * YEAR_MS),
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    kid: randomBytes(20).toString('hex'),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `${certificate.toString('pem')}\n`,
  };
}

/** A JWT signed with RS256 (RFC 7515). */
export function signedJwt(claims: object, { kid, privateKey }: SigningKey): string {
  const signed = unsigned({ alg: 'RS256', kid, typ: 'JWT' }, claims);
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`;
}

const unsigned = (...parts: readonly object[]) =>
  parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');

/** The key of Identity-Aware Proxy. Nobody keeps it: what it signs is good for ten minutes. */
export type AssertionKey = Readonly<{ kid: string; privateKey: KeyObject }>;

export const newAssertionKey = (): AssertionKey => ({
  kid: randomBytes(4).toString('base64url'),
  privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
});

/** A JWT signed with ES256 (RFC 7518 section 3.4). */
export function assertionJwt(claims: object, { kid, privateKey }: AssertionKey): string {
  const signed = unsigned({ alg: 'ES256', kid, typ: 'JWT' }, claims);
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

/** The public key as https://www.gstatic.com/iap/verify/public_key-jwk publishes Google's. */
export function assertionJwkSet({ kid, privateKey }: AssertionKey) {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  return { keys: [{ ...jwk, kid, alg: 'ES256', use: 'sig' }] };
}

/** The public key as https://www.googleapis.com/oauth2/v3/certs publishes Google's. */
export function jwkSet({ kid, privateKey }: SigningKey) {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  return { keys: [{ ...jwk, kid, alg: 'RS256', use: 'sig' }] };
}
