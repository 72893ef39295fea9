import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { listenOnLoopback } from '../google-api.ts';
import type { Store } from '../state.ts';
import { type Asked, askedBy, listenerOf } from '../wire/request.ts';
import { assertionJwkSet, jwkSet } from './keys.ts';
import { createTokens, type MetadataState, type Tokens } from './tokens.ts';

export type Metadata = Readonly<{
  /** Answers as the machine of the project's default account; any account can be asked for by its e-mail. */
  url: string;
  /** The base of one account's own server: `${base}/computeMetadata/v1/…` knows that account only. */
  urlFor(email: string): string;
  /** An ID token of an hour, signed with RS256. */
  identityToken(email: string, audience: string): Promise<string>;
  /** What Identity-Aware Proxy says of one who came through: a JWT of ten minutes, signed with ES256, with `differs` over its claims. */
  assertion(email: string, audience: string, differs?: object): string;
  accessToken(email: string): string;
  /** The account an access token was given to; undefined when it is unknown or expired. */
  accountOf(accessToken: string): string | undefined;
  /** The public keys as a JWK set, like https://www.googleapis.com/oauth2/v3/certs. */
  certificatesUrl: string;
  /** The same as PEM certificates by key id, like https://www.googleapis.com/oauth2/v1/certs. */
  pemCertificatesUrl: string;
  /** The keys of assertions as a JWK set, like https://www.gstatic.com/iap/verify/public_key-jwk. */
  assertionKeysUrl: string;
  close(): Promise<void>;
}>;

type MetadataOptions = Readonly<{
  store: Store<MetadataState>;
  clock: Clock;
  project: string;
  port?: number;
}>;

type Service = Readonly<{ tokens: Tokens; clock: Clock; project: string }>;
type Reply = Readonly<{ status: number; text: string; type?: string }>;

/** The GCE metadata server (https://cloud.google.com/compute/docs/metadata/overview) and Google's pages of signing keys. */
export async function startMetadata(options: MetadataOptions): Promise<Metadata> {
  const { store, clock, project, port = 0 } = options;
  const tokens = await createTokens(store, clock);
  const service = { tokens, clock, project };
  const server = createServer(
    listenerOf((request, response) => answer(service, request, response)),
  );
  const { url, close } = await listenOnLoopback(server, port);
  return {
    url,
    urlFor: (email) => `${url}/accounts/${encodeURIComponent(email)}`,
    identityToken: async (email, audience) => tokens.identityToken(email, audience),
    assertion: tokens.assertion,
    accessToken: (email) => tokens.accessToken(email).token,
    accountOf: tokens.accountOf,
    certificatesUrl: `${url}/oauth2/v3/certs`,
    pemCertificatesUrl: `${url}/oauth2/v1/certs`,
    assertionKeysUrl: `${url}/iap/verify/public_key-jwk`,
    close,
  };
}

function answer(service: Service, request: IncomingMessage, response: ServerResponse): void {
  const asked = askedBy(request);
  const keys = asked && publishedKeys(asked.path, service.tokens);
  if (keys && request.method === 'GET') {
    response.writeHead(200, {
      'content-type': 'application/json; charset=UTF-8',
      'cache-control': 'public, max-age=20000, must-revalidate, no-transform',
    });
    response.end(JSON.stringify(keys));
    return;
  }
  const reply = keys ? NOT_ALLOWED : pageReply(service, request, asked);
  response.writeHead(reply.status, {
    'metadata-flavor': 'Google',
    server: 'Metadata Server for VM',
    'content-type': reply.type ?? 'application/text',
  });
  response.end(reply.text);
}

function pageReply(service: Service, request: IncomingMessage, asked: Asked | undefined): Reply {
  if (!asked) return problem(400, 'Bad request: the URL is not valid\n');
  return refusal(request) ?? metadataReply(service, asked);
}

function publishedKeys(path: string, { key, assertionKey }: Tokens): object | undefined {
  if (path === '/iap/verify/public_key-jwk') return assertionJwkSet(assertionKey);
  if (path === '/oauth2/v3/certs') return jwkSet(key);
  if (path === '/oauth2/v1/certs') return { [key.kid]: key.certificate };
  return undefined;
}

