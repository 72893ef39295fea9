import { isWildcard, isWithin, parentOf } from './names.ts';

/**
 * One line of a cluster's `allow`: these namespaces may have these names and every name below them. `*` stands for any
 * namespace, or for any name in the zones. A wildcard needs `wildcards` as well, for its key opens every host below.
 */
export type AllowRule = Readonly<{
  namespaces: readonly string[];
  names: readonly string[];
  wildcards: boolean;
}>;

/** Whether the rules give `name` to `namespace`. Without rules every exact name is given and no wildcard. */
export function isAllowed(
  rules: readonly AllowRule[] | undefined,
  namespace: string,
  name: string,
): boolean {
  if (!rules) return !isWildcard(name);
  return rules.some(
    (rule) =>
      (rule.wildcards || !isWildcard(name)) &&
      rule.namespaces.some((allowed) => allowed === '*' || allowed === namespace) &&
      rule.names.some((allowed) => allowed === '*' || isWithin(allowed, bare(name))),
  );
}

const bare = (name: string) => (isWildcard(name) ? parentOf(name) : name);
