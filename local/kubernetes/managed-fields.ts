import { KubernetesFault } from './faults.ts';
import {
  compare,
  decodedFields,
  encodedFields,
  type FieldSet,
  leavesOf,
  merged,
  segmentsOf,
  shownPath,
  without,
  withParents,
} from './fields.ts';
import type { Json, ManagedFields } from './object.ts';
import type { Schema } from './schema.ts';

/** Who writes: the owner that managedFields name. */
export type Writer = Readonly<{
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: '' | 'status';
  /** RFC 3339, whole seconds. */
  time: string;
}>;

type Owner = { entry: Omit<ManagedFields, 'fieldsV1'>; fields: Set<string> };

const BEFORE_FIRST_APPLY = 'before-first-apply';

/** The owners after a create, update or patch turned `before` into `after`; `before` is blank at creation. */
export function ownersAfterUpdate(
  { before, after, schema }: Readonly<{ before: Json; after: Json; schema: Schema }>,
  managed: readonly ManagedFields[],
  writer: Writer,
): ManagedFields[] {
  const owners = managed.map(owner);
  const { changed, removed } = compare(before, after, schema);
  const ours = ownable(changed, writer);
  for (const other of owners) {
    if (!isSame(other, writer)) other.fields = other.fields.difference(ours);
    other.fields = other.fields.difference(removed);
  }
  if (ours.size > 0) {
    const mine = owners.find((other) => isSame(other, writer)) ?? added(owners, writer);
    mine.fields = mine.fields.union(ours);
    mine.entry = { ...mine.entry, time: writer.time };
  }
  return encoded(owners);
}

export type Applied = Readonly<{ value: Json; managed: ManagedFields[] }>;

export type Application = Readonly<{
  /** The object as it is, undefined when the configuration creates it. */
  live: Json | undefined;
  /** What a new object of that kind holds before anything is set. */
  blank: Json;
  config: Json;
  schema: Schema;
  managed: readonly ManagedFields[];
  force: boolean;
}>;

/**
 * Server-side apply (https://kubernetes.io/docs/reference/using-api/server-side-apply/): merges the
 * configuration, refuses values that others own unless forced, and removes what the manager applied
 * before, applies no longer, and nobody else owns.
 */
export function applied(application: Application, writer: Writer): Applied {
  const { live, blank, config, schema } = application;
  const owners = ownersBefore(application, writer);
  const base = live ?? blank;
  const wanted = ownable(leavesOf(config, schema), writer);
  const together = merged(base, config, schema);
  const { changed } = compare(base, together, schema);
  const others = owners.filter((other) => !isSame(other, writer));
  const contested = others
    .map((other) => ({ other, fields: other.fields.intersection(changed) }))
    .filter(({ fields }) => fields.size > 0);
  if (contested.length > 0 && !application.force) throw applyConflict(contested);
  for (const { other, fields } of contested) other.fields = other.fields.difference(fields);

  const mine = owners.find((other) => isSame(other, writer)) ?? added(owners, writer);
  const value = pruned(together, {
    before: mine.fields,
    keep: others.reduce((all, { fields }) => all.union(fields), wanted),
  });
  const outcome = compare(base, value, schema);
  for (const other of others) other.fields = other.fields.difference(outcome.removed);
  mine.fields = wanted;
  // As the real server does it: who applies what is there already becomes an owner without a time.
  if (outcome.changed.size + outcome.removed.size > 0 || !live)
    mine.entry = { ...mine.entry, time: writer.time };
  return { value, managed: encoded(owners) };
}

function ownersBefore(application: Application, writer: Writer): Owner[] {
  const { live, managed, blank, schema } = application;
  if (!live || managed.length > 0) return managed.map(owner);
  const first: Writer = { ...writer, manager: BEFORE_FIRST_APPLY, operation: 'Update' };
  return ownersAfterUpdate({ before: blank, after: live, schema }, [], first).map(owner);
}

function pruned(value: Json, { before, keep }: { before: FieldSet; keep: FieldSet }): Json {
  const gone = withParents(before).difference(withParents(keep));
  return [...gone].reduce((rest, path) => without(rest, segmentsOf(path)), value);
}

function owner({ fieldsV1, ...entry }: ManagedFields): Owner {
  return { entry, fields: decodedFields(fieldsV1) };
}

function added(owners: Owner[], writer: Writer): Owner {
  const fresh: Owner = {
    entry: {
      manager: writer.manager,
      operation: writer.operation,
      apiVersion: writer.apiVersion,
      fieldsType: 'FieldsV1',
      ...(writer.subresource ? { subresource: writer.subresource } : {}),
    },
    fields: new Set(),
  };
  owners.push(fresh);
  return fresh;
}

const isSame = ({ entry }: Owner, writer: Writer) =>
  entry.manager === writer.manager &&
  entry.operation === writer.operation &&
  (entry.subresource ?? '') === writer.subresource;

/** The main resource never owns the status, the status subresource never the spec; nobody owns metadata itself. */
function ownable(set: FieldSet, { subresource }: Writer): Set<string> {
  const foreign = subresource === 'status' ? 'spec' : 'status';
  return new Set([...set].filter((path) => path !== 'metadata' && segmentsOf(path)[0] !== foreign));
}

function encoded(owners: readonly Owner[]): ManagedFields[] {
  return owners
    .filter(({ fields }) => fields.size > 0)
    .map(({ entry, fields }) => ({
      manager: entry.manager,
      operation: entry.operation,
      apiVersion: entry.apiVersion,
      ...(entry.time ? { time: entry.time } : {}),
      fieldsType: entry.fieldsType,
      fieldsV1: encodedFields(fields),
      ...(entry.subresource ? { subresource: entry.subresource } : {}),
    }))
    .sort((a, b) => compareText(sortKey(a), sortKey(b)));
}

const sortKey = ({ operation, time, manager, subresource }: ManagedFields) =>
  [operation, time ?? '', manager, subresource ?? ''].join('\u0000');

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));

type Contested = Readonly<{ other: Owner; fields: FieldSet }>;

function applyConflict(contested: readonly Contested[]): KubernetesFault {
  const owned = contested
    .map(({ other, fields }) => ({ name: shownOwner(other), fields: [...fields].sort() }))
    .sort((a, b) => compareText(a.name, b.name));
  const causes = owned
    .flatMap(({ name, fields }) => fields.map((field) => ({ name, field })))
    .sort((a, b) => compareText(a.field, b.field))
    .map(({ name, field }) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${name}`,
      field: shownPath(field),
    }));
  const [only] = causes;
  const sentence =
    causes.length === 1 && only
      ? `1 conflict: ${only.message}: ${only.field}`
      : `${causes.length} conflicts: ${owned.map(conflictLines).join('\n')}`;
  return new KubernetesFault(409, 'Conflict', `Apply failed with ${sentence}`, { causes });
}

const conflictLines = ({ name, fields }: { name: string; fields: readonly string[] }) =>
  [`conflicts with ${name}:`, ...fields.map((field) => `- ${shownPath(field)}`)].join('\n');

function shownOwner({ entry }: Owner): string {
  const part = entry.subresource ? ` with subresource "${entry.subresource}"` : '';
  const version = entry.operation === 'Update' ? ` using ${entry.apiVersion}` : '';
  return `"${entry.manager}"${part}${version}`;
}
