import { randomInt, randomUUID } from 'node:crypto';
import { admitted, demandNamespace } from './admission.ts';
import { parsedObject, type TypedObject, typedObject, warningsFor } from './bodies.ts';
import {
  isDryRun,
  managerOf,
  type ResourceCall,
  type Server,
  subjectOf,
  timestamp,
  type Written,
} from './call.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  type FieldFault,
  invalid,
  invalidValue,
  methodNotAllowed,
  notImplemented,
  plainError,
  requiredValue,
  staleVersion,
} from './faults.ts';
import { ownersAfterUpdate, type Writer } from './managed-fields.ts';
import { annotationsFaults, labelsFaults } from './names.ts';
import {
  compact,
  isEqual,
  isRecord,
  type Json,
  type KubernetesObject,
  type ManagedFields,
  type ObjectMeta,
  recordAt,
} from './object.ts';
import { keyOf } from './object-store.ts';
import { existing } from './reading.ts';
import { apiVersionOf, type Resource } from './resources.ts';

// The alphabet of generated names: no vowels, nothing that looks like something else.
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export const writerOf = (server: Server, call: ResourceCall, operation: Writer['operation']) => ({
  manager: managerOf(call),
  operation,
  apiVersion: apiVersionOf(call.target.resource),
  subresource: call.target.subresource,
  time: timestamp(server.clock),
});

/** POST. */
export function created(server: Server, call: ResourceCall): Written {
  const { target, query } = call;
  const { resource } = target;
  if (resource.namespaced && target.namespace === undefined) throw methodNotAllowed();
  const dryRun = isDryRun(query, 'CreateOptions');
  const { value, warnings } = fromBody(call);
  const metadata = recordAt(value, 'metadata');
  checkNamespace(call, metadata);
  const name = String(metadata.name ?? generatedName(metadata));
  const before = resource.blank;
  const managed = ownersAfterUpdate(
    { before, after: value, schema: resource.schema },
    [],
    writerOf(server, call, 'Update'),
  );
  const named = { ...call, target: { ...target, name } };
  return { ...stored(server, named, { value, managed, dryRun }), warnings };
}

function generatedName({ generateName }: Json): string {
  if (typeof generateName !== 'string') return '';
  const suffix = Array.from(
    { length: 5 },
    () => SUFFIX_ALPHABET[randomInt(SUFFIX_ALPHABET.length)],
  );
  return generateName + suffix.join('');
}

function fromBody({ target, query, body, contentType }: ResourceCall) {
  const { kind } = target.resource;
  const raw = parsedObject(body, contentType, kind);
  const refuse = (sentence: string) =>
    badRequest(`${raw.kind ?? kind} in version "v1" cannot be handled as a ${kind}: ${sentence}`);
  const { value, unknown }: TypedObject = typedObject(target.resource, raw, refuse);
  return { value, warnings: warningsFor(query, unknown, refuse) };
}

/** The namespace in a body, where there is one, must be that of the URL. */
export function checkNamespace({ target }: ResourceCall, { namespace }: Json): void {
  if (namespace !== undefined && namespace !== null && namespace !== (target.namespace ?? ''))
    throw badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
}

export function checkName({ target }: ResourceCall, { name }: Json): void {
  if (name !== target.name)
    throw badRequest(
      `the name of the object (${name}) does not match the name on the URL (${target.name})`,
    );
}

export type Draft = Readonly<{ value: Json; managed: readonly ManagedFields[]; dryRun: boolean }>;

/** Admits, validates and stores a new object under the name of the call's target. */
export function stored(server: Server, { target }: ResourceCall, draft: Draft): Written {
  const { resource, namespace, name = '' } = target;
  demandNamespace(server, target);
  const value = admitted(server, target, draft.value);
  const given = recordAt(value, 'metadata');
  checkFaults(resource, name, [
    ...(name ? resource.nameFaults('metadata.name', name) : [nameMissing]),
    ...metadataFaults(given),
    ...resource.faults(value, undefined),
  ]);
  if (given.resourceVersion)
    throw plainError('resourceVersion should not be set on objects to be created');
  if (server.objects.get(resource.plural, keyOf(namespace, name)))
    throw alreadyExists(subjectOf(target));
  const metadata = metadataOf(given, {
    name,
    namespace,
    uid: randomUUID(),
    generation: resource.hasGeneration ? 1 : undefined,
    creationTimestamp: timestamp(server.clock),
    managedFields: draft.managed,
  });
  const status = resource.hasStatus ? { status: resource.blank.status } : {};
  const object = assembled(resource, metadata, { ...value, ...status });
  return {
    status: 201,
    object: draft.dryRun ? object : server.objects.put(resource.plural, object),
    warnings: [],
  };
}

const nameMissing = requiredValue('metadata.name', 'name or generateName is required');

function metadataFaults(metadata: Json): FieldFault[] {
  return [
    ...labelsFaults(recordAt(metadata, 'labels') as Record<string, string>),
    ...annotationsFaults(recordAt(metadata, 'annotations') as Record<string, string>),
  ];
}

function checkFaults({ kind, group }: Resource, name: string, faults: readonly FieldFault[]): void {
  if (faults.length > 0) throw invalid({ kind, group, name }, faults);
}

type ServerSide = Partial<Record<keyof ObjectMeta, unknown>>;

