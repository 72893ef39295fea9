import { hash, randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Store } from '../state.ts';
import {
  type AssertionKey,
  assertionJwt,
  newAssertionKey,
  newSigningKey,
  type SigningKey,
  signedJwt,
} from './keys.ts';

const LIFETIME_MS = 3_600_000;
// A token is handed out again until five minutes before its end, as the real server does.
const FRESH_MS = 300_000;

type AccessToken = Readonly<{ token: string; email: string; expires: string }>;
export type MetadataState = Readonly<{ key: SigningKey; tokens: readonly AccessToken[] }>;

export type Tokens = Readonly<{
  key: SigningKey;
  assertionKey: AssertionKey;
  identityToken(email: string, audience: string, extra?: object): string;
  /** What Identity-Aware Proxy says of one who came through, with `differs` over its claims. */
  assertion(email: string, audience: string, differs?: object): string;
  accessToken(email: string): AccessToken;
  accountOf(token: string): string | undefined;
}>;

/** Issues tokens with the key in the store, which is made at the first start. */
export async function createTokens(store: Store<MetadataState>, clock: Clock): Promise<Tokens> {
  const saved = store.load();
  const key = saved?.key ?? (await newSigningKey(clock.now()));
  const assertionKey = newAssertionKey();
  let tokens = saved?.tokens ?? [];
  if (!saved) store.save({ key, tokens });
  const leftMs = ({ expires }: { expires: string }) => Date.parse(expires) - clock.now().getTime();
  const identities = new Map<string, Readonly<{ token: string; expires: string }>>();
  return {
    key,
    assertionKey,
    assertion: (email, audience, differs = {}) =>
      assertionJwt({ ...assertedClaims(email, audience, clock.now()), ...differs }, assertionKey),
    identityToken(email, audience, extra = {}) {
      const whose = JSON.stringify([email, audience, extra]);
      const held = identities.get(whose);
      if (held && leftMs(held) > FRESH_MS) return held.token;
      const claims = identityClaims(email, audience, clock.now());
      const token = signedJwt({ ...claims, ...extra }, key);
      identities.set(whose, { token, expires: new Date(claims.exp * 1000).toISOString() });
      return token;
    },
    accessToken(email) {
      const held = tokens.find((token) => token.email === email && leftMs(token) > FRESH_MS);
      if (held) return held;
      const expires = new Date(clock.now().getTime() + LIFETIME_MS).toISOString();
      const token = { token: `ya29.${randomBytes(48).toString('base64url')}`, email, expires };
      tokens = [...tokens.filter((other) => leftMs(other) > 0), token];
      store.save({ key, tokens });
      return token;
    },
    accountOf: (token) => tokens.find((known) => known.token === token && leftMs(known) > 0)?.email,
  };
}

function identityClaims(email: string, audience: string, now: Date) {
  const iat = Math.floor(now.getTime() / 1000);
  const id = accountId(email);
  return {
    aud: audience,
    azp: id,
    email,
    email_verified: true,
    exp: iat + LIFETIME_MS / 1000,
    iat,
    iss: 'https://accounts.google.com',
    sub: id,
  };
}

// https://cloud.google.com/iap/docs/signed-headers-howto
function assertedClaims(email: string, audience: string, now: Date) {
  const iat = Math.floor(now.getTime() / 1000);
  return {
    aud: audience,
    email,
    exp: iat + 600,
    iat,
    iss: 'https://cloud.google.com/iap',
    sub: `accounts.google.com:${accountId(email)}`,
  };
}

/** A number of 21 digits that an account keeps, in the form of Google's unique ids. */
const accountId = (email: string): string =>
  `1${BigInt(`0x${hash('sha256', email)}`)
    .toString()
    .slice(-20)}`;
