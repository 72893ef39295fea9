import { isRecord, type Json } from './object.ts';

/**
 * The shape of a field. A `struct` or `map` is granular: each of its fields has owners of its own in
 * server-side apply. A `list`, and a struct marked `atomic`, is owned as a whole.
 */
export type Schema =
  | Readonly<{ type: 'string' | 'number' | 'boolean' | 'any'; unowned?: true }>
  | Readonly<{ type: 'map'; of: Schema; keepEmpty?: true }>
  | Readonly<{ type: 'list'; of: Schema; keepEmpty?: true }>
  | Readonly<{ type: 'struct'; fields: Readonly<Record<string, Schema>>; atomic?: true }>;

export const string: Schema = { type: 'string' };
export const number: Schema = { type: 'number' };
export const boolean: Schema = { type: 'boolean' };
const unowned: Schema = { type: 'any', unowned: true };
const unownedText: Schema = { type: 'string', unowned: true };
export const stringMap: Schema = { type: 'map', of: string };
export const list = (of: Schema): Schema => ({ type: 'list', of });
export const struct = (fields: Readonly<Record<string, Schema>>): Schema => ({
  type: 'struct',
  fields,
});
export const atomic = (fields: Readonly<Record<string, Schema>>): Schema => ({
  type: 'struct',
  fields,
  atomic: true,
});

const metadata = struct({
  name: unownedText,
  generateName: string,
  namespace: unownedText,
  uid: unownedText,
  resourceVersion: unownedText,
  generation: unowned,
  creationTimestamp: unownedText,
  deletionTimestamp: unownedText,
  deletionGracePeriodSeconds: unowned,
  selfLink: unownedText,
  managedFields: unowned,
  labels: stringMap,
  annotations: stringMap,
  finalizers: list(string),
  ownerReferences: list({ type: 'any' }),
});

/** The schema of a whole object: its own fields beside kind, apiVersion and metadata. */
export const objectSchema = (fields: Readonly<Record<string, Schema>>): Schema =>
  struct({ kind: unowned, apiVersion: unowned, metadata, ...fields });

/** What decoding found wrong. `path` starts with a dot: `.spec.tls[0].hosts`. */
export type ShapeFault = Readonly<{ path: string; expected: string; value: unknown }>;

export type Decoded = Readonly<{ value: Json; unknown: readonly string[]; faults: ShapeFault[] }>;

/**
 * The value as a typed server would hold it: unknown fields dropped (and named), nulls, empty strings,
 * zeros and empty containers left out as `omitempty` does.
 */
export function decoded(value: Json, schema: Schema): Decoded {
  const found: Found = { unknown: [], faults: [] };
  const result = walk(value, schema, '', found);
  return { value: isRecord(result) ? result : {}, ...found };
}

type Found = { unknown: string[]; faults: ShapeFault[] };

function walk(value: unknown, schema: Schema, path: string, found: Found): unknown {
  if (value === null || value === undefined) return undefined;
  switch (schema.type) {
    case 'any':
      return value;
    case 'string':
    case 'number':
    case 'boolean':
      return scalar(value, schema.type, path, found);
    case 'map':
    case 'struct':
      return isRecord(value)
        ? fieldsOf(value, schema, path, found)
        : mismatch(value, path, 'map', found);
    case 'list':
      return Array.isArray(value)
        ? itemsOf(value, schema.of, path, found)
        : mismatch(value, path, 'list', found);
  }
}

function scalar(
  value: unknown,
  expected: 'string' | 'number' | 'boolean',
  ...[path, found]: [string, Found]
): unknown {
  return typeof value === expected ? value : mismatch(value, path, expected, found);
}

function mismatch(value: unknown, path: string, expected: string, found: Found): undefined {
  found.faults.push({ path, expected, value });
  return undefined;
}

function fieldsOf(
  value: Json,
  schema: Extract<Schema, { type: 'map' | 'struct' }>,
  ...[path, found]: [string, Found]
): Json | undefined {
  const entries: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    const inner = schema.type === 'map' ? schema.of : ownField(schema.fields, key);
    if (!inner) found.unknown.push(`${path}.${key}`);
    const kept = inner && walk(item, inner, `${path}.${key}`, found);
    if (kept !== undefined && (schema.type === 'map' || !isZero(kept))) entries.push([key, kept]);
  }
  return schema.type === 'map' && entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** A field of a record by its name, blind to what objects inherit (a field may be named `constructor`). */
export const ownField = <Value>(
  record: Readonly<Record<string, Value>>,
  name: string,
): Value | undefined => (Object.hasOwn(record, name) ? record[name] : undefined);

const isZero = (value: unknown) => value === '' || value === 0;

function itemsOf(
  value: readonly unknown[],
  of: Schema,
  ...[path, found]: [string, Found]
): unknown[] | undefined {
  if (value.length === 0) return undefined;
  return value.map((item, index) => walk(item, of, `${path}[${index}]`, found) ?? emptyOf(of));
}

const emptyOf = (schema: Schema) => (schema.type === 'string' ? '' : {});
