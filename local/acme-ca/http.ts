import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf } from '../wire/request.ts';
import { usable } from './accounts.ts';
import { acceptedJwk, type Jws, parseJws, verifySignature } from './jws.ts';
import type { Nonces } from './nonces.ts';
import { AcmeProblem } from './problem.ts';
import { type Account, type AcmeCaState, entryOf, type PublicJwk } from './state.ts';

/** `body` is sent as it is when it is a text, else as JSON. */
export type Reply = Readonly<{
  status: number;
  headers?: Readonly<Record<string, string>>;
  links?: readonly string[];
  body?: unknown;
}>;

/** A request whose signature, nonce and URL were found good. `id` is the last part of its path. */
type SignedCall = Readonly<{ jwk: PublicJwk; payload: string; id: string }>;
export type AccountCall = SignedCall & Readonly<{ account: Account }>;

/** Open to everybody: GET and HEAD. */
export type Page = Readonly<{ signedBy: 'nobody'; answer: (method: string) => Reply }>;
/** POST, signed by a key that travels with the request, or by the key of an account that is named. */
export type Resource =
  | Readonly<{ signedBy: 'key'; answer: (call: SignedCall) => Reply | Promise<Reply> }>
  | Readonly<{ signedBy: 'account'; answer: (call: AccountCall) => Reply | Promise<Reply> }>;

/** See `AcmeCa.counts`. */
export type Counts = Readonly<{ orders: number; signedRequests: number; requests: number }>;

export type Front = Readonly<{
  /** By template: `/directory`, `/order/{id}`. */
  routes: Readonly<Record<string, Page | Resource>>;
  /** `https://127.0.0.1:PORT`, known once the server listens. */
  base: () => string;
  state: AcmeCaState;
  nonces: Nonces;
  count: (what: 'requests' | 'signedRequests') => void;
  before?: ((request: IncomingMessage) => Promise<void> | void) | undefined;
}>;

/** Answers one HTTP request by the rules of RFC 8555 section 6; never throws. */
export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  front: Front,
): Promise<void> {
  front.count('requests');
  const reply = await outcome(request, front);
  const path = pathOf(request);
  const links = path === '/directory' ? [] : [link(`${front.base()}/directory`, 'index')];
  const isText = typeof reply.body === 'string';
  response.writeHead(reply.status, {
    'cache-control': 'no-store',
    ...(reply.body !== undefined && !isText && { 'content-type': 'application/json' }),
    // As at Let's Encrypt: only newNonce and the answers to signed requests carry one.
    ...((request.method === 'POST' || path === '/new-nonce') && {
      'replay-nonce': front.nonces.fresh(),
    }),
    ...reply.headers,
    link: [...links, ...(reply.links ?? [])],
  });
  response.end(isText ? reply.body : JSON.stringify(reply.body));
}

async function outcome(request: IncomingMessage, front: Front): Promise<Reply> {
  try {
    const body = await bodyOf(request);
    await front.before?.(request);
    return await routed(request, body, front);
  } catch (error) {
    return refusal(
      error instanceof AcmeProblem
        ? error
        : new AcmeProblem('serverInternal', `internal error of the stand-in: ${error}`),
    );
  }
}

const refusal = ({ document, headers }: AcmeProblem): Reply => ({
  status: document.status,
  headers: { 'content-type': 'application/problem+json', ...headers },
  body: document,
});

async function routed(request: IncomingMessage, body: string, front: Front): Promise<Reply> {
  if (!request.headers['user-agent'])
    throw new AcmeProblem('malformed', 'every request must carry a User-Agent header');
  const [, kind, id = ''] = /^\/([^/]+)(?:\/([^/]+))?$/.exec(pathOf(request)) ?? [];
  const route = front.routes[id ? `/${kind}/{id}` : `/${kind}`];
  if (!route) throw new AcmeProblem('malformed', 'no such resource', { status: 404 });
  const method = request.method ?? '';
  const allowed = route.signedBy === 'nobody' ? ['GET', 'HEAD'] : ['POST'];
  if (!allowed.includes(method))
    throw new AcmeProblem('malformed', `method not allowed; use ${allowed.join(' or ')}`, {
      status: 405,
      headers: { allow: allowed.join(', ') },
    });
  if (route.signedBy === 'nobody') return route.answer(method);
  front.count('signedRequests');
  const jws = signedBody(request, body);
  if (route.signedBy === 'key') return route.answer(callByKey(request, jws, { front, id }));
  return route.answer(callByAccount(request, jws, { front, id }));
}

function signedBody(request: IncomingMessage, body: string): Jws {
  if (request.headers['content-type'] !== 'application/jose+json')
    throw new AcmeProblem('malformed', 'Content-Type must be application/jose+json', {
      status: 415,
    });
  if (body === '') throw new AcmeProblem('malformed', 'no body on POST');
  return parseJws(body);
}

type Place = Readonly<{ front: Front; id: string }>;

function callByKey(request: IncomingMessage, jws: Jws, { front, id }: Place): SignedCall {
  if (!jws.header.jwk)
    throw new AcmeProblem('malformed', 'this resource wants the key in jwk, not an account in kid');
  const jwk = acceptedJwk(jws.header.jwk);
  authenticate(request, { jws, jwk, front });
  return { jwk, payload: jws.payload, id };
}

function callByAccount(request: IncomingMessage, jws: Jws, { front, id }: Place): AccountCall {
  const { kid } = jws.header;
  if (kid === undefined)
    throw new AcmeProblem('malformed', 'this resource wants the account URL in kid, not a jwk');
  const prefix = `${front.base()}/account/`;
  const account = kid.startsWith(prefix)
    ? entryOf(front.state.accounts, kid.slice(prefix.length))
    : undefined;
  if (!account) throw new AcmeProblem('accountDoesNotExist', `account ${kid} not found`);
  authenticate(request, { jws, jwk: account.jwk, front });
  return { jwk: account.jwk, payload: jws.payload, id, account: usable(account) };
}

// The signature comes first: a forged request must not be able to use up somebody's nonce.
function authenticate(
  request: IncomingMessage,
  { jws, jwk, front }: { jws: Jws; jwk: PublicJwk; front: Front },
): void {
  verifySignature(jws, jwk);
  if (!jws.header.nonce) throw new AcmeProblem('badNonce', 'JWS has no anti-replay nonce');
  front.nonces.use(jws.header.nonce);
  const expected = `${front.base()}${request.url}`;
  if (jws.header.url !== expected)
    throw new AcmeProblem(
      'unauthorized',
      `JWS header parameter 'url' incorrect. Expected "${expected}", got "${jws.header.url}"`,
    );
}

/** A value of the Link header. */
export const link = (url: string, relation: string) => `<${url}>;rel="${relation}"`;

const pathOf = (request: IncomingMessage) => (request.url ?? '/').split('?')[0] ?? '/';