/** Metadata with what only the server sets taken from `own`, and what is empty left out. */
export function metadataOf(given: Json, own: ServerSide): ObjectMeta {
  const { managedFields } = own;
  const filled = (value: unknown) =>
    isRecord(value) && Object.keys(value).length > 0 ? value : undefined;
  return compact({
    name: own.name,
    generateName: given.generateName,
    namespace: own.namespace,
    uid: own.uid,
    resourceVersion: own.resourceVersion,
    generation: own.generation,
    creationTimestamp: own.creationTimestamp,
    deletionTimestamp: own.deletionTimestamp,
    labels: filled(given.labels),
    annotations: filled(given.annotations),
    managedFields:
      Array.isArray(managedFields) && managedFields.length > 0 ? managedFields : undefined,
  }) as unknown as ObjectMeta;
}

const assembled = (resource: Resource, metadata: ObjectMeta, fields: Json): KubernetesObject => ({
  ...fields,
  kind: resource.kind,
  apiVersion: apiVersionOf(resource),
  metadata,
});

/** Told where the path has a name and the body has none. */
export const nameMissingFor = ({ target }: ResourceCall) =>
  badRequest(
    `the name of the object (${target.name} based on URL) was undeterminable: name must be provided`,
  );

/** PUT. */
export function updated(server: Server, call: ResourceCall): Written {
  const { target, query } = call;
  const dryRun = isDryRun(query, 'UpdateOptions');
  const { value, warnings } = fromBody(call);
  const metadata = recordAt(value, 'metadata');
  if (metadata.name === undefined) throw nameMissingFor(call);
  checkName(call, metadata);
  checkNamespace(call, metadata);
  const before = existing(server, call);
  if (metadata.uid !== undefined && metadata.uid !== before.metadata.uid)
    throw conflict(
      subjectOf(target),
      `StorageError: invalid object, Code: 4, Key: /registry/${target.resource.plural}/${target.namespace}/${target.name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${before.metadata.uid}`,
    );
  return { ...replaced(server, call, { value, managed: [], dryRun }), warnings };
}

/** Stores what a PUT or a patch made of an object, noting the writer of what changed. */
export function replaced(server: Server, call: ResourceCall, draft: Draft): Written {
  const { resource } = call.target;
  const before = existing(server, call);
  const given = recordAt(draft.value, 'metadata');
  checkVersion(call, before, given.resourceVersion);
  const value = withForeignPart(call, before, draft.value);
  const managed = ownersOf(before, given.managedFields, () =>
    ownersAfterUpdate(
      { before, after: value, schema: resource.schema },
      before.metadata.managedFields ?? [],
      writerOf(server, call, 'Update'),
    ),
  );
  return committed(server, call, { ...draft, value, managed });
}

function ownersOf(
  before: KubernetesObject,
  given: unknown,
  track: () => ManagedFields[],
): readonly ManagedFields[] {
  const known = before.metadata.managedFields ?? [];
  if (Array.isArray(given) && given.length === 0) return [];
  if (given !== undefined && !isEqual(given, known))
    throw notImplemented('changing single managedFields');
  // Whoever cleared the owners gave tracking up; the next apply takes it up again.
  return known.length > 0 ? track() : [];
}

/** A write to the main resource keeps the status, one to the status keeps the spec. */
function withForeignPart({ target }: ResourceCall, before: KubernetesObject, value: Json): Json {
  if (!target.resource.hasStatus) return value;
  const kept = target.subresource === 'status' ? 'spec' : 'status';
  return { ...value, [kept]: before[kept] };
}

/** The resourceVersion of a body, where there is one, must be the object's own. */
export function checkVersion(
  { target }: ResourceCall,
  before: KubernetesObject,
  version: unknown,
): void {
  if (version === undefined || version === '' || version === '0') return;
  if (!/^\d+$/.test(String(version)))
    throw plainError(`strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`);
  if (version !== before.metadata.resourceVersion) throw staleVersion(subjectOf(target));
}

/** Validates and stores the successor of an object; one that says the same is not written. */
export function committed(server: Server, call: ResourceCall, draft: Draft): Written {
  const { resource, name = '' } = call.target;
  const before = existing(server, call);
  const given = recordAt(draft.value, 'metadata');
  const value = withForeignPart(call, before, draft.value);
  checkFaults(resource, name, [
    ...uidFaults(given.uid, before),
    ...metadataFaults(given),
    ...resource.faults(value, before),
  ]);
  const generation = before.metadata.generation ?? 0;
  const changed = !isEqual(value.spec, before.spec);
  const metadata = metadataOf(given, {
    ...before.metadata,
    generation: resource.hasGeneration ? generation + Number(changed) : undefined,
    managedFields: draft.managed,
  });
  const object = assembled(resource, metadata, value);
  const isSame = isEqual(withoutTimes(object), withoutTimes(before));
  return {
    status: 200,
    object: isSame ? before : draft.dryRun ? object : server.objects.put(resource.plural, object),
    warnings: [],
  };
}

// The real server looks at it twice, and says so twice.
function uidFaults(uid: unknown, before: KubernetesObject): FieldFault[] {
  if (uid === undefined || uid === '' || uid === before.metadata.uid) return [];
  const fault = invalidValue('metadata.uid', uid, 'field is immutable');
  return [fault, fault];
}

const withoutTimes = (object: KubernetesObject): Json => ({
  ...object,
  metadata: {
    ...object.metadata,
    managedFields: object.metadata.managedFields?.map(({ time, ...entry }) => entry) ?? [],
  },
});
