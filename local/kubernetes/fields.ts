import { isEqual, isRecord, type Json } from './object.ts';
import { ownField, type Schema } from './schema.ts';

/** A set of field paths. A path is its names joined by NUL, which no field name holds. */
export type FieldSet = ReadonlySet<string>;

const SEPARATOR = '\u0000';
const below = (path: string, name: string) => (path === '' ? name : path + SEPARATOR + name);

/** The path as a conflict names it: `.metadata.labels.team`. */
export const shownPath = (path: string) => `.${path.replaceAll(SEPARATOR, '.')}`;

export const segmentsOf = (path: string): readonly string[] => path.split(SEPARATOR);

/** The schema below a granular field, undefined when the field is owned as a whole or by nobody. */
function innerSchema(schema: Schema, name: string): Schema | undefined {
  if (schema.type === 'map') return schema.of;
  return schema.type === 'struct' ? ownField(schema.fields, name) : undefined;
}

const isGranular = (schema: Schema) =>
  schema.type === 'map' || (schema.type === 'struct' && !schema.atomic);

const isUnowned = (schema: Schema) => 'unowned' in schema;

/** The fields that an applied configuration names: its leaves, and its empty containers. */
export function leavesOf(value: Json, schema: Schema, path = ''): Set<string> {
  const leaves = new Set<string>();
  for (const [name, item] of Object.entries(value)) {
    const inner = innerSchema(schema, name);
    if (!inner || isUnowned(inner)) continue;
    const at = below(path, name);
    const deeper =
      isGranular(inner) && isRecord(item) ? leavesOf(item, inner, at) : new Set<string>();
    if (deeper.size === 0) leaves.add(at);
    for (const leaf of deeper) leaves.add(leaf);
  }
  return leaves;
}

export type Comparison = Readonly<{ changed: Set<string>; removed: Set<string> }>;

/** Which fields were added or got another value, and which went away; containers count as fields. */
export function compare(before: Json, after: Json, schema: Schema): Comparison {
  const found = { changed: new Set<string>(), removed: new Set<string>() };
  compareFields({ before, after, schema, path: '' }, found);
  return found;
}

type Pair = Readonly<{ before: Json; after: Json; schema: Schema; path: string }>;

function compareFields({ before, after, schema, path }: Pair, found: Comparison): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const inner = innerSchema(schema, name);
    if (!inner || isUnowned(inner)) continue;
    const [old, young] = [ownField(before, name), ownField(after, name)];
    const at = below(path, name);
    if (isGranular(inner)) {
      if (old === undefined) found.changed.add(at);
      if (young === undefined) found.removed.add(at);
      const pair = { before: asRecord(old), after: asRecord(young), schema: inner, path: at };
      compareFields(pair, found);
    } else if (young === undefined) found.removed.add(at);
    else if (!isEqual(old, young)) found.changed.add(at);
  }
}

const asRecord = (value: unknown): Json => (isRecord(value) ? value : {});

/** Live object and configuration as one: granular fields merge, others are replaced, by null as well. */
export function merged(live: Json, config: Json, schema: Schema): Json {
  const result = { ...live };
  for (const [name, item] of Object.entries(config)) {
    const inner = innerSchema(schema, name);
    if (!inner || isUnowned(inner)) continue;
    const old = ownField(live, name);
    if (isGranular(inner) && isRecord(item)) result[name] = merged(asRecord(old), item, inner);
    else result[name] = item;
  }
  return result;
}

/** The object without a field; containers that become empty stay. */
export function without(value: Json, [name, ...rest]: readonly string[]): Json {
  if (name === undefined || !Object.hasOwn(value, name)) return value;
  const { [name]: inner, ...others } = value;
  if (rest.length === 0) return others;
  return isRecord(inner) ? { ...value, [name]: without(inner, rest) } : value;
}

/** The set together with every container above its members. */
export function withParents(set: FieldSet): Set<string> {
  const all = new Set<string>();
  for (const path of set) {
    const names = path.split(SEPARATOR);
    for (let depth = 1; depth <= names.length; depth++)
      all.add(names.slice(0, depth).join(SEPARATOR));
  }
  return all;
}

/** The set as `fieldsV1` of managedFields (KEP-555). */
export function encodedFields(set: FieldSet): Json {
  const root: Json = {};
  for (const path of [...set].sort()) {
    let node = root;
    let at = '';
    for (const name of path.split(SEPARATOR)) {
      at = below(at, name);
      const child = asRecord(node[`f:${name}`]);
      if (at !== path && set.has(at)) child['.'] = {};
      node[`f:${name}`] = child;
      node = child;
    }
  }
  return root;
}

export function decodedFields(fields: Json, path = ''): Set<string> {
  const set = new Set<string>();
  for (const [key, value] of Object.entries(fields)) {
    if (!key.startsWith('f:')) continue;
    const at = below(path, key.slice(2));
    const children = asRecord(value);
    if (Object.keys(children).length === 0 || '.' in children) set.add(at);
    for (const member of decodedFields(children, at)) set.add(member);
  }
  return set;
}
