import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { AcmeProblem } from './problem.ts';
import type { PublicJwk } from './state.ts';

const ALGORITHMS = ['ES256', 'RS256'] as const;

const base64url = z.string().regex(/^[A-Za-z0-9_-]*$/, 'must be base64url without padding');

const flattenedJson = z.strictObject({
  protected: base64url.min(1),
  payload: base64url,
  signature: base64url.min(1),
});

const protectedHeader = z.strictObject({
  alg: z.string(),
  nonce: base64url.optional(),
  url: z.string(),
  kid: z.string().optional(),
  jwk: z.record(z.string(), z.unknown()).optional(),
});

/** A signed request, taken apart but not yet trusted. `payload` is empty for POST-as-GET. */
export type Jws = Readonly<{
  header: z.infer<typeof protectedHeader>;
  payload: string;
  signedText: string;
  signature: Buffer;
}>;

/** Reads a flattened JWS with the protected header of RFC 8555 section 6.2 and nothing beside it. Throws `malformed` or `badSignatureAlgorithm`. */
export function parseJws(body: string): Jws {
  const outer = parsed(flattenedJson, body, 'the JWS');
  const text = Buffer.from(outer.protected, 'base64url').toString();
  const header = parsed(protectedHeader, text, 'the protected header of the JWS');
  if (!ALGORITHMS.some((known) => known === header.alg))
    throw badAlgorithm(`signature algorithm ${header.alg} is not supported`);
  if ((header.kid === undefined) === (header.jwk === undefined))
    throw new AcmeProblem('malformed', 'the protected header needs exactly one of jwk and kid');
  return {
    header,
    payload: Buffer.from(outer.payload, 'base64url').toString(),
    signedText: `${outer.protected}.${outer.payload}`,
    signature: Buffer.from(outer.signature, 'base64url'),
  };
}

/** Parses JSON into the shape asked for. Throws `malformed` with the path of the first fault. */
export function parsed<T>(shape: z.ZodType<T>, json: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new AcmeProblem('malformed', `${what} is not JSON`);
  }
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  const fault = result.error.issues[0];
  const place = fault?.path.length ? ` at ${fault.path.join('.')}` : '';
  throw new AcmeProblem('malformed', `${what} is wrong${place}: ${fault?.message}`);
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  RSA: ['e', 'kty', 'n'],
};

/** The public members of an account key. Throws `badPublicKey` for what is not P-256 or RSA of 2048 to 4096 bits. */
export function acceptedJwk(jwk: Readonly<Record<string, unknown>>): PublicJwk {
  const names = MEMBERS[String(jwk.kty)];
  if (!names) throw new AcmeProblem('badPublicKey', 'the key type must be EC or RSA');
  const accepted = Object.fromEntries(names.map((name) => [name, String(jwk[name])]));
  if (!isStrong(publicKeyOf(accepted)))
    throw new AcmeProblem('badPublicKey', 'the key must be P-256, or RSA of 2048 to 4096 bits');
  return accepted;
}

/** Throws `badPublicKey` when the members make no key. */
export function publicKeyOf(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ format: 'jwk', key: jwk });
  } catch (cause) {
    throw new AcmeProblem('badPublicKey', `the key cannot be read: ${(cause as Error).message}`);
  }
}

function isStrong(key: KeyObject): boolean {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return namedCurve === 'prime256v1';
  return modulusLength >= 2048 && modulusLength <= 4096;
}

/** The key's thumbprint (RFC 7638), base64url. */
export function thumbprint(jwk: PublicJwk): string {
  const members = Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1));
  return hash('sha256', JSON.stringify(Object.fromEntries(members)), 'base64url');
}

/** Throws `malformed` unless the key made the signature, `badSignatureAlgorithm` when it is of another kind. */
export function verifySignature({ header, signedText, signature }: Jws, jwk: PublicJwk): void {
  const expected = jwk.kty === 'EC' ? 'ES256' : 'RS256';
  if (header.alg !== expected)
    throw badAlgorithm(`the key signs with ${expected}, the protected header says ${header.alg}`);
  const key = { key: publicKeyOf(jwk), dsaEncoding: 'ieee-p1363' as const };
  if (!verify('sha256', Buffer.from(signedText), key, signature))
    throw new AcmeProblem('malformed', 'JWS verification error: the signature does not match');
}

const badAlgorithm = (detail: string) =>
  new AcmeProblem('badSignatureAlgorithm', detail, { algorithms: ALGORITHMS });
