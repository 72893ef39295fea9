import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { OAuth2Client, type TokenPayload } from 'google-auth-library';
import { CertificateError, messageOf } from '../errors.ts';

const GOOGLE_KEYS = 'https://www.googleapis.com/oauth2/v3/certs';
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com'];
const LIMIT_MS = 10_000;

/** A caller, with the member that roles are given to: `user:EMAIL` or `serviceAccount:EMAIL`. */
export type Identity = Readonly<{ member: string; email: string }>;

/** Takes the whole Authorization header. undefined: the caller is nobody. Throws when Google's keys cannot be read. */
export type VerifyIdentity = (authorization: string | undefined) => Promise<Identity | undefined>;

export type IdentityOptions = Readonly<{
  /** What a token must be made out to. */
  audience: string | readonly string[];
  /** A JWK set (RFC 7517); default Google's. */
  certificatesUrl?: string | undefined;
}>;

/** Verifies Google ID tokens (https://cloud.google.com/run/docs/securing/service-identity#identity_tokens). No token leaves this function, in no error either. */
export function createIdentityVerifier(options: IdentityOptions): VerifyIdentity {
  const keys = cachedKeys(options.certificatesUrl ?? GOOGLE_KEYS);
  const audience = [options.audience].flat();
  return async (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (!token || !isSignedByKey(token)) return undefined;
    return identityOf(await verifiedClaims(token, await keys(), audience));
  };
}

/** Whether the token names a key and the one algorithm that Google signs with: what else it could name is chosen by its sender. */
function isSignedByKey(token: string): boolean {
  try {
    const [header = ''] = token.split('.');
    const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    return alg === 'RS256' && typeof kid === 'string';
  } catch {
    return false;
  }
}

type Keys = Readonly<Record<string, string>>;

async function verifiedClaims(
  token: string,
  keys: Keys,
  audience: string[],
): Promise<TokenPayload | undefined> {
  try {
    const ticket = await new OAuth2Client().verifySignedJwtWithCertsAsync(
      token,
      keys,
      audience,
      ISSUERS,
    );
    return ticket.getPayload();
  } catch {
    // The library's words hold the token, and to the caller every reason is the same.
    return undefined;
  }
}

function identityOf(claims: TokenPayload | undefined): Identity | undefined {
  const email = claims?.email;
  if (!email || claims.email_verified !== true) return undefined;
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
