/** The service accounts of the embedded system, as the Terraform module would make them: one for each function and engine. */
export type Accounts = Readonly<Record<Role, string>>;

export type Role =
  | 'reconcile'
  | 'issue'
  | 'sync'
  | 'api'
  | 'scheduler'
  | 'invoker'
  | 'pusher'
  | 'operator';

const ROLES: readonly Role[] = [
  'reconcile',
  'issue',
  'sync',
  'api',
  'scheduler',
  'invoker',
  'pusher',
  'operator',
];

export const accountsOf = (project: string): Accounts =>
  Object.fromEntries(
    ROLES.map((role) => [role, `certherd-${role}@${project}.iam.gserviceaccount.com`]),
  ) as Accounts;

/** The person at this machine. */
export const LOCAL_PERSON = 'you@certherd.test';
