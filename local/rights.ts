import type { IncomingMessage } from 'node:http';
import type { Accounts, Role } from './accounts.ts';
import { GoogleFault } from './google-api.ts';
import type { AuthorizationAttributes } from './kubernetes/kubernetes.ts';
import { askedBy } from './wire/request.ts';

type Right = readonly [method: string, path: RegExp];

/** Method and path of every call that a role may make. */
type Rights = Readonly<Partial<Record<Role, readonly Right[]>>>;

const SECRET = '/v1/projects/[^/]+/secrets';
const queues = /^\/v2\/projects\/[^/]+\/locations\/[^/]+\/queues\/[^/]+/;
const ENQUEUE: readonly Right[] = [['POST', new RegExp(`${queues.source}/tasks$`)]];
const ZONES = '/dns/v1/projects/[^/]+/managedZones';
const LIST_ZONES: Right = ['GET', new RegExp(`^${ZONES}$`)];
const LIST_SECRETS: Right = ['GET', new RegExp(`^${SECRET}$`)];
const CREATE_SECRETS: Right = ['POST', new RegExp(`^${SECRET}$`)];

/** Paths below the secrets of one kind. A tenant chooses what comes after the prefix, so it stands at the very beginning. */
const secretsOf = (prefix: string) => (rest: string) =>
  new RegExp(`^${SECRET}/${prefix}[^/:]+${rest}$`);

const kindsOf = (own: string) => ({
  certificates: secretsOf(`${own}-cert-`),
  keys: secretsOf(`${own}-(?:account|pending)-`),
  pending: secretsOf(`${own}-pending-`),
  /** One secret, unless its id makes it one of the kinds above. */
  named: (id: string) => (rest: string) =>
    new RegExp(`^${SECRET}/(?!${own}-(?:cert|account|pending)-)${RegExp.escape(id)}${rest}$`),
});

/** The ids of the secrets that hold kubeconfigs, by who uses them. */
export type KubeconfigSecrets = Readonly<Record<'reader' | 'writer', readonly string[]>>;

/** What each function of an installation may do, and nothing else, enforced by the stand-ins: the deployment is to grant exactly this. */
export function rightsOf(installation: string, kubeconfigs: KubeconfigSecrets): Rights {
  const kinds = kindsOf(RegExp.escape(installation));
  const { certificates, named } = kinds;
  const records: readonly Right[] = [
    ['GET', certificates('')],
    ['PATCH', certificates('')],
  ];
  const clusters = (secrets: readonly string[]): readonly Right[] => [
    ...secrets.map((id): Right => ['GET', named(id)('/versions(/[^/]+:access)?')]),
    ['GET', /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/clusters\/[^/]+$/],
  ];
  return {
    reconcile: [
      ...[...records, ...clusters(kubeconfigs.reader), ...ENQUEUE],
      ...[LIST_ZONES, LIST_SECRETS, CREATE_SECRETS],
      ['GET', certificates('/versions')],
      ['POST', /^\/v1\/projects\/[^/]+\/topics\/[^/]+:publish$/],
    ],
    issue: [...records, ...issueRights(kinds)],
    sync: [
      ...[...records, ...clusters(kubeconfigs.writer)],
      ['GET', certificates('/versions')],
      ['GET', certificates('/versions/[^/:]+(:access)?')],
      ['POST', certificates('/versions/[^/]+:destroy')],
    ],
    api: [
      ...[...records, ...ENQUEUE],
      ...[LIST_SECRETS, CREATE_SECRETS],
      ['GET', new RegExp(`${queues.source}$`)],
      ['GET', /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+$/],
      ['POST', /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+:run$/],
    ],
  };
}

const issueRights = ({
  certificates,
  keys,
  pending,
}: ReturnType<typeof kindsOf>): readonly Right[] => [
  ...[...ENQUEUE, LIST_ZONES, CREATE_SECRETS],
  ['GET', new RegExp(`^${ZONES}/[^/]+(/rrsets|/changes/[^/]+)?$`)],
  ['POST', new RegExp(`^${ZONES}/[^/]+/changes$`)],
  ['GET', certificates('/versions')],
  ['POST', certificates(':addVersion')],
  ['GET', keys('/versions')],
  ['GET', keys('/versions/[^/]+:access')],
  ['POST', keys(':addVersion')],
  ['GET', pending('/versions/[^/:]+')],
  ['POST', pending('/versions/[^/]+:destroy')],
];

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
export function requireRight(request: IncomingMessage, role: RoleOf, rights: Rights): void {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const caller = token === undefined ? undefined : role(token);
  if (!caller)
    throw new GoogleFault('UNAUTHENTICATED', 'Request had invalid authentication credentials.');
  if (caller === 'operator') return;
  const path = askedBy(request)?.path ?? '';
  const isGranted = rights[caller]?.some(
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
  if (['namespaces', 'secrets'].includes(resource) && verb === 'get')
    return ['reconcile', 'sync'].includes(user);
  return resource === 'secrets' && user === 'sync' && ['create', 'patch'].includes(verb);
}
