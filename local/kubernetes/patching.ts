import {
  checkApplied,
  mediaType,
  parsedJson,
  parsedYaml,
  typedObject,
  warningsFor,
} from './bodies.ts';
import { isDryRun, type ResourceCall, type Server, subjectOf, type Written } from './call.ts';
import {
  badRequest,
  conflict,
  forbiddenValue,
  invalid,
  invalidValue,
  KubernetesFault,
  notFound,
  notImplemented,
  requiredValue,
} from './faults.ts';
import { applied } from './managed-fields.ts';
import { isRecord, type Json, recordAt } from './object.ts';
import { keyOf } from './object-store.ts';
import { jsonPatched, mergePatched } from './patches.ts';
import { existing } from './reading.ts';
import { decoded } from './schema.ts';
import {
  checkName,
  checkNamespace,
  checkVersion,
  committed,
  nameMissingFor,
  replaced,
  stored,
  writerOf,
} from './writing.ts';

type Patch = (before: Json, call: ResourceCall) => unknown;

const PATCHES: Readonly<Record<string, Patch>> = {
  'application/merge-patch+json': (before, call) => mergePatched(before, patchObject(call)),
  // What these kinds can hold merges like a plain merge patch; its directives are refused.
  'application/strategic-merge-patch+json': (before, call) =>
    mergePatched(before, withoutDirectives(patchObject(call))),
  'application/json-patch+json': (before, call) => jsonPatched(before, patchJson(call)),
};

/** PATCH, in whichever of the four formats the content type names. */
export function patched(server: Server, call: ResourceCall): Written {
  const type = mediaType(call.contentType);
  if (type === 'application/apply-patch+yaml') return applyPatched(server, call);
  const patch = PATCHES[type];
  if (!patch)
    throw new KubernetesFault(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  const more = call.query.has('force')
    ? [forbiddenValue('force', 'may not be specified for non-apply patch')]
    : [];
  const dryRun = isDryRun(call.query, 'PatchOptions', more);
  const raw = patch(existing(server, call), call);
  if (!isRecord(raw)) throw badRequest('error decoding patch: not an object');
  const refuse = (sentence: string) =>
    invalid({ kind: '', group: '', name: '' }, [
      invalidValue('patch', JSON.stringify(raw), sentence),
    ]);
  const { value, unknown } = typedObject(call.target.resource, raw, refuse);
  const warnings = warningsFor(call.query, unknown, refuse);
  checkName(call, recordAt(value, 'metadata'));
  checkNamespace(call, recordAt(value, 'metadata'));
  return { ...replaced(server, call, { value, managed: [], dryRun }), warnings };
}

function patchJson({ body }: ResourceCall): unknown {
  const patch = parsedJson(body);
  if (patch === undefined) throw badRequest('error decoding patch: invalid JSON input');
  return patch;
}

function patchObject(call: ResourceCall): Json {
  const patch = patchJson(call);
  if (isRecord(patch)) return patch;
  throw badRequest(
    'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  );
}

function withoutDirectives(patch: Json): Json {
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) throw notImplemented(`the strategic merge directive ${key}`);
    if (isRecord(value)) withoutDirectives(value);
  }
  return patch;
}

/** Server-side apply. */
function applyPatched(server: Server, call: ResourceCall): Written {
  const { target, query } = call;
  const { resource, namespace, name = '' } = target;
  const more = query.get('fieldManager')
    ? []
    : [requiredValue('fieldManager', 'is required for apply patch')];
  const dryRun = isDryRun(query, 'PatchOptions', more);
  const config = parsedYaml(call.body);
  checkApplied(resource, config);
  const given = recordAt(config, 'metadata');
  const named = { ...given, name: given.name ?? name };
  checkName(call, named);
  checkNamespace(call, named);
  const live = server.objects.get(resource.plural, keyOf(namespace, name));
  if (!live) checkAbsent(call, given);
  const outcome = applied(
    {
      live,
      blank: resource.blank,
      config,
      schema: resource.schema,
      managed: live?.metadata.managedFields ?? [],
      force: ['true', '1', 't'].includes(query.get('force')?.toLowerCase() ?? ''),
    },
    writerOf(server, call, 'Apply'),
  );
  const value = resource.defaulted(decoded(outcome.value, resource.schema).value);
  const draft = { value: withUid(value, given), managed: outcome.managed, dryRun };
  if (!live) return stored(server, call, draft);
  checkVersion(call, live, given.resourceVersion);
  return committed(server, call, draft);
}

/** An apply that creates needs the right to, and must not have expected an object. */
function checkAbsent(call: ResourceCall, { name, uid }: Json): void {
  if (name === undefined) throw nameMissingFor(call);
  if (uid)
    throw conflict(
      subjectOf(call.target),
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  if (call.target.subresource) throw notFound(subjectOf(call.target));
  call.demand('create');
}

const withUid = (value: Json, { uid }: Json): Json =>
  uid ? { ...value, metadata: { ...recordAt(value, 'metadata'), uid } } : value;
