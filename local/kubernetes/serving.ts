import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../shared/errors.ts';
import { askedBy } from '../wire/request.ts';
import type { ResourceCall, Server, Verb } from './call.ts';
import { subjectOf } from './call.ts';
import { deleted } from './deleting.ts';
import { PUBLIC_PAGES, pageOf } from './discovery.ts';
import {
  badRequest,
  forbidden,
  KubernetesFault,
  methodNotAllowed,
  notAcceptable,
  unauthorized,
} from './faults.ts';
import type { Json, KubernetesObject } from './object.ts';
import { patched } from './patching.ts';
import { checkVersion, existing, listed } from './reading.ts';
import { acceptedForm, type Rendering, renderedList, renderedObject } from './rendering.ts';
import { type ResourceTarget, targetOf } from './request.ts';
import { namespaces } from './resources.ts';
import { watch } from './watching.ts';
import { created, updated } from './writing.ts';

/** What one request wants to do, in RBAC's words. `namespace` and `name` are empty where there is none. */
export type AuthorizationAttributes = Readonly<{
  user: string;
  verb: Verb;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
}>;

/** Everything that answering needs. `watches` holds what ends each open watch. */
export type Api = Readonly<{
  server: Server;
  watches: Set<() => void>;
  authenticate: (token: string) => string | undefined;
  authorize?: ((attributes: AuthorizationAttributes) => boolean) | undefined;
  before?: ((request: IncomingMessage) => Promise<void> | void) | undefined;
}>;

const ANONYMOUS = 'system:anonymous';
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** Answers one request; every refusal is told as a Status. */
export async function answer(
  api: Api,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await api.before?.(request);
    await handle(api, request, response);
  } catch (error) {
    const fault = error instanceof KubernetesFault ? error : internalFault(error);
    const seconds = (fault.body.details as Json | undefined)?.retryAfterSeconds;
    const headers = seconds === undefined ? {} : { 'retry-after': String(seconds) };
    send(response, { status: fault.http, body: fault.body, headers });
  }
}

const internalFault = (error: unknown) =>
  new KubernetesFault(500, 'InternalError', `internal error of the stand-in: ${messageOf(error)}`);

type Reply = Readonly<{
  status: number;
  body: unknown;
  headers?: Record<string, string | string[]>;
}>;

function send(response: ServerResponse, { status, body, headers = {} }: Reply): void {
  const isText = typeof body === 'string';
  response.writeHead(status, {
    'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json',
    ...headers,
  });
  response.end(isText ? body : JSON.stringify(body));
}

async function handle(api: Api, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request);
  const user = userOf(api, request);
  const asked = askedBy(request);
  if (!asked) throw badRequest('the URL of the request is not valid');
  const target = targetOf(asked.path);
  if (target.page !== undefined) return send(response, pageReply(target.page, user, request));
  const call = { target, query: asked.query, body, user };
  return handleResource(api, call, { request, response });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk as Buffer);
  }
  if (size > MAX_BODY_BYTES)
    throw new KubernetesFault(
      413,
      'RequestEntityTooLarge',
      `Request entity too large: limit is ${MAX_BODY_BYTES}`,
    );
  return Buffer.concat(chunks).toString('utf8');
}

function userOf({ authenticate }: Api, request: IncomingMessage): string {
  const header = request.headers.authorization;
  if (header === undefined) return ANONYMOUS;
  const [, token] = /^bearer +(\S+)$/i.exec(header) ?? [];
  const user = token === undefined ? undefined : authenticate(token);
  if (user === undefined) throw unauthorized();
  return user;
}

function pageReply(path: string, user: string, { method }: IncomingMessage): Reply {
  if (user === ANONYMOUS && !PUBLIC_PAGES.has(path))
    throw new KubernetesFault(
      403,
      'Forbidden',
      `forbidden: User "${user}" cannot get path "${path}"`,
      {},
    );
  const body = pageOf(path);
  if (body === undefined) return { status: 404, body: '404 page not found\n' };
  if (method !== 'GET') throw methodNotAllowed();
  return { status: 200, body };
}

