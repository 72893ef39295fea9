import type { AuthClient } from 'google-auth-library';
import type { CallOptions } from 'google-gax';
import { CertificateError, type ErrorCode, messageOf } from '../errors.ts';

/** The codes of google.rpc.Code that are acted upon; the libraries give them for REST too. */
export const STATUS = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type GoogleApiOptions = Readonly<{
  auth: Readonly<{ client: AuthClient }>;
  /** `http://127.0.0.1:1234`; default Google's own. */
  endpoint?: string | undefined;
}>;

/** What the constructor of a generated client is given, so that it speaks JSON over HTTP. */
export function clientOptions({ auth, endpoint }: GoogleApiOptions) {
  const options = { fallback: true, authClient: auth.client } as const;
  if (!endpoint) return options;
  const { protocol, hostname, port } = new URL(endpoint);
  const scheme = protocol.slice(0, -1);
  const usualPort = scheme === 'http' ? 80 : 443;
  return {
    ...options,
    apiEndpoint: hostname,
    port: port ? Number(port) : usualPort,
    protocol: scheme,
  };
}

const LIMIT_MS = 10_000;

/** A call that may be sent twice. All seven settings are needed: with one missing the library gives every retry 0 s. */
export const REPEATABLE: CallOptions = {
  timeout: LIMIT_MS,
  retry: {
    retryCodes: [
      STATUS.DEADLINE_EXCEEDED,
      STATUS.RESOURCE_EXHAUSTED,
      // Also what a front end answers with 500 or 502.
      STATUS.INTERNAL,
      STATUS.UNAVAILABLE,
    ],
    backoffSettings: {
      initialRetryDelayMillis: 100,
      retryDelayMultiplier: 2,
      maxRetryDelayMillis: 2_000,
      initialRpcTimeoutMillis: 5_000,
      rpcTimeoutMultiplier: 1,
      maxRpcTimeoutMillis: 5_000,
      totalTimeoutMillis: LIMIT_MS,
    },
  },
};

/** A call that is sent once. */
export const ONCE: CallOptions = { timeout: LIMIT_MS, retry: null };

/** The google.rpc.Code of a failed call; undefined for what is none. */
export function statusOf(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

const UNANSWERED: readonly (number | undefined)[] = [
  STATUS.DEADLINE_EXCEEDED,
  STATUS.INTERNAL,
  STATUS.UNAVAILABLE,
];

/** Whether nobody knows if the call took effect. */
export const isUnanswered = (error: unknown): boolean => UNANSWERED.includes(statusOf(error));

/** How a sentence ends when Google does not answer. */
export const IF_IT_LASTS =
  'if it lasts, check the network here and https://status.cloud.google.com';

/** What was tried: `doing` is what follows "cannot", `grant` what to grant when it is not permitted. */
export type Attempt = Readonly<{ code: ErrorCode; doing: string; grant: string }>;

/** A failed call as the program knows it: `not-found`, `not-permitted`, and else the attempt's own code. */
export function translated(error: unknown, resource: string, attempt: Attempt): CertificateError {
  if (error instanceof CertificateError) return error;
  const status = statusOf(error);
  return new CertificateError(
    codeOf(status, attempt),
    `cannot ${attempt.doing} ${resource}: ${problemOf(error, status, attempt)}`,
    { cause: withoutRequest(error, status) },
  );
}

function codeOf(status: number | undefined, { code }: Attempt): ErrorCode {
  if (status === STATUS.NOT_FOUND) return 'not-found';
  return status === STATUS.PERMISSION_DENIED ? 'not-permitted' : code;
}

function problemOf(error: unknown, status: number | undefined, { grant }: Attempt): string {
  switch (status) {
    case STATUS.PERMISSION_DENIED:
      return `permission denied; grant ${grant}`;
    case STATUS.UNAUTHENTICATED:
      return 'our credentials are not accepted; check the account that this runs as';
    case STATUS.NOT_FOUND:
      return 'it does not exist';
    case STATUS.RESOURCE_EXHAUSTED:
      return `too many requests; wait, or raise the quota (${said(error)})`;
    case undefined:
      // No status, so the words may be made from whatever was in the reply.
      return 'the answer was not understood';
    default:
      return isUnanswered(error) ? `${said(error)}; ${IF_IT_LASTS}` : said(error);
  }
}

const LONGEST_WORDS = 300;

// A call that was retried until the end of its time wraps the last answer's words in its own.
function said(error: unknown): string {
  const words = messageOf(error);
  const last = /retrying error (?:\w*Error: )?(.*?) +before any response/.exec(words)?.[1];
  return last === undefined ? plain(words) : `${plain(last)}, for ${LIMIT_MS / 1000} s`;
}

function plain(words: string): string {
  // What could not be parsed is quoted by the library, and may be a key.
  if (/JSON/.test(words) && !words.startsWith('Invalid JSON payload')) {
    const http = /with status (\d+)/.exec(words)?.[1];
    return `${http ? `HTTP ${http}, and ` : ''}the answer was not understood`;
  }
  if (words.includes('did not respond within')) return 'no answer in time';
  return (/ failed, reason: (.*)/.exec(words)?.[1] ?? words).slice(0, LONGEST_WORDS);
}

// The library's error holds the whole request, which may be a private key.
function withoutRequest(error: unknown, status: number | undefined): Error {
  const cause = new Error(status === undefined ? 'no status' : `status ${status}: ${said(error)}`);
  if (error instanceof Error && error.stack)
    cause.stack = `${cause.message}\n${error.stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n')}`;
  return cause;
}

/** Runs the call and translates its failure. */
export async function attempted<T>(
  resource: string,
  attempt: Attempt,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translated(error, resource, attempt);
  }
}

/** For `catch`: turns `not-found` into undefined and passes on the rest. */
export function absent(error: unknown): undefined {
  if (error instanceof CertificateError && error.code === 'not-found') return undefined;
  throw error;
}

/** Runs `make` at the first call; a failure is forgotten, so that the next call tries again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
