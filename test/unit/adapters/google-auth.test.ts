import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../../../local/clock.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import { type Metadata, startMetadata } from '../../../local/metadata/metadata.ts';
import { memoryStore } from '../../../local/state.ts';
import { createGoogleAuth } from '../../../shared/adapters/google-auth.ts';

const ACCOUNT = 'worker@p.iam.gserviceaccount.com';

let metadata: Metadata;
beforeAll(async () => {
  metadata = await startMetadata({ store: memoryStore(), clock: systemClock, project: 'p' });
});
afterAll(() => metadata.close());
afterEach(() => vi.unstubAllEnvs());

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

/** Counts what goes to the metadata server of one account; `answer` may take its place, and `null` is none. */
async function startCounted(answer?: (url: string) => string | null | undefined) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push(url.replace(/.*default/, ''));
    const own = answer?.(url);
    if (own === null) return;
    if (own !== undefined) {
      response.end(own);
      return;
    }
    void fetch(`${metadata.urlFor(ACCOUNT)}${url}`, {
      headers: { 'metadata-flavor': String(request.headers['metadata-flavor']) },
    }).then(async (reply) => {
      response.writeHead(reply.status, { 'metadata-flavor': 'Google' }).end(await reply.text());
    });
  });
  return { ...(await listenOnLoopback(server, 0)), asked };
}

test('the access token is that of the account, for us and for the libraries', async () => {
  const auth = createGoogleAuth({ metadata: metadata.urlFor(ACCOUNT) });
  const token = await auth.accessToken();
  expect(metadata.accountOf(token)).toBe(ACCOUNT);
  const headers = await auth.client.getRequestHeaders('https://x.test');
  expect(headers.get('authorization')).toBe(`Bearer ${token}`);
});

test('the identity token is made out to the audience', async () => {
  const auth = createGoogleAuth({ metadata: metadata.urlFor(ACCOUNT) });
  expect(claimsOf(await auth.identityToken('https://a.test/?x=1&y'))).toMatchObject({
    aud: 'https://a.test/?x=1&y',
    email: ACCOUNT,
    email_verified: true,
  });
});

test('tokens are asked for once, by whomever, and identities once an audience', async () => {
  const counted = await startCounted();
  try {
    const auth = createGoogleAuth({ metadata: `${counted.url}/` });
    await Promise.all([auth.accessToken(), auth.accessToken(), auth.client.getAccessToken()]);
    await auth.accessToken();
    for (const audience of ['a', 'b', 'a']) await auth.identityToken(audience);
    expect(counted.asked.toSorted()).toEqual([
      '/email',
      '/identity?audience=a&format=full',
      '/identity?audience=b&format=full',
      '/token',
    ]);
  } finally {
    await counted.close();
  }
});

test('a token with less than five minutes left is replaced', async () => {
  const exp = Math.floor(Date.now() / 1000) + 299;
  const claims = Buffer.from(JSON.stringify({ exp })).toString('base64url');
  const counted = await startCounted((url) =>
    url.includes('/token')
      ? JSON.stringify({ access_token: 'short', expires_in: 299, token_type: 'Bearer' })
      : `x.${claims}.y`,
  );
  try {
    const auth = createGoogleAuth({ metadata: counted.url });
    for (let time = 0; time < 2; time += 1) {
      expect(await auth.accessToken()).toBe('short');
      await auth.identityToken('a');
    }
    expect(counted.asked.filter((path) => path !== '/email')).toHaveLength(4);
  } finally {
    await counted.close();
  }
});

test('nothing is asked before a token is needed', async () => {
  const counted = await startCounted();
  createGoogleAuth({ metadata: counted.url });
  createGoogleAuth();
  expect(counted.asked).toEqual([]);
  await counted.close();
});

test('a metadata server that refuses is named, and asked again the next time', async () => {
  const auth = createGoogleAuth({ metadata: `${metadata.url}/accounts` });
  for (let time = 0; time < 2; time += 1)
    await expect(auth.accessToken()).rejects.toMatchObject({
      code: 'identity-unavailable',
      message: `no token from the metadata server at ${metadata.url}: HTTP 404`,
    });
});

test('a metadata server that is not there is named', async () => {
  const counted = await startCounted();
  await counted.close();
  const auth = createGoogleAuth({ metadata: counted.url });
  await expect(auth.identityToken('a')).rejects.toMatchObject({
    code: 'identity-unavailable',
    message: expect.stringContaining(`at ${counted.url}: connect ECONNREFUSED`),
  });
});

/** The environment of a function on Cloud Run, where the library waits for its metadata server without end. */
function stubFunction(url: string) {
  vi.stubEnv('K_SERVICE', 'certherd-issue');
  vi.stubEnv('GCE_METADATA_HOST', url.replace('http://', ''));
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
  // No gcloud and nothing that it has stored.
  vi.stubEnv('PATH', '/nonexistent');
  vi.stubEnv('HOME', '/nonexistent');
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
  vi.stubEnv('GOOGLE_CLOUD_PROJECT', '');
}

type Auth = ReturnType<typeof createGoogleAuth>;
const access = (auth: Auth) => auth.accessToken();
const identity = (auth: Auth) => auth.identityToken('https://a.test');

test.for<[string, string, (auth: Auth) => Promise<string>]>([
  ['an access token', '/token', access],
  ['an identity', '/identity', identity],
  ['the project, before any token', '/project-id', access],
])('a metadata server that is silent once, on %s, fails one call in time', async (scenario) => {
  const [, path, ask] = scenario;
  let silent = false;
  const counted = await startCounted((url) => (silent && url.includes(path) ? null : undefined));
  try {
    stubFunction(counted.url);
    // What the library loads at its first call is no part of the answer.
    await ask(createGoogleAuth());
    silent = true;
    const auth = createGoogleAuth({ limitMs: 400 });
    await expect(Promise.all([ask(auth), ask(auth)])).rejects.toMatchObject({
      code: 'identity-unavailable',
      message:
        'no token from Google within 400 ms; if it lasts, check the network here and https://status.cloud.google.com',
    });
    silent = false;
    expect(await ask(auth)).not.toBe('');
  } finally {
    await counted.close();
  }
});

test('what Google finds by itself is asked for a token that also says whose e-mail it is', async () => {
  const counted = await startCounted();
  try {
    stubFunction(counted.url);
    vi.stubEnv('GOOGLE_CLOUD_PROJECT', 'p');
    await createGoogleAuth().accessToken();
    const asked = counted.asked.find((path) => path.startsWith('/token')) ?? '';
    expect(new URL(asked, counted.url).searchParams.get('scopes')?.split(',')).toEqual([
      'https://www.googleapis.com/auth/cloud-platform',
      'https://www.googleapis.com/auth/userinfo.email',
    ]);
  } finally {
    await counted.close();
  }
});
