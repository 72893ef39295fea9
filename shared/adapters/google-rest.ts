import { setTimeout as sleep } from 'node:timers/promises';
import type { AuthClient } from 'google-auth-library';
import { CertificateError } from '../errors.ts';
import { type GoogleApiOptions, STATUS, statusOf } from './google-client.ts';

// As long as REPEATABLE's. A worker has 90 s for all that it does.
const LIMIT_MS = 10_000;
const LIMIT_OF_ONE_MS = 5_000;

/** One page of a list method (https://google.aip.dev/158), in the API's own JSON. */
type Page = Readonly<{ nextPageToken?: string }>;

/** Reads of one Google API in its own JSON; a path is below the API's root, as in `v1/projects/p/secrets`. */
export type Rest = Readonly<{
  get<T extends object>(path: string): Promise<T>;
  /** Every page of a list. */
  pages<T extends object>(
    path: string,
    query: Readonly<Record<string, string>>,
  ): AsyncGenerator<T & Page>;
}>;

export type RestOptions = GoogleApiOptions &
  Readonly<{
    /** Of the API, when no endpoint is given. */
    host: string;
    /** For one answer, all tries included; 10 s by default. */
    limitMs?: number | undefined;
  }>;

/**
 * A generated client makes two more copies of each answer, which for ten thousand secrets costs half a second and 15 MiB, and
 * loading one takes a tenth of a second. Fails as it does, with a number of google.rpc.Code as the error's `code`.
 */
export function createRest({ auth, endpoint, host, limitMs = LIMIT_MS }: RestOptions): Rest {
  const root = endpoint?.replace(/\/$/, '') ?? `https://${host}`;
  const get = <T extends object>(path: string) =>
    answerOf<T>(auth.client, `${root}/${path}`, limitMs);
  return {
    get,
    async *pages<T extends object>(path: string, query: Readonly<Record<string, string>>) {
      for (let pageToken: string | undefined = ''; pageToken !== undefined; ) {
        const parameters: URLSearchParams = new URLSearchParams(query);
        if (pageToken) parameters.set('pageToken', pageToken);
        const page: T & Page = await get(`${path}?${parameters}`);
        yield page;
        if (page.nextPageToken === pageToken) throw new Error('the same page comes forever');
        pageToken = page.nextPageToken || undefined;
      }
    },
  };
}

async function answerOf<T extends object>(
  client: AuthClient,
  url: string,
  limitMs: number,
): Promise<T> {
  const until = Date.now() + limitMs;
  for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, 2_000)) {
    const timeout = Math.min(LIMIT_OF_ONE_MS, until - Date.now());
    try {
      const { data } = await client.request<unknown>({ url, responseType: 'json', timeout });
      if (typeof data === 'object' && data !== null) return data as T;
      throw new Error('the answer is no JSON');
    } catch (error) {
      const failure = failureOf(error);
      if (!isPassing(failure) || Date.now() + waitMs >= until) throw failure;
      await sleep(waitMs);
      // A pause may end late, and a timeout of 0 would be none.
      if (Date.now() >= until) throw failure;
    }
  }
}

type Status = keyof typeof STATUS;

const PASSING: readonly (Status | undefined)[] = [
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'INTERNAL',
  'UNAVAILABLE',
];

const isPassing = (failure: Error) =>
  PASSING.some((status) => status && STATUS[status] === statusOf(failure));

/** What the library throws, as far as it is looked at; `data` is as https://google.aip.dev/193 says, if the API itself answered. */
type Thrown = Readonly<{
  message: string;
  code?: unknown;
  response?: Readonly<{ status: number; data?: unknown }>;
}>;

/** The library's own error holds the request with its token. */
function failureOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('no answer');
  if (error instanceof CertificateError) return error;
  const { response, code, message }: Thrown = error;
  if (!response && code === undefined) return new Error(message);
  if (!response)
    return failed(code === 'TimeoutError' ? 'DEADLINE_EXCEEDED' : 'UNAVAILABLE', message);
  const said = (response.data as { error?: { status?: unknown; message?: unknown } } | undefined)
    ?.error;
  return failed(
    isStatus(said?.status) ? said.status : statusOfHttp(response.status),
    typeof said?.message === 'string' ? said.message : `HTTP ${response.status}`,
  );
}

const isStatus = (name: unknown): name is Status =>
  typeof name === 'string' && Object.hasOwn(STATUS, name);

const failed = (status: Status | undefined, message: string) =>
  Object.assign(new Error(message), status && { code: STATUS[status] });

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto says which HTTP status stands for which code. */
function statusOfHttp(http: number): Status | undefined {
  if (http >= 500) return 'UNAVAILABLE';
  const known: Readonly<Record<number, Status>> = {
    400: 'INVALID_ARGUMENT',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    408: 'DEADLINE_EXCEEDED',
    429: 'RESOURCE_EXHAUSTED',
  };
  return known[http];
}
