import { setTimeout as wait } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import { Agent, type Dispatcher } from 'undici';
import { CertificateError } from '../../errors.ts';
import type { ClusterAccess } from './access.ts';
import { authorization, reasonOf } from './transport.ts';

/** One call to a Kubernetes API server. `right` is what RBAC must grant for it; a `namespace` of undefined means all. */
export type ApiCall = Readonly<{
  method: 'GET' | 'POST' | 'PATCH';
  /** Path and query below the server's URL. */
  path: string;
  accept: string;
  body?: Readonly<{ type: string; value: unknown }>;
  right: Readonly<{ verb: string; resource: string; namespace: string | undefined }>;
}>;

/** `body` is the JSON of an answer, whatever its status; undefined when a refusal is none. */
export type ApiReply = Readonly<{ status: number; body: unknown }>;

/**
 * Sends one call within ten seconds and follows no redirect. A read that the server puts off (429) is sent again, at most
 * twice, when its Retry-After is near; a write never. Answers 2xx and the 4xx that depend on the object; throws
 * `cluster-forbidden` when RBAC refuses and `cluster-unreachable` for all the rest.
 */
export type ApiClient = (call: ApiCall) => Promise<ApiReply>;

export type ClientOptions = Readonly<{
  name: string;
  access: ClusterAccess;
  /** Waits between two reads that were put off; the machine's own time by default. */
  sleep?: ((ms: number) => Promise<unknown>) | undefined;
  /** For each call, its answer included; 10 s by default. */
  timeoutMs?: number | undefined;
}>;

const LIMIT_MS = 10_000;
const REPEATS = 2;
const LONGEST_WAIT_MS = 5_000;

