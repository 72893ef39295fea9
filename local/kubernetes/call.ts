import type { Clock } from '../clock.ts';
import type { Subject } from './faults.ts';
import { type FieldFault, invalid, invalidValue, unsupportedValue } from './faults.ts';
import type { KubernetesObject } from './object.ts';
import type { ObjectStore } from './object-store.ts';
import type { ResourceTarget } from './request.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** One request to a resource, after authentication and authorization. */
export type ResourceCall = Readonly<{
  target: ResourceTarget;
  query: URLSearchParams;
  body: string;
  contentType: string | undefined;
  userAgent: string | undefined;
  /** Throws 403 when the caller may not also do this, as a patch that creates must be allowed to. */
  demand: (verb: Verb) => void;
}>;

export type Server = Readonly<{ objects: ObjectStore; clock: Clock }>;

/** What a call answers: an object in whatever form was asked for, or a body as it is. */
export type Written = Readonly<{
  status: 200 | 201;
  object: KubernetesObject;
  warnings: readonly string[];
}>;

export const subjectOf = ({
  resource,
  name = '',
}: Omit<ResourceTarget, 'subresource'>): Subject => ({
  group: resource.group,
  resource: resource.plural,
  kind: resource.kind,
  name,
});

/** The present in the form of creationTimestamp: whole seconds. */
export const timestamp = (clock: Clock) =>
  clock
    .now()
    .toISOString()
    .replace(/\.\d+Z$/, 'Z');

type Options = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions' | 'DeleteOptions';

/** Refuses options in the query that the real server refuses; returns whether nothing is to be stored. */
export function isDryRun(query: URLSearchParams, kind: Options, more: FieldFault[] = []): boolean {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  const manager = query.get('fieldManager') ?? '';
  const faults = [
    ...more,
    ...(dryRun.every((value) => value === 'All')
      ? []
      : [unsupportedValue('dryRun', dryRun, ['All'])]),
    ...managerFaults(manager),
  ];
  if (faults.length > 0) throw invalid({ kind, group: 'meta.k8s.io', name: '' }, faults);
  return dryRun.length > 0;
}

function managerFaults(manager: string): FieldFault[] {
  if (manager.length > 128)
    return [invalidValue('fieldManager', manager, 'may not be more than 128 bytes')];
  const at = manager.search(/[^\P{C}]/u);
  if (at < 0) return [];
  const code = (manager.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return [invalidValue('fieldManager', manager, `invalid character U+${code} (at position ${at})`)];
}

/** The manager a write is noted under: the one named, else the client's name. */
export const managerOf = ({ query, userAgent }: ResourceCall) =>
  query.get('fieldManager') || userAgent?.split('/')[0]?.slice(0, 128) || 'unknown';
