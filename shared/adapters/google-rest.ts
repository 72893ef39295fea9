import type { AuthClient } from 'google-auth-library';
import { type GoogleApiOptions, STATUS } from './google-client.ts';

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

/**
 * A generated client makes two more copies of each answer, which for ten thousand secrets costs half a second and 15 MiB, and
 * loading one takes a tenth of a second. Fails as it does, with a number of google.rpc.Code as the error's `code`.
 */
export function createRest({ auth, endpoint }: GoogleApiOptions, host: string): Rest {
  const root = endpoint?.replace(/\/$/, '') ?? `https://${host}`;
  const get = <T extends object>(path: string) => answerOf<T>(auth.client, `${root}/${path}`);
  return {
    get,
    async *pages<T extends object>(path: string, query: Readonly<Record<string, string>>) {
      for (let pageToken: string | undefined = ''; pageToken !== undefined; ) {
        const parameters: URLSearchParams = new URLSearchParams(query);
        if (pageToken) parameters.set('pageToken', pageToken);
        const page: T & Page = await get(`${path}?${parameters}`);
        yield page;
        pageToken = page.nextPageToken || undefined;
      }
    },
  };
}

const LIMIT_MS = 10_000;

// The same patience as REPEATABLE's. The library repeats a GET that is refused with 408, 429 or 5xx, or not answered at all.
const RETRIES = {
  retry: 6,
  noResponseRetries: 2,
  retryDelay: 100,
  retryDelayMultiplier: 2,
  maxRetryDelay: 2_000,
};

async function answerOf<T extends object>(client: AuthClient, url: string): Promise<T> {
  const { data } = await client
    .request<unknown>({ url, responseType: 'json', timeout: LIMIT_MS, retryConfig: RETRIES })
    .catch((error) => {
      throw refused(error);
    });
  if (typeof data !== 'object' || data === null) throw new Error('the answer is no JSON');
  return data as T;
}

/** What the library throws, as far as it is looked at; `data` is as https://google.aip.dev/193 says, if the API itself answered. */
type Failure = Readonly<{
  message: string;
  code?: unknown;
  response?: Readonly<{ status: number; data?: unknown }>;
}>;

/** The library's own error holds the request with its token. */
function refused(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('no answer');
  const { response, code, message }: Failure = error;
  if (!response)
    return failure(code === 'TimeoutError' ? 'DEADLINE_EXCEEDED' : 'UNAVAILABLE', message);
  const said = (response.data as { error?: { status?: unknown; message?: unknown } } | undefined)
    ?.error;
  return failure(
    isStatus(said?.status) ? said.status : statusOfHttp(response.status),
    typeof said?.message === 'string' ? said.message : `HTTP ${response.status}`,
  );
}

type Status = keyof typeof STATUS;

const isStatus = (name: unknown): name is Status => typeof name === 'string' && name in STATUS;

const failure = (status: Status | undefined, message: string) =>
  Object.assign(new Error(message), status && { code: STATUS[status] });

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto says which HTTP status stands for which code. */
function statusOfHttp(http: number): Status | undefined {
  if (http >= 500) return 'UNAVAILABLE';
  const known: Readonly<Record<number, Status>> = {
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    429: 'RESOURCE_EXHAUSTED',
  };
  return known[http];
}
