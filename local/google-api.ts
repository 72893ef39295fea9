import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../shared/errors.ts';
import type { Recorder } from './recorder.ts';
import { type Asked, askedBy, bodyOf, listenerOf } from './wire/request.ts';

const HTTP_STATUS = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
} as const;

/** A refusal in Google's error shape (https://cloud.google.com/apis/design/errors). */
export class GoogleFault extends Error {
  override readonly name = 'GoogleFault';
  readonly http: number;
  readonly body: Readonly<{ error: Readonly<Record<string, unknown>> }>;

  constructor(status: keyof typeof HTTP_STATUS, message: string) {
    super(message);
    this.http = HTTP_STATUS[status];
    this.body = { error: { code: this.http, message, status } };
  }
}

/** The older error shape, with a list of reasons in place of a status; Cloud DNS answers it. */
export class LegacyGoogleFault extends Error {
  override readonly name = 'LegacyGoogleFault';
  readonly http: number;
  readonly body: Readonly<{ error: Readonly<Record<string, unknown>> }>;

  constructor(http: number, reason: string, message: string) {
    super(message);
    this.http = http;
    this.body = {
      error: { code: http, message, errors: [{ message, domain: 'global', reason }] },
    };
  }
}

/** One request to a stand-in. `body` is the parsed JSON, undefined when there was none. */
export type Call = Readonly<{
  path: Readonly<Record<string, string>>;
  query: URLSearchParams;
  body: unknown;
  headers: IncomingMessage['headers'];
}>;

/**
 * `template` is a path whose `{name}` parts match one segment without a colon, as in
 * `/v1/projects/{project}/secrets/{secret}:addVersion`. What the handler returns is the 200 reply.
 */
export type Route = Readonly<{
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  template: string;
  handle: (call: Call) => unknown;
}>;

export type GoogleApiOptions = Readonly<{
  /** The service's name in the recording; left out for what has no discovery document. */
  service?: string;
  routes: readonly Route[];
  recorder?: Recorder | undefined;
  /** Sees a request and the text of its body before its route does, for scripted faults and rights: throw a fault, or return to go on. */
  before?: ((request: IncomingMessage, body: string) => Promise<void> | void) | undefined;
  port?: number;
}>;

export type RunningApi = Readonly<{ url: string; port: number; close(): Promise<void> }>;

/** Serves a stand-in's routes as plain JSON over HTTP on loopback. What no route names is refused, never answered. */
export async function serveGoogleApi(options: GoogleApiOptions): Promise<RunningApi> {
  const routes = options.routes.map((route) => ({ ...route, pattern: compile(route.template) }));
  const serving = { ...options, routes };
  const answering = listenerOf((request, response) => answer(request, response, serving));
  return listenOnLoopback(createServer(answering), options.port ?? 0);
}

/** Binds a server to 127.0.0.1; port 0 takes a free one. Closing it also ends open connections. */
export async function listenOnLoopback(server: Server, port: number): Promise<RunningApi> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function compile(template: string): RegExp {
  const source = template
    .split(/(\{\w+\})/)
    .map((part) =>
      part.startsWith('{')
        ? `(?<${part.slice(1, -1)}>[^/:]+)`
        : part.replace(/[.*+?^$()|[\]\\]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`);
}

type Compiled = Route & Readonly<{ pattern: RegExp }>;
type Serving = Omit<GoogleApiOptions, 'routes'> & Readonly<{ routes: readonly Compiled[] }>;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  api: Serving,
): Promise<void> {
  const method = request.method ?? 'GET';
  const url = request.url ?? '/';
  const text = await bodyOf(request);
  const { status, reply } = await outcome(request, text, api);
  if (api.service)
    api.recorder?.({
      service: api.service,
      method,
      url,
      request: parsedOrText(text) ?? null,
      status,
      response: reply ?? null,
    });
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
  response.end(JSON.stringify(reply));
}

async function outcome(request: IncomingMessage, text: string, api: Serving) {
  try {
    const asked = askedBy(request);
    if (!asked) throw new GoogleFault('INVALID_ARGUMENT', 'The URL of the request is not valid.');
    await api.before?.(request, text);
    return { status: 200, reply: (await routed(request, { ...asked, text }, api)) ?? {} };
  } catch (error) {
    if (error instanceof GoogleFault || error instanceof LegacyGoogleFault)
      return { status: error.http, reply: error.body };
    const message = `internal error of the stand-in: ${messageOf(error)}`;
    return { status: 500, reply: new GoogleFault('INTERNAL', message).body };
  }
}

function routed(
  request: IncomingMessage,
  { path, query, text }: Asked & Readonly<{ text: string }>,
  api: Serving,
): unknown {
  for (const route of api.routes) {
    const match = route.method === request.method ? route.pattern.exec(path) : null;
    if (match)
      return route.handle({
        path: match.groups ?? {},
        query,
        body: parsedBody(text),
        headers: request.headers,
      });
  }
  throw new GoogleFault(
    'UNIMPLEMENTED',
    `${request.method} ${path} is not implemented by this stand-in`,
  );
}

function parsedBody(text: string): unknown {
  if (text === '') return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new GoogleFault('INVALID_ARGUMENT', 'Invalid JSON payload received.');
  }
  if (isDeeper(body, DEEPEST))
    throw new GoogleFault('INVALID_ARGUMENT', 'Message too deep. Max recursion depth reached.');
  return body;
}

// As protobuf's parser has it.
const DEEPEST = 100;

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1)));

function parsedOrText(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
