import { createServer } from 'node:http';
import { OAuth2Client } from 'google-auth-library';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manualClock, systemClock } from '../../../local/clock.ts';
import { googleVerifier, requireInvoker } from '../../../local/cloud-run.ts';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { type Metadata, startMetadata } from '../../../local/metadata/metadata.ts';
import { memoryStore, type Store } from '../../../local/state.ts';

const FLAVOR = { 'Metadata-Flavor': 'Google' };
const WORKER = 'worker@p.test';
const HOUR = 3_600_000;

let metadata: Metadata;
let saved: unknown;
const store = {
  load: () => saved,
  save: (state: unknown) => {
    saved = structuredClone(state);
  },
} as Store<never>;

beforeAll(async () => {
  // Google's library verifies tokens against the machine's clock, so these tests live in real time.
  metadata = await startMetadata({ store, clock: systemClock, project: 'my-project' });
});
afterAll(() => metadata.close());

async function ask(base: string, path: string, headers: Record<string, string> = FLAVOR) {
  const reply = await fetch(`${base}/computeMetadata/v1/${path}`, { headers });
  return {
    status: reply.status,
    flavor: reply.headers.get('metadata-flavor'),
    text: await reply.text(),
  };
}

const ACCOUNT = 'instance/service-accounts/default';

const verifier = () =>
  new OAuth2Client({
    endpoints: { oauth2FederatedSignonPemCertsUrl: metadata.pemCertificatesUrl },
  });

describe('the metadata server', () => {
  test.for<[string, string]>([
    ['project/project-id', 'my-project'],
    [`${ACCOUNT}/email`, WORKER],
    [`instance/service-accounts/${WORKER}/email`, WORKER],
    ['instance/service-accounts/', `default/\n${WORKER}/\n`],
    [
      `${ACCOUNT}/scopes`,
      'https://www.googleapis.com/auth/cloud-platform\nhttps://www.googleapis.com/auth/userinfo.email\n',
    ],
  ])('answers %s', async ([path, text]) => {
    expect(await ask(metadata.urlFor(WORKER), path)).toEqual({
      status: 200,
      flavor: 'Google',
      text,
    });
  });

  test('keeps the number of a project', async () => {
    const { text } = await ask(metadata.url, 'project/numeric-project-id');
    expect(text).toMatch(/^\d{12}$/);
    expect((await ask(metadata.url, 'project/numeric-project-id')).text).toBe(text);
  });

  test.for<[string, number, string, Record<string, string>]>([
    ['without its header', 403, `${ACCOUNT}/email`, {}],
    ['with the header spelt otherwise', 403, `${ACCOUNT}/email`, { 'Metadata-Flavor': 'google' }],
    [
      'that a proxy forwarded',
      403,
      `${ACCOUNT}/email`,
      { ...FLAVOR, 'X-Forwarded-For': '10.0.0.1' },
    ],
    ['for what is not there', 404, 'instance/nothing', FLAVOR],
    ['for another account', 404, 'instance/service-accounts/other@p.test/token', FLAVOR],
    ['for an ID token without an audience', 400, `${ACCOUNT}/identity`, FLAVOR],
    ['for an unknown format', 400, `${ACCOUNT}/identity?audience=a&format=odd`, FLAVOR],
  ])('refuses a request %s', async ([, status, path, headers]) => {
    expect(await ask(metadata.urlFor(WORKER), path, headers)).toMatchObject({
      status,
      flavor: 'Google',
    });
  });
});

describe('an ID token', () => {
  test('verifies with the published certificates, for its audience and account', async () => {
    const path = `${ACCOUNT}/identity?audience=https://us.test&format=full`;
    const { text: idToken } = await ask(metadata.urlFor(WORKER), path);
    const ticket = await verifier().verifyIdToken({ idToken, audience: 'https://us.test' });
    const payload = ticket.getPayload();
    expect(payload).toMatchObject({
      iss: 'https://accounts.google.com',
      aud: 'https://us.test',
      email: WORKER,
      email_verified: true,
      google: { compute_engine: { project_id: 'my-project' } },
    });
    expect((payload?.exp ?? 0) - (payload?.iat ?? 0)).toBe(3600);
    expect(payload?.sub).toMatch(/^\d{21}$/);
    expect(payload?.azp).toBe(payload?.sub);
    await expect(verifier().verifyIdToken({ idToken, audience: 'other' })).rejects.toThrow(
      'recipient',
    );
  });

  test('is signed with the one key that both pages publish', async () => {
    const token = await metadata.identityToken('ops@example.org', 'us');
    const { kid, alg } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
    const jwks = await (await fetch(metadata.certificatesUrl)).json();
    const pems = await (await fetch(metadata.pemCertificatesUrl)).json();
    expect(alg).toBe('RS256');
    expect(jwks).toEqual({
      keys: [{ kid, alg, kty: 'RSA', use: 'sig', e: 'AQAB', n: expect.any(String) }],
    });
    expect(Object.keys(pems as object)).toEqual([kid]);
  });

  test('still verifies after the next start with the same store', async () => {
    const again = await startMetadata({ store, clock: systemClock, project: 'my-project' });
    const idToken = await again.identityToken(WORKER, 'us');
    await again.close();
    const ticket = await verifier().verifyIdToken({ idToken, audience: 'us' });
    expect(ticket.getPayload()?.email).toBe(WORKER);
  });
});

