import { z } from 'zod';
import { GoogleFault } from '../google-api.ts';
import { parsed } from '../wire/parsed.ts';
import type { Replication, Secret } from './state.ts';

const texts = z.record(z.string(), z.string());
const replica = z.strictObject({
  location: z.string().min(1),
  customerManagedEncryption: z.strictObject({ kmsKeyName: z.string().min(1) }).optional(),
});
const replication = z.union([
  z.strictObject({ automatic: z.strictObject({}) }),
  z.strictObject({
    userManaged: z.strictObject({
      replicas: z.array(replica).min(1),
    }),
  }),
]);

const secretSchema = z.strictObject({
  name: z.string().optional(),
  etag: z.string().optional(),
  createTime: z.string().optional(),
  policyMember: z.unknown().optional(),
  replication: z.unknown().optional(),
  labels: texts.optional(),
  annotations: texts.optional(),
  topics: z.array(z.strictObject({ name: z.string() })).optional(),
  versionAliases: z.record(z.string(), z.union([z.string(), z.int()])).optional(),
  customerManagedEncryption: z.unknown().optional(),
  expireTime: z.unknown().optional(),
  rotation: z.unknown().optional(),
  secretType: z.unknown().optional(),
  tags: z.unknown().optional(),
  ttl: z.unknown().optional(),
  versionDestroyTtl: z.unknown().optional(),
});

type SecretBody = z.infer<typeof secretSchema>;

const NOT_IMPLEMENTED = [
  'customerManagedEncryption',
  'expireTime',
  'rotation',
  'secretType',
  'tags',
  'ttl',
  'versionDestroyTtl',
] as const;

const CHANGEABLE = ['labels', 'annotations', 'topics', 'versionAliases'] as const;

/** What a client may set and change later. An absent field is empty. */
export type Changeable = Pick<Secret, (typeof CHANGEABLE)[number]>;

/** The secret in a create request. Throws UNIMPLEMENTED for a field that would change what the secret does. */
export function newSecretFields(body: unknown): Changeable & { replication: Replication } {
  const given = parsed(secretSchema, body);
  for (const field of NOT_IMPLEMENTED) if (isSet(given[field])) throw notImplemented(field);
  if (!isSet(given.replication)) throw invalid('The secret.replication field must be set.');
  const wanted = parsed(z.strictObject({ replication }), { replication: given.replication });
  return { ...checked(given, CHANGEABLE), ...wanted };
}

/** A patch: which fields it replaces, by what, and the etag it was made from. */
export type Patch = Readonly<{
  fields: ReadonlySet<keyof Changeable>;
  values: Changeable;
  etag: string | undefined;
}>;

/** Reads a patch; the mask alone decides what counts, in snake_case or camelCase. */
export function secretPatch(mask: string | null, body: unknown): Patch {
  const given = parsed(secretSchema, body);
  const fields = (mask ?? '').split(',').filter(Boolean).map(maskedField);
  if (fields.length === 0) throw invalid('The update_mask field must be set.');
  return { fields: new Set(fields), values: checked(given, fields), etag: given.etag };
}

function maskedField(path: string): keyof Changeable {
  const field = path.trim().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (NOT_IMPLEMENTED.some((name) => field === name || field.startsWith(`${name}.`)))
    throw notImplemented(field);
  const known = CHANGEABLE.find((name) => name === field);
  if (!known) throw invalid(`The update_mask path [${path}] cannot be updated.`);
  return known;
}

function checked(given: SecretBody, fields: readonly (keyof Changeable)[]): Changeable {
  const has = (field: keyof Changeable) => fields.includes(field) && isSet(given[field]);
  return {
    ...(has('labels') && { labels: checkedLabels(given.labels ?? {}) }),
    ...(has('annotations') && { annotations: checkedAnnotations(given.annotations ?? {}) }),
    ...(has('topics') && { topics: checkedTopics(given.topics ?? []) }),
    ...(has('versionAliases') && { versionAliases: checkedAliases(given.versionAliases ?? {}) }),
  };
}

/** Secret ids are what remains unescaped in a URL; throws INVALID_ARGUMENT. */
export function checkedSecretId(id: string | null): string {
  if (id && /^[A-Za-z0-9_-]{1,255}$/.test(id)) return id;
  throw invalid(
    `The provided Secret ID [${id ?? ''}] does not match the expected format [[a-zA-Z_0-9]+].`,
  );
}

const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

function checkedLabels(labels: Record<string, string>): Record<string, string> {
  if (Object.keys(labels).length > 64) throw invalid('No more than 64 labels can be assigned.');
  for (const [key, value] of Object.entries(labels)) {
    if (!LABEL_KEY.test(key) || bytes(key) > 128)
      throw invalid(`The label key [${key}] is invalid.`);
    if (!LABEL_VALUE.test(value) || bytes(value) > 128)
      throw invalid(`The value of the label [${key}] is invalid.`);
  }
  return labels;
}

const ANNOTATION_KEY = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const ANNOTATIONS_BYTES = 16 * 1024;

function checkedAnnotations(annotations: Record<string, string>): Record<string, string> {
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (!ANNOTATION_KEY.test(key)) throw invalid(`The annotation key [${key}] is invalid.`);
    size += bytes(key) + bytes(value);
  }
  if (size > ANNOTATIONS_BYTES)
    throw invalid(
      `The annotations take ${size} bytes; no more than ${ANNOTATIONS_BYTES} are allowed.`,
    );
  return annotations;
}

function checkedTopics(topics: readonly { name: string }[]): readonly { name: string }[] {
  if (topics.length > 10) throw invalid('No more than 10 topics can be assigned to a secret.');
  for (const { name } of topics)
    if (!/^projects\/[^/]+\/topics\/[^/]+$/.test(name))
      throw invalid(`The topic name [${name}] must have the form projects/*/topics/*.`);
  return topics;
}

const ALIAS = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;

function checkedAliases(aliases: Record<string, string | number>): Record<string, string> {
  if (Object.keys(aliases).length > 50) throw invalid('No more than 50 aliases can be assigned.');
  for (const [alias, version] of Object.entries(aliases)) {
    if (!ALIAS.test(alias) || alias === 'latest' || alias === 'NEW')
      throw invalid(`The version alias [${alias}] is invalid.`);
    if (!/^[1-9]\d*$/.test(String(version)))
      throw invalid(`The version [${version}] of the alias [${alias}] is no version number.`);
  }
  return Object.fromEntries(Object.entries(aliases).map(([key, value]) => [key, String(value)]));
}

// What proto3 JSON may spell out although it is the default.
function isSet(value: unknown): boolean {
  if (value === undefined || value === '' || value === 0) return false;
  if (value === 'SECRET_TYPE_UNSPECIFIED') return false;
  return typeof value !== 'object' || Object.keys(value as object).length > 0;
}

const bytes = (text: string) => Buffer.byteLength(text);
const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);
const notImplemented = (field: string) =>
  new GoogleFault(
    'UNIMPLEMENTED',
    `The field ${field} of a secret is not implemented by this stand-in`,
  );
