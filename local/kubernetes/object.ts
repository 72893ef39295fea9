/** What JSON objects look like before anything is known about them. */
export type Json = Record<string, unknown>;

/** One entry of `metadata.managedFields`. */
export type ManagedFields = Readonly<{
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  time?: string;
  fieldsType: 'FieldsV1';
  fieldsV1: Json;
  subresource?: string;
}>;

export type ObjectMeta = Readonly<{
  name: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  managedFields?: readonly ManagedFields[];
}>;

/** A stored object is never changed, only replaced: snapshots and watches may hold on to it. */
export type KubernetesObject = Readonly<{
  kind: string;
  apiVersion: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}>;

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The record at a field, or an empty one. */
export const recordAt = (value: Json, field: string): Json => {
  const inner = value[field];
  return isRecord(inner) ? inner : {};
};

/** The list at a field, or an empty one. */
export const listAt = (value: Json, field: string): readonly unknown[] => {
  const inner = value[field];
  return Array.isArray(inner) ? inner : [];
};

/** The object without the fields that are undefined; at the first level only. */
export const compact = (value: Json): Json =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined));

/** Whether two JSON values are equal, whatever the order of their fields. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isEqual(item, b[index]));
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
  );
}
