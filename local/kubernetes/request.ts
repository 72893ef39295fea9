import { unknownResource } from './faults.ts';
import { allResources, type Resource } from './resources.ts';

/** What a URL names: a page outside the resources, or a resource and what of it. */
export type Target = Readonly<{ page: string }> | Readonly<{ page: undefined } & ResourceTarget>;

export type ResourceTarget = Readonly<{
  resource: Resource;
  /** Undefined for all namespaces, and for what is in no namespace. */
  namespace: string | undefined;
  name: string | undefined;
  subresource: '' | 'status';
}>;

/** Reads the path of a request; a resource that is not here is refused, another page is left as it is. */
export function targetOf(path: string): Target {
  const segments = path.split('/').filter((part) => part !== '');
  const group = groupOf(segments);
  if (group === undefined) return { page: `/${segments.join('/')}` };
  const rest = segments.slice(group === '' ? 2 : 3);
  if (segments[group === '' ? 1 : 2] !== 'v1') throw unknownResource();
  if (rest.length === 0) return { page: `/${segments.join('/')}` };
  return { page: undefined, ...resourceTarget(group, rest) };
}

function groupOf([root, group, version]: readonly string[]): Resource['group'] | undefined {
  if (root === 'api' && group !== undefined) return '';
  return root === 'apis' && group === 'networking.k8s.io' && version !== undefined
    ? group
    : undefined;
}

function resourceTarget(group: Resource['group'], rest: readonly string[]): ResourceTarget {
  const isScoped = rest[0] === 'namespaces' && (rest.length > 2 || group !== '');
  const namespace = isScoped ? rest[1] : undefined;
  const [plural, name, subresource = '', ...more] = isScoped ? rest.slice(2) : rest;
  const resource = allResources.find((one) => one.group === group && one.plural === plural);
  if (!resource || more.length > 0) throw unknownResource();
  if (isScoped !== resource.namespaced && (isScoped || name !== undefined)) throw unknownResource();
  if (subresource !== '' && (subresource !== 'status' || !resource.hasStatus))
    throw unknownResource();
  return { resource, namespace, name, subresource };
}
