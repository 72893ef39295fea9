import { type Planned, PROJECT, PROJECT_NUMBER } from './plan.ts';

/** A permission, or a predefined role by its name, that somebody holds on one thing under one condition. */
export type Grant = Readonly<{ permission: string; who: string; on: string }>;

type Values = Planned['values'];

const text = (values: Values, key: string): string => {
  const value = values[key];
  if (typeof value !== 'string') throw new Error(`${key} is not known at plan time`);
  return value;
};

/** What each kind of grant is on. A kind that is not here is a fault: it would be a grant that nobody looks at. */
const TARGETS: Readonly<Record<string, (values: Values) => string>> = {
  google_project_iam_member: (values) => `project ${text(values, 'project')}`,
  google_dns_managed_zone_iam_member: (values) =>
    `zone ${text(values, 'project')}/${text(values, 'managed_zone')}`,
  google_secret_manager_secret_iam_member: (values) => `secret ${text(values, 'secret_id')}`,
  google_cloud_tasks_queue_iam_member: (values) => `queue ${text(values, 'name')}`,
  google_pubsub_topic_iam_member: (values) => `topic ${text(values, 'topic')}`,
  google_pubsub_subscription_iam_member: (values) => `subscription ${text(values, 'subscription')}`,
  google_cloud_run_v2_service_iam_member: (values) => `service ${text(values, 'name')}`,
  google_iap_web_cloud_run_service_iam_member: (values) =>
    `service ${text(values, 'cloud_run_service_name')}`,
  google_service_account_iam_member: (values) =>
    `account ${text(values, 'service_account_id').split('/').at(-1)}`,
};

// Authoritative bindings and policies, ACLs and keys are ways to grant that the module does not take.
const isGrant = ({ type }: Planned) =>
  /_(iam_(member|binding|policy)|acl|access_control)$/.test(type) ||
  type === 'google_service_account_key';

/** All that a plan grants, custom roles taken apart. Throws for a kind of grant or a custom role that it does not know. */
export function grantsOf(plan: readonly Planned[]): readonly Grant[] {
  const accounts = accountsOf(plan);
  const roles = rolesOf(plan);
  return plan.filter(isGrant).flatMap(({ address, type, values }) => {
    const target = TARGETS[type];
    if (!target) throw new Error(`${address}: no row of the page can stand for a ${type}`);
    const role = text(values, 'role');
    const permissions = role.startsWith('roles/') ? [role] : roles.get(role);
    if (!permissions) throw new Error(`${address}: the plan does not make ${role}`);
    const who = holder(text(values, 'member'), accounts);
    const on = `${target(values)}${conditionOf(values)}`;
    return permissions.map((permission) => ({ permission, who, on }));
  });
}

function conditionOf({ condition }: Values): string {
  const [{ expression } = {}] = (condition ?? []) as readonly { expression?: string }[];
  return expression ? ` if ${expression}` : '';
}

/** Custom roles by their full name. */
function rolesOf(plan: readonly Planned[]): ReadonlyMap<string, readonly string[]> {
  const roles = plan.filter(({ type }) => type === 'google_project_iam_custom_role');
  return new Map(
    roles.map(({ values }) => [
      `projects/${text(values, 'project')}/roles/${text(values, 'role_id')}`,
      values.permissions as readonly string[],
    ]),
  );
}

/** The accounts that a plan makes: e-mail => the last word of the id, which says what it is for. */
export function accountsOf(plan: readonly Planned[]): ReadonlyMap<string, string> {
  const accounts = plan.filter(({ type }) => type === 'google_service_account');
  return new Map(
    accounts.map(({ values }) => [
      text(values, 'email'),
      text(values, 'account_id').split('-').at(-1) ?? '',
    ]),
  );
}

const AGENT = new RegExp(
  `^serviceAccount:service-${PROJECT_NUMBER}@gcp-sa-([a-z-]+)\\.iam\\.gserviceaccount\\.com$`,
);

function holder(member: string, accounts: ReadonlyMap<string, string>): string {
  const email = member.replace(/^[a-zA-Z]+:/, '');
  const own = accounts.get(email);
  if (own) return own;
  const [, agent] = AGENT.exec(member) ?? [];
  if (agent) return `agent ${agent}`;
  if (member.startsWith('user:') || email.endsWith(`@${PROJECT}.iam.gserviceaccount.com`))
    return 'people';
  throw new Error(`${member} is none of those that the page speaks of`);
}