test('an identity token is handed out again until five minutes before its end, to each audience its own', async () => {
  const clock = manualClock(new Date('2026-03-01T12:00:00Z'));
  const own = await startMetadata({ store: memoryStore(), clock, project: 'p' });
  const token = (audience: string) => own.identityToken(WORKER, audience);
  const first = await token('us');
  expect(await token('them')).not.toBe(first);
  clock.advance(54 * 60_000);
  expect(await token('us')).toBe(first);
  clock.advance(60_000);
  expect(await token('us')).not.toBe(first);
  await own.close();
});

describe('an access token', () => {
  test('belongs to the account that asked, for an hour', async () => {
    const clock = manualClock(new Date('2026-03-01T12:00:00Z'));
    const own = await startMetadata({ store: memoryStore(), clock, project: 'p' });
    const token = async () => JSON.parse((await ask(own.urlFor(WORKER), `${ACCOUNT}/token`)).text);
    const first = await token();
    expect(first).toMatchObject({ expires_in: 3600, token_type: 'Bearer' });
    expect(first.access_token).toMatch(/^ya29\./);
    expect(own.accountOf(first.access_token)).toBe(WORKER);
    expect(own.accountOf('ya29.made-up')).toBeUndefined();
    expect(own.accessToken('other@p.test')).not.toBe(first.access_token);
    clock.advance(HOUR - 300_001);
    expect(await token()).toMatchObject({ access_token: first.access_token, expires_in: 300 });
    clock.advance(1);
    expect((await token()).access_token).not.toBe(first.access_token);
    expect(own.accountOf(first.access_token)).toBe(WORKER);
    clock.advance(300_000);
    expect(own.accountOf(first.access_token)).toBeUndefined();
    await own.close();
  });
});

describe('a service that requires authentication', () => {
  let service: RunningApi;
  beforeAll(async () => {
    const listener = requireInvoker(
      (request, response) =>
        response.end(JSON.stringify([request.headers, request.rawHeaders.join('\n')])),
      {
        invokers: [`serviceAccount:${WORKER}`],
        audiences: ['https://us.test'],
        verify: googleVerifier(metadata.pemCertificatesUrl),
      },
    );
    service = await listenOnLoopback(createServer(listener), 0);
  });
  afterAll(() => service.close());

  const tokenOf = (email: string, audience = 'https://us.test') =>
    metadata.identityToken(email, audience);
  const call = (headers: Record<string, string>) => fetch(`${service.url}/run?x=1`, { headers });

  test.for<[string, number, () => Promise<string>]>([
    ['no token', 403, async () => ''],
    ['an access token', 401, async () => `Bearer ${metadata.accessToken(WORKER)}`],
    ['a token for another audience', 401, async () => `Bearer ${await tokenOf(WORKER, 'other')}`],
    [
      'a token with another signature',
      401,
      async () => {
        const [head, , signature] = (await tokenOf(WORKER)).split('.');
        const [, claims] = (await tokenOf('other@p.test')).split('.');
        return `Bearer ${head}.${claims}.${signature}`;
      },
    ],
    [
      'the token of one who may not invoke',
      403,
      async () => `Bearer ${await tokenOf('other@p.test')}`,
    ],
  ])('refuses %s', async ([, status, authorization]) => {
    const reply = await call({ authorization: await authorization() });
    expect(reply.status).toBe(status);
    expect(await reply.text()).toContain('<code>/run</code>');
    expect(reply.headers.has('www-authenticate')).toBe(status === 401);
  });

  test('sees the token of an invoker without its signature', async () => {
    const token = await tokenOf(WORKER);
    const reply = await call({ authorization: `Bearer ${token}` });
    expect(reply.status).toBe(200);
    const [headers, raw] = (await reply.json()) as [Record<string, string>, string];
    const [head, claims, signature = ''] = token.split('.');
    expect(headers.authorization).toBe(`Bearer ${head}.${claims}.SIGNATURE_REMOVED_BY_GOOGLE`);
    expect(raw).not.toContain(signature);
  });

  test('leaves Authorization alone when X-Serverless-Authorization opened the door', async () => {
    const person = await tokenOf('ops@example.org', 'api');
    const reply = await call({
      authorization: `Bearer ${person}`,
      'x-serverless-authorization': `Bearer ${await tokenOf(WORKER)}`,
    });
    const [headers] = (await reply.json()) as [Record<string, string>];
    expect(headers.authorization).toBe(`Bearer ${person}`);
    expect(headers['x-serverless-authorization']).toMatch(/\.SIGNATURE_REMOVED_BY_GOOGLE$/);
  });
});