const text = (body: string): Reply => ({ status: 200, text: body });
const json = (body: object): Reply => ({ ...text(JSON.stringify(body)), type: 'application/json' });
const problem = (status: number, body: string): Reply => ({
  status,
  text: body,
  type: 'text/html',
});
const NOT_ALLOWED = problem(405, 'Method not allowed\n');
const NOT_FOUND = problem(404, 'Not found\n');

function refusal({ method, headers }: IncomingMessage): Reply | undefined {
  if (headers['x-forwarded-for'] !== undefined)
    return problem(403, 'Forbidden: requests with X-Forwarded-For are not answered\n');
  if (headers['metadata-flavor'] !== 'Google')
    return problem(403, 'Forbidden: missing required header "Metadata-Flavor": "Google"\n');
  return method === 'GET' ? undefined : NOT_ALLOWED;
}

function metadataReply(service: Service, { path, query }: Asked): Reply {
  const match = /^(?:\/accounts\/([^/]+))?\/computeMetadata\/v1\/?(.*)$/.exec(path);
  if (!match) return NOT_FOUND;
  const [, own, rest = ''] = match;
  const account = /^instance\/service-accounts\/([^/]+)\/?([^/]*)$/.exec(rest);
  if (!account) return projectReply(service, rest, own ?? defaultAccount(service));
  const [, asked = '', leaf = ''] = account;
  if (asked !== 'default' && !(own === undefined ? asked.includes('@') : asked === own))
    return NOT_FOUND;
  const email = own ?? (asked === 'default' ? defaultAccount(service) : asked);
  return accountReply(service, email, { path: leaf, query });
}

const projectNumber = ({ project }: Service) =>
  String(100_000_000_000 + (Number.parseInt(hash('sha256', project).slice(0, 10), 16) % 9e11));

const defaultAccount = (service: Service) =>
  `${projectNumber(service)}-compute@developer.gserviceaccount.com`;

function projectReply(service: Service, path: string, email: string): Reply {
  const known = new Map([
    ['', 'instance/\nproject/\n'],
    ['instance', 'service-accounts/\n'],
    ['instance/service-accounts', `default/\n${email}/\n`],
    ['project', 'numeric-project-id\nproject-id\n'],
    ['project/project-id', service.project],
    ['project/numeric-project-id', projectNumber(service)],
  ]);
  const found = known.get(path.replace(/\/$/, ''));
  return found === undefined ? NOT_FOUND : text(found);
}

const SCOPES = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/userinfo.email',
];

function accountReply(service: Service, email: string, { path, query }: Asked): Reply {
  switch (path) {
    case '':
      return query.get('recursive') === 'true'
        ? json({ aliases: ['default'], email, scopes: SCOPES })
        : text('aliases\nemail\nidentity\nscopes\ntoken\n');
    case 'aliases':
      return text('default\n');
    case 'email':
      return text(email);
    case 'scopes':
      return text(`${SCOPES.join('\n')}\n`);
    case 'token':
      return accessTokenReply(service, email);
    case 'identity':
      return identityReply(service, email, query);
    default:
      return NOT_FOUND;
  }
}

function accessTokenReply({ tokens, clock }: Service, email: string): Reply {
  const { token, expires } = tokens.accessToken(email);
  const seconds = Math.floor((Date.parse(expires) - clock.now().getTime()) / 1000);
  return json({ access_token: token, expires_in: seconds, token_type: 'Bearer' });
}

function identityReply(service: Service, email: string, query: URLSearchParams): Reply {
  const audience = query.get('audience');
  const format = query.get('format') ?? 'standard';
  if (!audience) return problem(400, 'non-empty audience parameter required\n');
  if (format !== 'standard' && format !== 'full')
    return problem(400, 'format must be "standard" or "full"\n');
  const extra = format === 'full' ? { google: { compute_engine: instance(service) } } : {};
  return text(service.tokens.identityToken(email, audience, extra));
}

const instance = (service: Service) => ({
  instance_creation_timestamp: 1_767_225_600,
  instance_id: '1000000000000000001',
  instance_name: 'local',
  project_id: service.project,
  project_number: Number(projectNumber(service)),
  zone: 'local',
});
