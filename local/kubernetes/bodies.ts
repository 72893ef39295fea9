import { badRequest, KubernetesFault, notImplemented, plainError } from './faults.ts';
import { isRecord, type Json, listAt, recordAt } from './object.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import { decoded, type ShapeFault } from './schema.ts';
import { base64Fault } from './secret-rules.ts';
import { readYaml } from './yaml.ts';

/** A media type without its parameters, in lower case. */
export const mediaType = (header: string | undefined) =>
  (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** The object in the body of a create or update. Throws 400 for what is no object, 415 for another format. */
export function parsedObject(text: string, contentType: string | undefined, kind: string): Json {
  const type = mediaType(contentType);
  if (type === 'application/yaml') return parsedYaml(text);
  if (type !== '' && type !== 'application/json')
    throw new KubernetesFault(
      415,
      'UnsupportedMediaType',
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  const value = parsedJson(text);
  if (isRecord(value)) return value;
  throw badRequest(
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error`,
  );
}

/** The JSON value of a text, undefined when it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The first document of a YAML or JSON text. */
export function parsedYaml(text: string): Json {
  const [document] = readYaml(text).documents;
  if (!document) return {};
  const [error] = document.errors;
  if (error)
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`);
  const value: unknown = document.toJS() ?? {};
  if (isRecord(value)) return value;
  throw badRequest(
    `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${jsonKind(value)} into Go value of type map[string]interface {}`,
  );
}

const jsonKind = (value: unknown) => {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
};

export type TypedObject = Readonly<{ value: Json; unknown: readonly string[] }>;

/**
 * A parsed object as its kind has it, with the defaults filled in and the fields named that were dropped.
 * `refuse` says how a fault is told: the same fault is a 400 in a create and a 422 in a patch.
 */
export function typedObject(
  resource: Resource,
  raw: Json,
  refuse: (sentence: string) => KubernetesFault,
): TypedObject {
  const { kind } = resource;
  if (raw.kind !== undefined && raw.kind !== kind)
    throw refuse(
      `converting (v1.${raw.kind}) to (${goPackage(resource)}.${kind}): unknown conversion`,
    );
  if (raw.apiVersion !== undefined && raw.apiVersion !== apiVersionOf(resource))
    throw badRequest(
      `the API version in the data (${raw.apiVersion}) does not match the expected API version (${apiVersionOf(resource)})`,
    );
  const { value, unknown, faults } = decoded(raw, resource.schema);
  const [fault] = faults;
  if (fault) throw refuse(goSentence(kind, fault));
  const sentence = base64Fault(value);
  if (sentence) throw refuse(sentence);
  refuseUnsupported(value);
  return { value: resource.defaulted(value), unknown };
}

const goPackage = ({ group }: Resource) => (group ? 'networking' : 'core');

const goSentence = (kind: string, { path, expected, value }: ShapeFault) =>
  `json: cannot unmarshal ${jsonKind(value)} into Go struct field ${kind}${path} of type ${expected === 'boolean' ? 'bool' : expected}`;

/** Said so rather than stored without effect: nothing here would honour them. */
function refuseUnsupported(value: Json): void {
  const metadata = recordAt(value, 'metadata');
  for (const field of ['finalizers', 'ownerReferences'])
    if (listAt(metadata, field).length > 0) throw notImplemented(`metadata.${field}`);
  if (value.type === 'kubernetes.io/service-account-token')
    throw notImplemented('Secrets of the type kubernetes.io/service-account-token');
}

/** What a query says about unknown fields: refuse them, warn (the default), or say nothing. */
export function warningsFor(
  query: URLSearchParams,
  unknown: readonly string[],
  refuse: (sentence: string) => KubernetesFault,
): readonly string[] {
  const sentences = unknown.map((path) => `unknown field "${path.slice(1)}"`);
  const mode = query.get('fieldValidation') || 'Warn';
  if (mode === 'Strict' && sentences.length > 0)
    throw refuse(`strict decoding error: ${sentences.join(', ')}`);
  return mode === 'Ignore' ? [] : sentences;
}

/** A fault in the words of the real server's schema. */
function typedSentence({ path, expected, value }: ShapeFault): string {
  if (expected === 'number') return `${path}: expected numeric (int or float), got ${typeof value}`;
  const shown = expected === 'map' || expected === 'list' ? `&{${value}}` : unstructured(value);
  return `${path}: expected ${expected}, got ${shown}`;
}

const unstructured = (value: unknown) => `&value.valueUnstructured{Value:${value}}`;

/** Refuses an applied configuration that the kind's schema does not hold. */
export function checkApplied(resource: Resource, config: Json): void {
  const version = String(config.apiVersion ?? '');
  const shown = `${version.includes('/') ? version : `/${version}`}, Kind=${config.kind ?? ''}`;
  if (version !== apiVersionOf(resource) || config.kind !== resource.kind)
    throw badRequest(`invalid object type: ${shown}`);
  const { name = '', namespace = '', managedFields } = recordAt(config, 'metadata');
  if (managedFields !== undefined && managedFields !== null)
    throw badRequest('metadata.managedFields must be nil');
  const subject = `(${namespace}/${name}; ${shown})`;
  const { value, unknown, faults } = decoded(config, resource.schema);
  const problems = [
    ...faults.map(typedSentence),
    ...unknown.map((path) => `${path}: field not declared in schema`),
  ];
  if (problems.length > 0)
    throw plainError(
      `failed to create typed patch object ${subject}: ${problems.length === 1 ? problems[0] : ['errors:', ...problems].join('\n  ')}`,
    );
  const sentence = base64Fault(value);
  if (sentence)
    throw plainError(
      `failed to convert new object ${subject} to proper version: unable to convert unstructured object to ${shown}: error decoding from json: ${sentence}`,
    );
  refuseUnsupported(value);
}
