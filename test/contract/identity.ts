import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import type { IdentityOptions, VerifyIdentity } from '../../shared/adapters/identity.ts';

const AUDIENCE = 'https://api.test';
const ACCOUNT = 'ci@p.iam.gserviceaccount.com';

export type TokenIssuer = Readonly<{
  /** A valid ID token of an account. */
  token(email: string, audience: string): Promise<string>;
  /** A token with these claims, signed with the key that is published. */
  signed(claims: Readonly<Record<string, unknown>>): Promise<string>;
  certificatesUrl: string;
}>;

const decoded = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString());
const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** The claims of a good token, `differs` over them. */
function claims(differs: Readonly<Record<string, unknown>> = {}) {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: 'https://accounts.google.com',
    aud: AUDIENCE,
    sub: '1',
    email: 'ops@example.test',
    email_verified: true,
    iat: now,
    exp: now + 3600,
    ...differs,
  };
}

const now = () => Math.floor(Date.now() / 1000);

/** What VerifyIdentity promises, given somebody who issues tokens and publishes the keys. */
export function identityContract(
  create: (options: IdentityOptions) => VerifyIdentity,
  issuer: () => TokenIssuer,
): void {
  const identify = (header: string | undefined, audience: string | string[] = AUDIENCE) =>
    create({ audience, certificatesUrl: issuer().certificatesUrl })(header);
  const good = () => issuer().token(ACCOUNT, AUDIENCE);

  test.for<[string, Readonly<Record<string, unknown>>, string]>([
    ['a person', {}, 'user:ops@example.test'],
    ['a service account', { email: ACCOUNT }, `serviceAccount:${ACCOUNT}`],
    [
      'a default service account',
      { email: '1-compute@developer.gserviceaccount.com' },
      'serviceAccount:1-compute@developer.gserviceaccount.com',
    ],
    [
      'a person whose address only begins like one',
      { email: 'a@p.iam.gserviceaccount.com.evil.test' },
      'user:a@p.iam.gserviceaccount.com.evil.test',
    ],
    ['an issuer without its scheme', { iss: 'accounts.google.com' }, 'user:ops@example.test'],
  ])('%s is known', async ([, differs, member]) => {
    const token = await issuer().signed(claims(differs));
    expect(await identify(`Bearer ${token}`)).toEqual({
      member,
      email: member.replace(/^\w+:/, ''),
    });
  });

  test('one of several audiences suffices, and the scheme is written in any case', async () => {
    const known = await identify(`bearer ${await good()}`, ['https://other.test', AUDIENCE]);
    expect(known).toEqual({ member: `serviceAccount:${ACCOUNT}`, email: ACCOUNT });
  });

  test.for<[string, Readonly<Record<string, unknown>>]>([
    ['for somebody else', { aud: 'https://other.test' }],
    ['for nobody', { aud: undefined }],
    ['for a list that holds us', { aud: [AUDIENCE] }],
    ['of another issuer', { iss: 'https://evil.test' }],
    ['of no issuer', { iss: undefined }],
    ['that has expired', { iat: now() - 7200, exp: now() - 3600 }],
    ['that is not valid yet', { iat: now() + 3600, exp: now() + 7200 }],
    ['that never expires', { exp: undefined }],
    ['that expires in ten years', { exp: now() + 315_360_000 }],
    ['without an e-mail', { email: undefined }],
    ['with an e-mail nobody verified', { email_verified: false }],
    ['with a verification that is a text', { email_verified: 'true' }],
    ['that says nothing on verification', { email_verified: undefined }],
  ])('a token %s is nobody', async ([, differs]) => {
    const token = await issuer().signed(claims(differs));
    expect(await identify(`Bearer ${token}`)).toBeUndefined();
  });

  test.for<[string, (parts: readonly string[], kid: string) => string | Promise<string>]>([
    ['whose signature was cut off', ([head, body]) => `${head}.${body}.`],
    [
      'whose signature Cloud Run replaced',
      ([head, body]) => `${head}.${body}.SIGNATURE_REMOVED_BY_GOOGLE`,
    ],
    ['without a third part', ([head, body]) => `${head}.${body}`],
    [
      'whose claims were changed',
      ([head, , signature]) => `${head}.${encoded(claims({ email: 'x@y.test' }))}.${signature}`,
    ],
    ['of algorithm none', ([, body], kid) => `${encoded({ alg: 'none', kid })}.${body}.`],
    [
      'of algorithm none with the old signature',
      ([, body, signature], kid) => `${encoded({ alg: 'none', kid })}.${body}.${signature}`,
    ],
    [
      'signed with the public key as a shared secret',
      async ([, body], kid) => {
        const reply = await fetch(issuer().certificatesUrl);
        const { keys } = (await reply.json()) as { keys: [Record<string, string>] };
        const secret = createPublicKey({ key: keys[0], format: 'jwk' }).export({
          type: 'spki',
          format: 'pem',
        });
        const text = `${encoded({ alg: 'HS256', kid })}.${body}`;
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      },
    ],
    [
      'signed with another key under the same id',
      ([head, body]) => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const text = `${head}.${body}`;
        return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
      },
    ],
    [
      'that names an unknown key',
      ([, body, signature]) => `${encoded({ alg: 'RS256', kid: 'x' })}.${body}.${signature}`,
    ],
    [
      'whose key is a name that every object has',
      ([, body, signature]) =>
        `${encoded({ alg: 'RS256', kid: 'constructor' })}.${body}.${signature}`,
    ],
    [
      'that names no key',
      ([, body, signature]) => `${encoded({ alg: 'RS256' })}.${body}.${signature}`,
    ],
  ])('a token %s is nobody', async ([, forged]) => {
    const parts = (await good()).split('.');
    const token = await forged(parts, decoded(parts[0]).kid);
    expect(await identify(`Bearer ${token}`)).toBeUndefined();
  });

  test.for<[string, string | undefined]>([
    ['no header', undefined],
    ['an empty header', ''],
    ['a scheme alone', 'Bearer'],
    ['another scheme', 'Basic YTpi'],
    ['an access token', 'Bearer ya29.abc'],
    ['nonsense of three parts', 'Bearer a.b.c'],
    ['a token of algorithm none', `Bearer ${encoded({ alg: 'none', kid: 'x' })}.b.c`],
    ['a token of another algorithm', `Bearer ${encoded({ alg: 'ES256', kid: 'x' })}.b.c`],
    ['a token that names no key at all', `Bearer ${encoded({ alg: 'RS256' })}.b.c`],
    ['JSON that is no object', `Bearer ${Buffer.from('null').toString('base64url')}.b.c`],
  ])('%s is nobody, and no key is asked for', async ([, header]) => {
    const verify = create({ audience: AUDIENCE, certificatesUrl: 'http://127.0.0.1:9/unasked' });
    expect(await verify(header)).toBeUndefined();
  });
}
