import { Agent, fetch, type RequestInit, type Response } from 'undici';

/** Where a cluster's API is and who we are there; `ca` and the client's pair are PEM texts. */
export type Cluster = Readonly<{
  name: string;
  server: string;
  ca: string;
  token?: string;
  clientCertificate?: Readonly<{ cert: string; key: string }>;
}>;

/** A refusal by a Kubernetes API server, with its HTTP status (410: start again from a list). */
export class ApiFault extends Error {
  override readonly name = 'ApiFault';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The calls that a front makes. Each throws ApiFault for a refusal, and undici's errors when there was no answer. */
export type ClusterApi = Readonly<{
  read(path: string, signal: AbortSignal): Promise<unknown>;
  /** The lines of an endless reply, parsed. Ends when the server ends it. */
  lines(path: string, signal: AbortSignal): AsyncGenerator<unknown>;
  mergePatch(path: string, body: unknown): Promise<void>;
  close(): Promise<void>;
}>;

// A watch is asked to end after five minutes; a longer silence is a connection that died unnoticed.
const SILENCE_MS = 330_000;

/** One connection pool to one cluster. Redirects are refused: they could carry the token elsewhere. */
export function createClusterApi(cluster: Cluster): ClusterApi {
  const { cert, key } = cluster.clientCertificate ?? {};
  const dispatcher = new Agent({
    connect: { ca: cluster.ca, ...(cert && key ? { cert, key } : {}) },
    bodyTimeout: SILENCE_MS,
    // Over HTTP/2 undici 8.12 throws out of nowhere when it is destroyed after a watch was aborted.
    allowH2: false,
  });
  const headers = cluster.token ? { authorization: `Bearer ${cluster.token}` } : {};
  const call = async (path: string, init: RequestInit) => {
    const url = new URL(path, cluster.server);
    const response = await fetch(url, {
      ...init,
      redirect: 'error',
      dispatcher,
      headers: { ...headers, accept: 'application/json', ...init.headers },
    });
    if (!response.ok) throw await faultOf(response);
    return response;
  };
  return {
    read: async (path, signal) => (await call(path, { signal })).json(),
    async *lines(path, signal) {
      yield* parsedLines(await call(path, { signal }));
    },
    async mergePatch(path, body) {
      const response = await call(path, {
        method: 'PATCH',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/merge-patch+json' },
      });
      await response.arrayBuffer();
    },
    close: () => dispatcher.destroy(),
  };
}

async function faultOf(response: Response): Promise<ApiFault> {
  const text = await response.text();
  return new ApiFault(response.status, messageIn(text) ?? `HTTP ${response.status}`);
}

function messageIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { message?: string }).message;
  } catch {
    return undefined;
  }
}

async function* parsedLines(response: Response): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield JSON.parse(line);
  }
}

/** What went wrong with a call in one line; undici hides the reason of "fetch failed" in the cause. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
