import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../clock.ts';
import { GoogleFault } from '../google-api.ts';
import { parseEnum, parseFields, parseText } from './json.ts';

const METHODS = [
  'HTTP_METHOD_UNSPECIFIED',
  'POST',
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
] as const;
const WITH_BODY: readonly string[] = ['POST', 'PUT', 'PATCH'];
const LONGEST_URL = 2083;

/** Where and how a task or job is delivered. `body` is base64. */
export type HttpTarget = Readonly<{
  url: string;
  /** POST when it is left out. */
  httpMethod?: (typeof METHODS)[number];
  headers: Readonly<Record<string, string>>;
  body?: string;
  oidcToken?: Readonly<{ serviceAccountEmail: string; audience?: string }>;
}>;

/** Parses `httpRequest` of a task, or `httpTarget` of a job, which calls its URL `uri`. */
export function parseHttpTarget(value: unknown, at: string, urlField: 'url' | 'uri'): HttpTarget {
  const known = [urlField, 'httpMethod', 'headers', 'body', 'oidcToken', 'oauthToken'];
  const fields = parseFields(value, at, known);
  if (fields.oauthToken)
    throw new GoogleFault('UNIMPLEMENTED', `${at}.oauthToken is not implemented by this stand-in`);
  const method = parseEnum(fields.httpMethod, `${at}.http_method`, METHODS) ?? METHODS[0];
  const httpMethod = method === METHODS[0] ? undefined : method;
  const body = parseText(fields.body, `${at}.body`);
  if (body && !WITH_BODY.includes(httpMethod ?? 'POST'))
    throw invalid(`A body is allowed only with the HTTP methods POST, PUT and PATCH.`);
  const oidcToken = parseOidcToken(fields.oidcToken, `${at}.oidc_token`);
  return {
    url: parseUrl(fields[urlField], at, urlField),
    ...(httpMethod && { httpMethod }),
    headers: parseHeaders(fields.headers, `${at}.headers`),
    ...(body && { body }),
    ...(oidcToken && { oidcToken }),
  };
}

const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);

function parseUrl(value: unknown, at: string, urlField: string): string {
  const url = parseText(value, `${at}.${urlField}`);
  const holder = urlField === 'url' ? 'HttpRequest' : 'HttpTarget';
  if (!url) throw invalid(`${holder}.${urlField} is required.`);
  if (!/^https?:\/\//.test(url))
    throw invalid(`${holder}.${urlField} must start with 'http://' or 'https://'.`);
  if (!URL.canParse(url) || url.length > LONGEST_URL)
    throw invalid(`${holder}.${urlField} is invalid.`);
  return url;
}

function parseHeaders(value: unknown, at: string): Record<string, string> {
  const names = value && typeof value === 'object' ? Object.keys(value) : [];
  const headers = parseFields(value, at, names);
  return Object.fromEntries(
    Object.entries(headers).map(([name, item]) => [name, parseText(item, at) ?? '']),
  );
}

function parseOidcToken(value: unknown, at: string): HttpTarget['oidcToken'] {
  if (value === undefined) return undefined;
  const fields = parseFields(value, at, ['serviceAccountEmail', 'audience']);
  const serviceAccountEmail = parseText(fields.serviceAccountEmail, at);
  const audience = parseText(fields.audience, at);
  if (!serviceAccountEmail?.includes('@'))
    throw invalid(`${at}.service_account_email is not a service account.`);
  return { serviceAccountEmail, ...(audience && { audience }) };
}

/** How one attempt ended. `http` is absent when no reply came: `code` (google.rpc.Code) says why. */
export type Outcome = Readonly<{
  http?: number;
  code: number;
  message: string;
  /** What the target asked for in Retry-After. */
  retryAfterMs?: number;
}>;

type Delivery = Readonly<{
  target: HttpTarget;
  /** Set by the service; they win over the target's own. */
  headers: Readonly<Record<string, string>>;
  deadline: Date;
  signal: AbortSignal;
}>;

export type Sender = Readonly<{
  clock: Clock;
  identityToken: (email: string, audience: string) => Promise<string>;
}>;

/** Delivers once and always resolves; when `signal` aborts, as cancelled (code 1). Redirects are not followed. */
export async function deliver(delivery: Delivery, sender: Sender): Promise<Outcome> {
  const { target } = delivery;
  const headers = effectiveHeaders(delivery);
  if (target.oidcToken) {
    const { serviceAccountEmail, audience } = target.oidcToken;
    try {
      const token = await sender.identityToken(serviceAccountEmail, audience ?? target.url);
      headers.set('authorization', ['Authorization', `Bearer ${token}`]);
    } catch (error) {
      return failed(16, `no ID token for ${serviceAccountEmail}: ${error}`);
    }
  }
  return exchange(delivery, Object.fromEntries(headers.values()), sender.clock);
}

function effectiveHeaders({ target, headers }: Delivery): Map<string, [string, string]> {
  const own = Object.entries(target.headers).filter(
    ([name]) => !/^(host|content-length|x-google-.*|x-appengine-.*)$/i.test(name),
  );
  return new Map(
    [...own, ...Object.entries(headers)].map((entry) => [entry[0].toLowerCase(), entry]),
  );
}

function exchange(delivery: Delivery, headers: RequestOptions['headers'], clock: Clock) {
  const { target, signal } = delivery;
  return new Promise<Outcome>((resolve) => {
    if (signal.aborted) {
      resolve(failed(1, 'cancelled'));
      return;
    }
    const send = target.url.startsWith('https:') ? httpsRequest : httpRequest;
    const options = {
      method: target.httpMethod ?? 'POST',
      headers: headers ?? {},
      agent: false as const,
    };
    const call = send(target.url, options, (response) => {
      response.on('error', () => finish(failed(14, 'the connection broke within the reply')));
      response.on('end', () => finish(answered(response.statusCode ?? 0, retryAfter())));
      response.resume();
      const retryAfter = () => retryAfterMs(response.headers['retry-after'], clock.now());
    });
    const finish = (outcome: Outcome) => {
      cancelDeadline();
      signal.removeEventListener('abort', cancel);
      call.destroy();
      resolve(outcome);
    };
    const cancel = () => finish(failed(1, 'cancelled'));
    const late = () => finish(failed(4, 'the target did not answer within the deadline'));
    const cancelDeadline = clock.at(delivery.deadline, late);
    signal.addEventListener('abort', cancel);
    call.on('error', (error) => finish(failed(14, error.message)));
    call.end(Buffer.from(target.body ?? '', 'base64'));
  });
}

const CODE_NAMES: Readonly<Record<number, string>> = {
  0: 'OK',
  1: 'CANCELLED',
  2: 'UNKNOWN',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  10: 'ABORTED',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

// google/rpc/code.proto names the HTTP status of each code.
const CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 10,
  429: 8,
  499: 1,
  500: 13,
  501: 12,
  503: 14,
  504: 4,
};

const failed = (code: number, message: string): Outcome => ({
  code,
  message: `${CODE_NAMES[code]}(${code}): ${message}`,
});

function answered(http: number, retryAfterMs: number | undefined): Outcome {
  const code = http >= 200 && http < 300 ? 0 : (CODE_OF_HTTP[http] ?? 2);
  return {
    ...failed(code, `HTTP status code ${http}`),
    http,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
