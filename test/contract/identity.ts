import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
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

export type Proxy = Readonly<{
  /** A valid assertion about somebody, `differs` over its claims. */
  assertion(email: string, audience: string, differs?: object): string;
  keysUrl: string;
}> &
  Pick<TokenIssuer, 'token' | 'certificatesUrl'>;

const SERVICE = '/projects/1/locations/l/services/certherd-api';
const PERSON = 'ops@example.test';
const UNASKED = 'http://127.0.0.1:9/unasked';

/** What VerifyIdentity promises on assertions, given a proxy that makes them and publishes its keys. */
export function assertionContract(
  create: (options: IdentityOptions) => VerifyIdentity,
  proxy: () => Proxy,
): void {
  const verifier = (differs: Partial<IdentityOptions> = {}) =>
    create({
      audience: AUDIENCE,
      certificatesUrl: proxy().certificatesUrl,
      iapAudience: SERVICE,
      iapKeysUrl: proxy().keysUrl,
      ...differs,
    });
  const good = (differs: object = {}) => proxy().assertion(PERSON, SERVICE, differs);

  test.for<[string, object, string]>([
    ['a person', {}, `user:${PERSON}`],
    [
      'a person, with Google before the address',
      { email: `accounts.google.com:${PERSON}` },
      `user:${PERSON}`,
    ],
    ['a service account', { email: ACCOUNT }, `serviceAccount:${ACCOUNT}`],
    ['whoever came just before our clock', { iat: now() + 20, exp: now() + 620 }, `user:${PERSON}`],
  ])('%s is known', async ([, differs, member]) => {
    expect(await verifier()(undefined, good(differs))).toEqual({
      member,
      email: member.replace(/^\w+:/, ''),
    });
  });

  test.for<[string, object]>([
    ['for another service', { aud: '/projects/1/locations/l/services/other' }],
    ['for the same service of another project', { aud: SERVICE.replace('1', '2') }],
    ['for nobody', { aud: undefined }],
    ['for a list that holds us', { aud: [SERVICE] }],
    ['of the issuer of ID tokens', { iss: 'https://accounts.google.com' }],
    ['of no issuer', { iss: undefined }],
    ['that has expired', { iat: now() - 1200, exp: now() - 600 }],
    ['that is not valid yet', { iat: now() + 600, exp: now() + 1200 }],
    ['that never expires', { exp: undefined }],
    ['without its time of issue', { iat: undefined }],
    ['that lasts an hour', { exp: now() + 3600 }],
    ['without an e-mail', { email: undefined }],
    ['with an empty e-mail', { email: '' }],
    ['with an e-mail that is none', { email: 'ops' }],
    ['about somebody whom Google did not sign in', { email: `securetoken.google.com/p:${PERSON}` }],
  ])('an assertion %s is nobody', async ([, differs]) => {
    expect(await verifier()(undefined, good(differs))).toBeUndefined();
  });

  const parts = () => good().split('.');
  const kid = () => decoded(parts()[0]).kid as string;
  const ownKey = (header: object, hash: string, key: KeyObject) => {
    const text = `${encoded(header)}.${parts()[1]}`;
    const signature = sign(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  };

  test.for<[string, () => string]>([
    ['whose signature was cut off', () => `${parts().slice(0, 2).join('.')}.`],
    [
      'whose claims were changed',
      () =>
        [parts()[0], encoded({ ...decoded(parts()[1]), email: 'x@y.test' }), parts()[2]].join('.'),
    ],
    ['of algorithm none', () => `${encoded({ alg: 'none', kid: kid() })}.${parts()[1]}.`],
    [
      'signed with another key under the same id',
      () =>
        ownKey(
          { alg: 'ES256', kid: kid() },
          'sha256',
          generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
        ),
    ],
    [
      'signed with RS256',
      () =>
        ownKey(
          { alg: 'RS256', kid: kid() },
          'RSA-SHA256',
          generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
        ),
    ],
    [
      'that names an unknown key',
      () => [encoded({ alg: 'ES256', kid: 'x' }), ...parts().slice(1)].join('.'),
    ],
    ['that comes twice', () => `${good()}, ${good()}`],
    ['that is empty', () => ''],
    ['that is nonsense', () => 'a.b.c'],
  ])('an assertion %s is nobody', async ([, forged]) => {
    expect(await verifier()(undefined, forged())).toBeUndefined();
  });

  test('an ID token is no assertion, and an assertion no ID token', async () => {
    const token = await proxy().token(PERSON, SERVICE);
    expect(await verifier()(undefined, token)).toBeUndefined();
    expect(await verifier({ audience: SERVICE })(`Bearer ${good()}`)).toBeUndefined();
  });

  test('without one, an ID token suffices, and with a bad one it does not', async () => {
    const header = `Bearer ${await proxy().token(ACCOUNT, AUDIENCE)}`;
    const known = { member: `serviceAccount:${ACCOUNT}`, email: ACCOUNT };
    expect(await verifier()(header)).toEqual(known);
    expect(await verifier()(header, good({ aud: 'x' }))).toBeUndefined();
    expect(await verifier()(header, '')).toBeUndefined();
    expect(await verifier()(header, good())).toMatchObject({ email: PERSON });
  });

  test('where no proxy stands, an assertion says nothing, and no key is asked for', async () => {
    const open = verifier({ iapAudience: undefined, iapKeysUrl: UNASKED });
    expect(await open(undefined, good())).toBeUndefined();
    const header = `Bearer ${await proxy().token(ACCOUNT, AUDIENCE)}`;
    expect(await open(header, good())).toMatchObject({ email: ACCOUNT });
  });

  test('keys that cannot be read make nobody of nobody', async () => {
    await expect(verifier({ iapKeysUrl: UNASKED })(undefined, good())).rejects.toMatchObject({
      code: 'identity-unavailable',
    });
  });
}
