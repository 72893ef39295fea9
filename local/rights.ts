import type { IncomingMessage } from 'node:http';
import type { Accounts, Role } from './accounts.ts';
import { GoogleFault } from './google-api.ts';
import type { AuthorizationAttributes } from './kubernetes/kubernetes.ts';

type Right = readonly [method: string, path: RegExp];

const SECRET = '/v1/projects/[^/]+/secrets';
const certificates = (rest: string): RegExp => new RegExp(`^${SECRET}/[^/]*-cert-[^/:]+${rest}$`);
const keys = (rest: string): RegExp =>
  new RegExp(`^${SECRET}/[^/]*-(account|pending)-[^/:]+${rest}$`);
const pending = (rest: string): RegExp => new RegExp(`^${SECRET}/[^/]*-pending-[^/:]+${rest}$`);
const kubeconfigs = (rest: string): RegExp =>
  new RegExp(`^${SECRET}/(?![^/]*-(cert|account|pending)-)[^/:]+${rest}$`);
const queues = /^\/v2\/projects\/[^/]+\/locations\/[^/]+\/queues\/[^/]+/;

const READ_RECORDS: readonly Right[] = [
  ['GET', new RegExp(`^${SECRET}$`)],
  ['GET', certificates('')],
];
const WRITE_RECORDS: readonly Right[] = [...READ_RECORDS, ['PATCH', certificates('')]];
const READ_KUBECONFIGS: readonly Right[] = [
  ['GET', kubeconfigs('/versions')],
  ['GET', kubeconfigs('/versions/[^/]+:access')],
  ['GET', /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/clusters\/[^/]+$/],
];
const ENQUEUE: readonly Right[] = [['POST', new RegExp(`${queues.source}/tasks$`)]];
const READ_ZONES: readonly Right[] = [['GET', /^\/dns\/v1\/projects\/[^/]+\/managedZones/]];

/** What each function may do, and nothing else, enforced by the stand-ins: the deployment is to grant exactly this. */
const RIGHTS: Readonly<Partial<Record<Role, readonly Right[]>>> = {
  reconcile: [
    ...WRITE_RECORDS,
    ...READ_KUBECONFIGS,
    ...ENQUEUE,
    ...READ_ZONES,
    ['POST', new RegExp(`^${SECRET}$`)],
    ['GET', certificates('/versions')],
    ['POST', /^\/v1\/projects\/[^/]+\/topics\/[^/]+:publish$/],
  ],
  issue: [
    ...WRITE_RECORDS,
    ...ENQUEUE,
    ...READ_ZONES,
    ['POST', /^\/dns\/v1\/projects\/[^/]+\/managedZones\/[^/]+\/changes$/],
    ['POST', new RegExp(`^${SECRET}$`)],
    ['GET', certificates('/versions')],
    ['POST', certificates(':addVersion')],
    ['GET', keys('(/versions)?')],
    ['GET', keys('/versions/[^/]+:access')],
    ['POST', keys(':addVersion')],
    ['POST', pending('/versions/[^/]+:destroy')],
  ],
  sync: [
    ...WRITE_RECORDS,
    ...READ_KUBECONFIGS,
    ['GET', certificates('/versions')],
    ['GET', certificates('/versions/[^/]+:access')],
    ['POST', certificates('/versions/[^/]+:destroy')],
  ],
  api: [
    ...WRITE_RECORDS,
    ...ENQUEUE,
    ['POST', new RegExp(`^${SECRET}$`)],
    ['GET', new RegExp(`${queues.source}$`)],
    ['GET', /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+$/],
    ['POST', /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+:run$/],
  ],
};

/** The role of an access token's account; undefined for a token that is none of ours. */
export type RoleOf = (accessToken: string) => Role | undefined;

export function roleOf(
  accounts: Accounts,
  accountOf: (accessToken: string) => string | undefined,
): RoleOf {
  const roles = new Map(Object.entries(accounts).map(([role, email]) => [email, role as Role]));
  return (token) => roles.get(accountOf(token) ?? '');
}

/** Refuses, as IAM does, what the caller's account may not do. The operator, who sets everything up, may do all. */
export function requireRight(request: IncomingMessage, role: RoleOf): void {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const caller = token === undefined ? undefined : role(token);
  if (!caller)
    throw new GoogleFault('UNAUTHENTICATED', 'Request had invalid authentication credentials.');
  if (caller === 'operator') return;
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  const isGranted = RIGHTS[caller]?.some(
    ([method, pattern]) => method === request.method && pattern.test(path),
  );
  if (!isGranted)
    throw new GoogleFault(
      'PERMISSION_DENIED',
      `Permission denied: ${caller} may not ${request.method} ${path}`,
    );
}

/** RBAC of a cluster: the reader and the writer of the design's table, the front, and whoever loads the manifests. */
export function isGrantedInCluster({
  user,
  verb,
  resource,
  subresource,
}: AuthorizationAttributes): boolean {
  if (user === 'admin') return true;
  if (user === 'front')
    return (
      ['get', 'list', 'watch'].includes(verb) || (subresource === 'status' && verb === 'patch')
    );
  if (resource === 'ingresses')
    return (
      ['reconcile', 'sync'].includes(user) && ['get', 'list'].includes(verb) && subresource === ''
    );
  if (resource !== 'secrets') return false;
  return verb === 'get'
    ? ['reconcile', 'sync'].includes(user)
    : user === 'sync' && ['create', 'patch'].includes(verb);
}
