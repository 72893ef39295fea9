import { setTimeout as sleep } from 'node:timers/promises';
import { type AuthClient, GoogleAuth as Discovery, OAuth2Client } from 'google-auth-library';
import { CertificateError, messageOf } from '../errors.ts';
import { noteAccount } from './account.ts';
import { IF_IT_LASTS, once } from './google-client.ts';

// A GKE cluster knows the bearer of a token by the e-mail only with the second scope, else by a number that RBAC does not name.
const SCOPES = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/userinfo.email',
];
const DEFAULT_ACCOUNT = '/computeMetadata/v1/instance/service-accounts/default';
const LIMIT_MS = 10_000;
const LIMIT_OF_ONE_MS = 5_000;
const FRESH_MS = 300_000;

/** Who this process is to Google. Nothing is asked before the first token is needed. */
export type GoogleAuth = Readonly<{
  /** For the clients of Google's own libraries. */
  client: AuthClient;
  /** Good for at least the next minutes. */
  accessToken(): Promise<string>;
  /** An ID token (OpenID Connect) made out to `audience`. Good for at least the next minutes. */
  identityToken(audience: string): Promise<string>;
}>;

export type GoogleAuthOptions = Readonly<{
  /** Base of a metadata server, which is then the only source of tokens: no environment, no file. Default: Google's own discovery. */
  metadata?: string | undefined;
  /** For one token, whatever has to be asked for it; 10 s by default. */
  limitMs?: number | undefined;
}>;

/** https://cloud.google.com/docs/authentication/application-default-credentials, or one named metadata server. */
export function createGoogleAuth(options: GoogleAuthOptions = {}): GoogleAuth {
  const fromSource = createAsking(options);
  const client = new OAuth2Client();
  // Only told in what is said of a refusal, so nothing waits for it, and it may fail.
  const noted = once(async () =>
    noteAccount(client, await fromSource((source) => source.account())),
  );
  client.refreshHandler = shared(() => {
    noted().catch(() => {});
    return fromSource((source) => source.access());
  });
  return {
    client,
    accessToken: async () => (await client.getAccessToken()).token ?? '',
    identityToken: (audience) => fromSource((source) => source.identity(audience)),
  };
}

type Tokens = Readonly<{
  access(): Promise<{ access_token: string; expiry_date: number }>;
  identity(audience: string): Promise<string>;
  /** The e-mail of the account that the tokens are those of. */
  account(): Promise<string>;
}>;

/**
 * Asks the source, and waits no longer than the limit: on Cloud Run the library waits for the metadata server without end, and whoever
 * asks it meanwhile waits for the same answer. So what was silent once is left, and the next call begins with a source of its own.
 */
function createAsking({ metadata, limitMs = LIMIT_MS }: GoogleAuthOptions) {
  const newSource = () => (metadata ? metadataTokens(metadata) : discoveredTokens());
  let source = newSource();
  return async <T>(ask: (source: Tokens) => Promise<T>): Promise<T> => {
    const answered = new AbortController();
    const limit = sleep(limitMs, undefined, { signal: answered.signal }).then(() => {
      source = newSource();
      throw new CertificateError(
        'identity-unavailable',
        `no token from Google within ${limitMs} ms; ${IF_IT_LASTS}`,
      );
    });
    try {
      return await Promise.race([ask(source), limit]);
    } finally {
      answered.abort();
    }
  };
}

/** Callers that ask while an answer is under way get that one. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () => {
    underWay ??= ask().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

// https://cloud.google.com/compute/docs/metadata/overview
function metadataTokens(base: string): Tokens {
  const ask = (path: string) => answered(`${base.replace(/\/$/, '')}${DEFAULT_ACCOUNT}${path}`);
  const held = new Map<string, string>();
  return {
    account: () => ask('/email'),
    async access() {
      const { access_token, expires_in } = JSON.parse(await ask('/token'));
      return { access_token, expiry_date: Date.now() + Number(expires_in) * 1000 };
    },
    async identity(audience) {
      const kept = held.get(audience);
      if (kept && expiry(kept) > Date.now() + FRESH_MS) return kept;
      const query = new URLSearchParams({ audience, format: 'full' });
      const token = (await ask(`/identity?${query}`)).trim();
      held.set(audience, token);
      return token;
    },
  };
}

async function answered(url: string): Promise<string> {
  const response = await fetch(url, {
    headers: { 'metadata-flavor': 'Google' },
    redirect: 'error',
    signal: AbortSignal.timeout(LIMIT_OF_ONE_MS),
  }).catch((cause) => {
    const reason = cause instanceof Error && cause.cause ? cause.cause : cause;
    throw noToken(url, messageOf(reason), cause);
  });
  const text = await response.text();
  if (!response.ok) throw noToken(url, `HTTP ${response.status}`);
  return text;
}

const noToken = (url: string, problem: string, cause?: unknown) =>
  new CertificateError(
    'identity-unavailable',
    `no token from the metadata server at ${new URL(url).origin}: ${problem}`,
    { cause },
  );

function expiry(jwt: string): number {
  const claims = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
  return Number(claims.exp) * 1000;
}

function discoveredTokens(): Tokens {
  const discovery = new Discovery({ scopes: SCOPES });
  const clients = new Map<string, ReturnType<Discovery['getIdTokenClient']>>();
  return {
    account: async () => {
      const { client_email = '' } = await discovery.getCredentials();
      return client_email;
    },
    // The discovered client caches by itself, so it is asked each time: what expires now is never held.
    access: async () => ({
      access_token: (await discovery.getAccessToken()) ?? '',
      expiry_date: Date.now(),
    }),
    async identity(audience) {
      const client = clients.get(audience) ?? discovery.getIdTokenClient(audience);
      clients.set(audience, client);
      client.catch(() => clients.delete(audience));
      const headers = await (await client).getRequestHeaders();
      return headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
    },
  };
}
