import type { HttpFunction, Request, Response } from '@google-cloud/functions-framework';
import { CertificateError, messageOf, needsPerson } from '../shared/errors.ts';
import { withTrace } from '../shared/log.ts';
import type { Log } from '../shared/ports.ts';
import { type Caller, roleOf } from './api/access.ts';
import { checkBody } from './api/body.ts';
import { ApiProblem, problemOf } from './api/problem.ts';
import { type ApiReply, routed } from './api/router.ts';
import { ROUTES } from './api/routes.ts';
import type { ApiDependencies, ApiPorts, ApiSettings } from './dependencies.ts';

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/**
 * What people and CI call. Every path but /health needs an identity with a role. Errors are problem documents (RFC 9457): unlike an
 * engine, a person is told of a permanent error by a status that says so.
 */
export function apiFunction(dependencies: ApiDependencies): HttpFunction {
  return async (request: Request, response: Response) => {
    response.set(HEADERS);
    if (request.method === 'GET' && request.path === '/health')
      return void response.json({ status: 'ok' });
    const trace = request.get('traceparent') ?? request.get('x-cloud-trace-context');
    await withTrace(trace, dependencies.project, () => respond(request, response, dependencies));
  };
}

async function respond(
  request: Request,
  response: Response,
  dependencies: ApiDependencies,
): Promise<void> {
  const reply = await answered(request, dependencies);
  response.status(reply.status).set(reply.headers ?? {});
  if ('body' in reply) response.json(reply.body);
  else response.set('content-security-policy', reply.policy).type('html').send(reply.html);
}

async function answered(request: Request, dependencies: ApiDependencies): Promise<ApiReply> {
  try {
    return await handled(request, dependencies);
  } catch (error) {
    const problem = problemOf(error);
    report(error, problem, dependencies.log);
    const headers = { ...problem.headers, 'content-type': 'application/problem+json' };
    return { status: problem.document.status, headers, body: problem.document };
  }
}

async function handled(
  request: Request,
  { log, ports: open, settings }: ApiDependencies,
): Promise<ApiReply> {
  const ports = await open();
  const caller = await identified(request, ports, settings);
  const { route, id } = routed(ROUTES, request);
  if (route.method === 'POST') checkBody(request);
  return route.handle({ request, caller, id, ports, settings, log });
}

const BY_TOKEN =
  "send a Google ID token that is made out to this api: 'Authorization: Bearer TOKEN'";
const BY_PROXY =
  'come through Identity-Aware Proxy, whose assertion must be made out to runtime.iapAudience';

/** Whoever calls, with the role that the configuration gives. Nobody is let in by default. */
async function identified(
  request: Request,
  { identify }: ApiPorts,
  { access, config }: ApiSettings,
): Promise<Caller> {
  const authorization = request.get('authorization');
  const identity = await identify(authorization, request.get('x-goog-iap-jwt-assertion'));
  if (!identity)
    throw new ApiProblem('unauthenticated', config.runtime.iapAudience ? BY_PROXY : BY_TOKEN, {
      headers: { 'www-authenticate': authorization ? 'Bearer error="invalid_token"' : 'Bearer' },
    });
  const role = roleOf(identity.member, access);
  if (role) return { member: identity.member, role };
  throw new ApiProblem(
    'role-missing',
    `${identity.member} is neither viewer, operator nor admin; ask for a place under "access" in the configuration`,
  );
}

function report(error: unknown, { document: { status, type, detail } }: ApiProblem, log: Log) {
  if (error instanceof ApiProblem) log.info('request refused', { status, type, reason: detail });
  else if (error instanceof CertificateError)
    log[needsPerson(error.code) ? 'error' : 'warn']('request failed', {
      status,
      code: error.code,
      reason: messageOf(error),
      cause: error.cause,
    });
  else
    log.error('request failed', {
      status,
      code: 'internal',
      reason: messageOf(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
}