export function createClient(options: ClientOptions): ApiClient {
  const { name, access, sleep = wait, timeoutMs = LIMIT_MS } = options;
  let opened: Promise<Session> | undefined;
  // Not fetch: a thousand of its calls cost a third of a second more.
  const send = async (call: ApiCall): Promise<Answer> => {
    opened ??= openSession(access);
    const { headers, dispatcher } = await (await opened)(call);
    const answer = await dispatcher.request({
      ...placeOf(access.server, call.path),
      method: call.method,
      headers,
      ...(call.body ? { body: JSON.stringify(call.body.value) } : {}),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { statusCode: status, headers: received } = answer;
    return { status, retryAfterMs: retryAfterMs(received), text: await answer.body.text() };
  };
  return async (call) => {
    for (let repeats = call.method === 'GET' ? REPEATS : 0; ; repeats -= 1) {
      const answer = await received(options, () => send(call));
      const waitMs = answer.status === 429 ? answer.retryAfterMs : undefined;
      if (repeats === 0 || waitMs === undefined || waitMs > LONGEST_WAIT_MS)
        return replyOf({ name, access, call, ...answer });
      await sleep(waitMs);
    }
  };
}

/** What came back, read to its end. */
type Answer = Readonly<{ status: number; retryAfterMs: number | undefined; text: string }>;

type Session = (
  call: ApiCall,
) => Promise<Readonly<{ headers: Record<string, string>; dispatcher: Dispatcher }>>;

/** The client library knows how to authenticate and to trust; loading it costs a quarter of a second, so only who calls pays. */
async function openSession(access: ClusterAccess): Promise<Session> {
  const [{ KubeConfig }, { RequestContext }] = await Promise.all([
    import('@kubernetes/client-node/dist/config.js'),
    import('@kubernetes/client-node/dist/gen/http/http.js'),
  ]);
  const config = configured(new KubeConfig(), access);
  // The library makes none for a server whose certificate is that of a public CA.
  const plain = new Agent();
  return async (call) => {
    const context: RequestContext = new RequestContext(access.server, call.method);
    await config.applySecurityAuthentication(context);
    context.setHeaderParam('accept', call.accept);
    if (call.body) context.setHeaderParam('content-type', call.body.type);
    return { headers: context.getHeaders(), dispatcher: context.getDispatcher() ?? plain };
  };
}

function placeOf(server: string, path: string) {
  const { origin, pathname, search } = new URL(`${server}${path}`);
  return { origin, path: `${pathname}${search}` };
}

const GOOGLE = 'google-access-token';

function configured(config: KubeConfig, { server, ca, credentials }: ClusterAccess): KubeConfig {
  if (credentials.kind === 'google')
    config.addAuthenticator({
      isAuthProvider: (user) => user.authProvider?.name === GOOGLE,
      applyAuthentication: async (_user, options) => {
        options.headers = {
          ...options.headers,
          Authorization: authorization(await credentials.token()),
        };
      },
    });
  const trust = ca === undefined ? {} : { caData: base64(ca) };
  config.loadFromClusterAndUser(
    { name: 'cluster', server, skipTLSVerify: false, ...trust },
    { name: 'user', ...userOf(credentials) },
  );
  keepDispatcher(config);
  return config;
}

function userOf(credentials: ClusterAccess['credentials']) {
  switch (credentials.kind) {
    case 'token':
      return { token: credentials.token.reveal() };
    case 'certificate':
      return {
        certData: base64(credentials.certificate),
        keyData: base64(credentials.key.reveal()),
      };
    case 'google':
      return { authProvider: { name: GOOGLE } };
  }
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

// The library makes a dispatcher for every call, and with it a TLS connection that it leaves open: one has to do.
function keepDispatcher(config: KubeConfig): void {
  type Factory = { createDispatcher(...given: unknown[]): Dispatcher | undefined };
  const factory = config as unknown as Factory;
  const create = factory.createDispatcher.bind(config);
  let kept: Dispatcher | undefined;
  factory.createDispatcher = (...given) => {
    kept ??= create(...given);
    return kept;
  };
}

async function received({ name, access }: ClientOptions, send: () => Promise<Answer>) {
  try {
    return await send();
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    const source = access.credentials.kind === 'google' ? 'the Container API' : 'its kubeconfig';
    throw new CertificateError(
      'cluster-unreachable',
      `cluster ${name} cannot be reached at ${access.server}: ${reasonOf(error)}; check that its API server is up and that ${source} gives the right address and authority; the next tick looks again`,
      { cause: error },
    );
  }
}

type Received = Answer & Readonly<{ name: string; access: ClusterAccess; call: ApiCall }>;

function replyOf({ name, access, call, status, retryAfterMs, text }: Received): ApiReply {
  const body = parsed(text);
  if (status === 403 && !isOfCluster(body)) throw turnedAway(name, access);
  if (status === 403 && !isAdmission(body)) throw forbidden(name, call, refusedUser(body));
  if (status === 401)
    throw unreachable(name, 'does not accept our credentials (HTTP 401); renew them');
  // Where it leads, a token might be read.
  if (status >= 300 && status < 400)
    throw unreachable(name, `answers with a redirect (HTTP ${status}), which is not followed`);
  if (status === 429 || status >= 500)
    throw unreachable(name, `answers HTTP ${status}`, retryAfterMs);
  if (status < 300 && body === undefined)
    throw unreachable(name, `answers what is no JSON to ${call.method} ${call.right.resource}`);
  return { status, body };
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/; undefined for any other answer. */
function statusMessage(body: unknown): string | undefined {
  const { message, kind } = (body ?? {}) as { message?: unknown; kind?: unknown };
  if (kind !== 'Status') return undefined;
  return typeof message === 'string' ? message : '';
}

const CONNECT = 'container.clusters.connect';

// The front of GKE's DNS endpoint asks IAM, or whether it admits outside traffic, before the cluster hears of a call.
function isOfCluster(body: unknown): boolean {
  const message = statusMessage(body);
  return message !== undefined && !message.includes(CONNECT);
}

function turnedAway(name: string, { credentials }: ClusterAccess): CertificateError {
  const problem =
    credentials.kind === 'google'
      ? `the DNS endpoint refuses us; grant ${CONNECT} on its project${credentials.grantee?.() ?? ''}, or allow external traffic to that endpoint`
      : 'what stands before its API server refuses us (HTTP 403); have it let us through';
  return new CertificateError('cluster-forbidden', `cluster ${name}: ${problem}`);
}

// RBAC's refusals say who may not do what; any other 403 of the cluster comes from a rule about the object itself.
const RBAC = / User "([^"]+)" cannot /;

const isAdmission = (body: unknown) => !RBAC.test(statusMessage(body) ?? '');

/** Who we are to the cluster: GKE may know an account by its number, and a kubeconfig does not say whose it is. */
function refusedUser(body: unknown): string {
  const [, user] = RBAC.exec(statusMessage(body) ?? '') ?? [];
  return user === undefined ? '' : ` to ${user}`;
}

function forbidden(name: string, { right }: ApiCall, grantee: string): CertificateError {
  const { verb, resource, namespace } = right;
  const where = namespace === undefined ? 'in all namespaces' : `in namespace ${namespace}`;
  const grant =
    namespace === undefined
      ? 'a ClusterRole and a ClusterRoleBinding'
      : `a Role and a RoleBinding of that namespace`;
  return new CertificateError(
    'cluster-forbidden',
    `cluster ${name} does not let us ${verb} ${resource} ${where}; grant the verb ${verb} on ${resource} by ${grant}${grantee}`,
  );
}

function unreachable(name: string, problem: string, retryAfterMs?: number): CertificateError {
  return new CertificateError('cluster-unreachable', `cluster ${name} ${problem}`, {
    retryAt: retryAfterMs === undefined ? undefined : new Date(Date.now() + retryAfterMs),
  });
}

// RFC 9110 section 10.2.3; an API server sends seconds.
function retryAfterMs(headers: Readonly<Record<string, unknown>>): number | undefined {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

// Why a text is no JSON would quote it, and it may hold a key.
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
