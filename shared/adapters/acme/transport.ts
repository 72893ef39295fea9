import http from 'node:http';
import https from 'node:https';
import { CertificateError, messageOf } from '../../errors.ts';

const DEADLINE_MS = 15_000;
const LARGEST_REPLY = 1024 * 1024;
// A server closes idle connections sooner or later; one that we close first can never swallow a request.
const IDLE_MS = 10_000;

/** What a CA answered, before anything is believed about it. Header names are lower-case. */
export type Reply = Readonly<{
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  text: string;
}>;

export type Sent = Readonly<{ method: string; url: string; body: string | undefined }>;

/** Sends one request. Throws `ca-unavailable` when no whole answer arrives in time; any status is an answer. */
export type Transport = (sent: Sent) => Promise<Reply>;

export type TransportOptions = Readonly<{
  directory: string;
  /** PEM of the only authority that the CA's own TLS may come from; undefined: the ones that Node brings. */
  tlsCa: string | undefined;
  userAgent: string;
}>;

/** HTTPS with kept connections, a deadline and a size limit; it follows no redirect and tries nothing twice. */
export function createTransport({ directory, tlsCa, userAgent }: TransportOptions): Transport {
  const secure = new URL(directory).protocol === 'https:';
  const settings = { keepAlive: true, timeout: IDLE_MS };
  const agent = secure
    ? new https.Agent({ ...settings, ...(tlsCa && { ca: tlsCa }) })
    : new http.Agent(settings);
  return async ({ method, url, body }) => {
    // RFC 8555 section 6.1; plain http is for a CA on this machine, whose directory says so itself.
    if (secure && !url.startsWith('https://'))
      throw new CertificateError(
        'ca-unavailable',
        `the CA at ${directory} names ${url}, which is not https`,
      );
    const headers = {
      'user-agent': userAgent,
      ...(body !== undefined && {
        'content-type': 'application/jose+json',
        'content-length': Buffer.byteLength(body),
      }),
    };
    const signal = AbortSignal.timeout(DEADLINE_MS);
    try {
      return await exchange(url, { method, agent, headers, signal }, body);
    } catch (cause) {
      throw new CertificateError(
        'ca-unavailable',
        `no answer from the CA at ${directory} to ${method} ${url}: ${reasonOf(cause, signal)}; check that the address is right and reachable`,
        { cause },
      );
    }
  };
}

async function exchange(
  url: string,
  options: https.RequestOptions,
  body: string | undefined,
): Promise<Reply> {
  const { request } = url.startsWith('https://') ? https : http;
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request(url, options, resolve).once('error', reject).end(body);
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (size > LARGEST_REPLY) throw new Error(`the reply is larger than ${LARGEST_REPLY} bytes`);
    chunks.push(chunk as Buffer);
  }
  return {
    status: response.statusCode ?? 0,
    headers: flat(response.headers),
    text: Buffer.concat(chunks).toString('utf8'),
  };
}

const flat = (headers: http.IncomingHttpHeaders) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return `nothing within ${DEADLINE_MS / 1000} seconds`;
  const { code } = error as NodeJS.ErrnoException;
  const message = messageOf(error);
  return code && !message.includes(code) ? `${code}: ${message}` : message || code || 'unknown';
}
