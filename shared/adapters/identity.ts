import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { OAuth2Client, type TokenPayload } from 'google-auth-library';
import { CertificateError, messageOf } from '../errors.ts';

const GOOGLE_KEYS = 'https://www.googleapis.com/oauth2/v3/certs';
const IAP_KEYS = 'https://www.gstatic.com/iap/verify/public_key-jwk';
const DAY_S = 86_400;
// Ten minutes, and half a minute that each of the two clocks may be wrong.
const ASSERTION_S = 660;
const LIMIT_MS = 10_000;

/** A caller, with the member that roles are given to: `user:EMAIL` or `serviceAccount:EMAIL`. */
export type Identity = Readonly<{ member: string; email: string }>;

/**
 * Takes the whole Authorization header, and what Identity-Aware Proxy says in X-Goog-IAP-JWT-Assertion. undefined: the caller is nobody.
 * Throws when Google's keys cannot be read.
 */
export type VerifyIdentity = (
  authorization: string | undefined,
  assertion?: string | undefined,
) => Promise<Identity | undefined>;

export type IdentityOptions = Readonly<{
  /** What a token must be made out to. */
  audience: string | readonly string[];
  /** A JWK set (RFC 7517); default Google's. */
  certificatesUrl?: string | undefined;
  /** What an assertion of Identity-Aware Proxy must be made out to. Without it there is no such proxy, and whoever sends an assertion made it up. */
  iapAudience?: string | undefined;
  /** The JWK set of Identity-Aware Proxy; default Google's. */
  iapKeysUrl?: string | undefined;
}>;

/**
 * Verifies Google ID tokens (https://cloud.google.com/run/docs/securing/service-identity#identity_tokens) and assertions
 * (https://cloud.google.com/iap/docs/signed-headers-howto). Who brings an assertion is whom it names, or nobody, whatever else is sent.
 * No token leaves this function, in no error either.
 */
export function createIdentityVerifier(options: IdentityOptions): VerifyIdentity {
  const tokenClaims = createClaimsReader({
    algorithm: 'RS256',
    keysUrl: options.certificatesUrl ?? GOOGLE_KEYS,
    audience: [options.audience].flat(),
    issuers: ['https://accounts.google.com', 'accounts.google.com'],
    longestSeconds: DAY_S,
  });
  const assertionClaims =
    options.iapAudience &&
    createClaimsReader({
      algorithm: 'ES256',
      keysUrl: options.iapKeysUrl ?? IAP_KEYS,
      audience: [options.iapAudience],
      issuers: ['https://cloud.google.com/iap'],
      longestSeconds: ASSERTION_S,
    });
  return async (authorization, assertion) => {
    if (assertionClaims && assertion !== undefined)
      return identityOf(assertedEmail(await assertionClaims(assertion)));
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    return token ? identityOf(verifiedEmail(await tokenClaims(token))) : undefined;
  };
}

type Claims = Readonly<{
  algorithm: 'RS256' | 'ES256';
  keysUrl: string;
  audience: string[];
  issuers: string[];
  /** A token that is good for longer is none. */
  longestSeconds: number;
}>;

/** The claims of a token that holds to all of this; undefined for any other. */
function createClaimsReader(
  expected: Claims,
): (token: string) => Promise<TokenPayload | undefined> {
  const keys = cachedKeys(expected.keysUrl);
  return async (token) =>
    isSignedByKey(token, expected.algorithm)
      ? verifiedClaims(token, await keys(), expected)
      : undefined;
}

/** Whether the token names a key and the one algorithm that Google signs with: what else it could name is chosen by its sender. */
function isSignedByKey(token: string, algorithm: string): boolean {
  try {
    const [header = ''] = token.split('.');
    const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    return alg === algorithm && typeof kid === 'string';
  } catch {
    return false;
  }
}

type Keys = Readonly<Record<string, string>>;

async function verifiedClaims(
  token: string,
  keys: Keys,
  { audience, issuers, longestSeconds }: Claims,
): Promise<TokenPayload | undefined> {
  try {
    const ticket = await new OAuth2Client().verifySignedJwtWithCertsAsync(
      token,
      keys,
      audience,
      issuers,
      longestSeconds,
    );
    return ticket.getPayload();
  } catch {
    // The library's words hold the token, and to the caller every reason is the same.
    return undefined;
  }
}

const verifiedEmail = (claims: TokenPayload | undefined) =>
  claims?.email_verified === true ? claims.email : undefined;

/** The proxy vouches for the e-mail and may write before it who signed the person in; anybody but Google is a stranger here. */
function assertedEmail(claims: TokenPayload | undefined): string | undefined {
  const email = String(claims?.email ?? '').replace(/^accounts\.google\.com:/, '');
  return /^[^@\s:]+@[^@\s:]+$/.test(email) ? email : undefined;
}

function identityOf(email: string | undefined): Identity | undefined {
  if (!email) return undefined;
  const kind = email.endsWith('.gserviceaccount.com') ? 'serviceAccount' : 'user';
  return { member: `${kind}:${email}`, email };
}

type Held = Readonly<{ keys: Keys; until: number }>;

/** Keys are kept as long as their answer's max-age allows; callers that ask meanwhile share one request. */
function cachedKeys(url: string): () => Promise<Keys> {
  let held: Held | undefined;
  let underWay: Promise<Held> | undefined;
  return async () => {
    if (held && held.until > Date.now()) return held.keys;
    underWay ??= readKeys(url).finally(() => {
      underWay = undefined;
    });
    held = await underWay;
    return held.keys;
  };
}

async function readKeys(url: string): Promise<Held> {
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const { keys } = (await response.json()) as { keys: (JsonWebKey & { kid: string })[] };
    const age = /max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1] ?? '0';
    const pems = keys.map((key) => [key.kid, pemOf(key)]);
    return { keys: Object.fromEntries(pems), until: Date.now() + Number(age) * 1000 };
  } catch (error) {
    const reason = error instanceof Error && error.cause ? error.cause : error;
    throw new CertificateError(
      'identity-unavailable',
      `cannot read the keys that identities are signed with at ${url}: ${messageOf(reason)}`,
      { cause: error },
    );
  }
}

const pemOf = (key: JsonWebKey) =>
  createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
