import type { Config } from '../../shared/config.ts';
import { ApiProblem } from './problem.ts';

/** From the least to the most that one may do; each may what those before it may. */
const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who asks. `member` is `user:EMAIL` or `serviceAccount:EMAIL`. */
export type Caller = Readonly<{ member: string; role: Role }>;

/** The highest role that lists the member, letter for letter; undefined when none does. */
export function roleOf(member: string, access: Config['access']): Role | undefined {
  if (access.admins.includes(member)) return 'admin';
  if (access.operators.includes(member)) return 'operator';
  return access.viewers.includes(member) ? 'viewer' : undefined;
}

/** Throws the 403 of whoever may less. `what` completes "only … may ". */
export function requireRole({ member, role }: Caller, needed: Role, what: string): void {
  if (ROLES.indexOf(role) >= ROLES.indexOf(needed)) return;
  const [who, list] = needed === 'admin' ? ['admins', 'admins'] : ['operators', 'operators'];
  throw new ApiProblem(
    'role-missing',
    `only ${who} may ${what}; ${member} is ${role === 'viewer' ? 'a viewer' : 'an operator'}, so ask for a place under access.${list} in the configuration`,
  );
}
