import type { IncomingMessage } from 'node:http';
import { GoogleFault, LegacyGoogleFault } from '../../../local/google-api.ts';
import { noPolicy, type Policy } from '../../../local/wire/policy.ts';
import { holds } from './cel.ts';
import type { GoogleStub } from './google-stub.ts';
import { type Asked, askedBy, type Numbers, PREDEFINED } from './permissions.ts';

/** A call that was refused: who lacked what, on what. */
export type Refusal = Readonly<{ account: string; permission: string; resource: string }>;

type IamOptions = Readonly<{
  stub: GoogleStub;
  numbers: Numbers;
  /** The account of an access token. */
  accountOf(token: string): string | undefined;
  /** Who set everything up and may do everything. */
  owner: string;
  /** The policy of a resource of a stand-in, by URL without the verb. Throws when there is no such resource. */
  policyAt(url: string): Promise<Policy>;
}>;

/** IAM as it was applied: custom roles, bindings and conditions decide what each account may do. */
export type Iam = Readonly<{
  /** Refuses, as the service would, what the caller's account may not do. `url` is the stand-in's. */
  require(url: string, request: IncomingMessage, body: string): Promise<void>;
  /** Whether the account may do this. `url` is that of the stand-in that keeps the resource's policy. */
  allows(account: string, asked: Asked, url?: string): Promise<boolean>;
  /** Who has a permission by this policy, e-mails. */
  holders(policy: Policy, permission: string): readonly string[];
  refusals: Refusal[];
  /** Permission by permission, the accounts that used it. */
  used: Map<string, Set<string>>;
}>;

export function createIam(options: IamOptions): Iam {
  const refusals: Refusal[] = [];
  const used: Iam['used'] = new Map();
  const allows: Iam['allows'] = async (account, asked, url = '') => {
    used.set(asked.permission, (used.get(asked.permission) ?? new Set()).add(account));
    const policies = await policiesFor(asked, url, options);
    return policies.some((policy) =>
      policy.bindings?.some(
        ({ role, members = [], condition }) =>
          members.includes(`serviceAccount:${account}`) &&
          permissionsOf(role, options.stub).includes(asked.permission) &&
          (!condition || holds(condition.expression ?? '', asked.resource)),
      ),
    );
  };
  return {
    ...{ refusals, used, allows },
    holders: (policy, permission) =>
      (policy.bindings ?? [])
        .filter(({ role }) => permissionsOf(role, options.stub).includes(permission))
        .flatMap(({ members = [] }) => members.map((member) => member.replace(/^\w+:/, ''))),
    async require(url, request, body) {
      const account = callerOf(request, options);
      if (account === options.owner) return;
      for (const asked of whatIsAsked(request, body, options)) {
        const { permission, resource } = asked;
        if (await allows(account, asked, url)) continue;
        refusals.push({ account, permission, resource: resource.name });
        throw refusal(asked);
      }
    },
  };
}

function callerOf(request: IncomingMessage, { accountOf }: IamOptions): string {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const account = token === undefined ? undefined : accountOf(token);
  if (account) return account;
  throw new GoogleFault('UNAUTHENTICATED', 'Request had invalid authentication credentials.');
}

function whatIsAsked(
  { method = '', url = '/' }: IncomingMessage,
  body: string,
  { numbers }: IamOptions,
) {
  const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
  const asked = askedBy({ method, path }, numbers, body);
  if (asked) return asked;
  throw new GoogleFault('PERMISSION_DENIED', `no permission is known for ${method} ${path}`);
}

// The resource's own policy and its project's count; more levels the module does not write to.
async function policiesFor(
  { project, policy, stubPolicy }: Asked,
  url: string,
  { stub, policyAt, numbers }: IamOptions,
): Promise<readonly Policy[]> {
  const id = [...numbers].find(([, number]) => number === project)?.[0] ?? project;
  return [
    stub.policy(`/resourcemanager/v1/projects/${id}`),
    ...(stubPolicy ? [stub.policy(stubPolicy)] : []),
    // What is not there has no policy, and its project's decides whether one may know that it is not there.
    ...(policy ? [await policyAt(url + policy).catch(() => noPolicy)] : []),
  ];
}

function permissionsOf(role: string, stub: GoogleStub): readonly string[] {
  const own = stub.resources().get(`/iam/v1/${role}`)?.includedPermissions;
  return (own as readonly string[] | undefined) ?? PREDEFINED[role] ?? [];
}

/** In the words of each service; Cloud DNS does not say what was missing. */
function refusal({ permission, resource: { name } }: Asked): GoogleFault | LegacyGoogleFault {
  if (permission.startsWith('dns.')) return new LegacyGoogleFault(403, 'forbidden', 'Forbidden');
  if (permission.startsWith('pubsub.'))
    return new GoogleFault('PERMISSION_DENIED', 'User not authorized to perform this action.');
  if (permission.startsWith('secretmanager.'))
    return new GoogleFault(
      'PERMISSION_DENIED',
      `Permission '${permission}' denied for resource '${name}' (or it may not exist).`,
    );
  return new GoogleFault(
    'PERMISSION_DENIED',
    `The principal (user or service account) lacks IAM permission "${permission}" for the resource "${name}" (or the resource may not exist).`,
  );
}