type Incoming = Readonly<{
  target: ResourceTarget;
  query: URLSearchParams;
  body: string;
  user: string;
}>;
type Exchange = Readonly<{ request: IncomingMessage; response: ServerResponse }>;

function handleResource(api: Api, incoming: Incoming, { request, response }: Exchange): void {
  const { server } = api;
  const { target, query } = incoming;
  const verb = verbOf(request.method ?? '', incoming);
  const demand = (wanted: Verb) => authorized(api, incoming, wanted);
  demand(verb);
  const { 'content-type': contentType, 'user-agent': userAgent, accept } = request.headers;
  const call: ResourceCall = { ...incoming, contentType, userAgent, demand };
  const rendering = { form: acceptedForm(accept), query, now: server.clock.now() };
  if (verb === 'watch') startWatch(api, call, { response, rendering });
  else if (verb === 'list')
    send(response, {
      status: 200,
      body: renderedList(target.resource, listed(server, call), rendering),
    });
  else send(response, itemReply(performed(server, call, verb), target, rendering));
}

type Watching = Readonly<{ response: ServerResponse; rendering: Rendering }>;

function startWatch(
  { server, watches }: Api,
  call: ResourceCall,
  { response, rendering }: Watching,
): void {
  if (rendering.form === 'partial-list') throw notAcceptable('a watch sends no lists');
  const { resource } = call.target;
  const render = (object: KubernetesObject) => renderedObject(resource, object, rendering);
  const end = watch(server, call, { response, render });
  watches.add(end);
  response.once('close', () => watches.delete(end));
}

function itemReply(done: Performed, { resource }: ResourceTarget, rendering: Rendering): Reply {
  const { status = 200, object, outcome, warnings = [] } = done;
  return {
    status,
    body: object ? renderedObject(resource, object, rendering) : outcome,
    headers: warnings.length > 0 ? { warning: warnings.map(warningHeader) } : {},
  };
}

const warningHeader = (text: string) => `299 - ${JSON.stringify(text)}`;

type Performed = Readonly<{
  status?: number;
  object?: KubernetesObject | undefined;
  outcome?: Json | undefined;
  warnings?: readonly string[];
}>;

function performed(
  server: Server,
  call: ResourceCall,
  verb: Exclude<Verb, 'list' | 'watch'>,
): Performed {
  switch (verb) {
    case 'get':
      checkVersion(server, call.query);
      return { object: existing(server, call) };
    case 'create':
      return created(server, call);
    case 'update':
      return updated(server, call);
    case 'patch':
      return patched(server, call);
    case 'delete': {
      const { object, status } = deleted(server, call);
      return { object, outcome: status };
    }
  }
}

function verbOf(method: string, { target, query }: Incoming): Verb {
  const { name, subresource } = target;
  const isWatch = ['1', 'true', 't'].includes(query.get('watch')?.toLowerCase() ?? '');
  const verbs: Readonly<Record<string, Verb>> =
    name === undefined
      ? { GET: isWatch ? 'watch' : 'list', POST: 'create' }
      : { GET: 'get', PUT: 'update', PATCH: 'patch', ...(subresource ? {} : { DELETE: 'delete' }) };
  const verb = verbs[method];
  if (!verb) throw methodNotAllowed();
  if (verb === 'create' && target.resource.namespaced && target.namespace === undefined)
    throw methodNotAllowed();
  return verb;
}

function authorized({ authorize }: Api, { target, user }: Incoming, verb: Verb): void {
  const { resource, subresource } = target;
  const { name = '' } = target;
  // RBAC sees a namespace as lying in itself.
  const namespace = resource === namespaces ? name : (target.namespace ?? '');
  const { group, plural } = resource;
  const attributes = { user, verb, group, resource: plural, subresource, namespace, name };
  if (user !== ANONYMOUS && (authorize?.(attributes) ?? true)) return;
  const shown = subresource ? `${plural}/${subresource}` : plural;
  const place = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope';
  throw forbidden(
    subjectOf(target),
    `User "${user}" cannot ${verb} resource "${shown}" in API group "${group}" ${place}`,
  );
}
