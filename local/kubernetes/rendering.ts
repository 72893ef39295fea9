import { badRequest, KubernetesFault, notAcceptable } from './faults.ts';
import { type Json, type KubernetesObject, recordAt } from './object.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import { shownAge } from './tables.ts';

/** The form of an answer: whole objects, a table of cells, or metadata alone. */
export type Form = 'object' | 'table' | 'partial' | 'partial-list';

const ACCEPTED = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
const JSON_TYPES = ['application/json', 'application/*', '*/*'];
const FORMS: Readonly<Record<string, Form>> = {
  Table: 'table',
  PartialObjectMetadata: 'partial',
  PartialObjectMetadataList: 'partial-list',
};

/**
 * The first form of an Accept header that is served here: JSON alone, whole or as one of the meta.k8s.io/v1
 * transformations. Throws 406 when there is none.
 */
export function acceptedForm(accept: string | undefined): Form {
  const clauses = (accept ?? '*/*').split(',').map((clause) => clause.split(';').map(trimmed));
  const json = clauses.filter(([type = '']) => type === '' || JSON_TYPES.includes(type));
  if (json.length === 0)
    throw new KubernetesFault(
      406,
      'NotAcceptable',
      `406: Not Acceptable\n\nAvailable representations: ${ACCEPTED}`,
      {},
    );
  for (const [, ...parameters] of json) {
    const form = formOf(new Map(parameters.map(pairOf)));
    if (form) return form;
  }
  throw notAcceptable(`only the following media types are accepted: ${ACCEPTED}`);
}

const trimmed = (text: string) => text.trim();
const pairOf = (parameter: string): [string, string] => {
  const [name = '', value = ''] = parameter.split('=');
  return [name.trim(), value.trim()];
};

function formOf(parameters: ReadonlyMap<string, string>): Form | undefined {
  const as = parameters.get('as');
  if (as === undefined) return 'object';
  const isMeta = parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1';
  return isMeta ? FORMS[as] : undefined;
}

export type Rendering = Readonly<{ form: Form; query: URLSearchParams; now: Date }>;

const META_V1 = 'meta.k8s.io/v1';

/** One object in the form asked for. */
export function renderedObject(
  resource: Resource,
  object: KubernetesObject,
  rendering: Rendering,
): Json {
  const { metadata } = object;
  switch (rendering.form) {
    case 'object':
      return object;
    case 'partial':
      return { kind: 'PartialObjectMetadata', apiVersion: META_V1, metadata };
    case 'partial-list':
      throw notAcceptable(
        `you requested PartialObjectMetadataList, but the requested object is not a list (${goType(resource)})`,
      );
    case 'table':
      return tableOf(
        { resource, objects: [object], rendering },
        {
          resourceVersion: metadata.resourceVersion,
        },
      );
  }
}

/** A page of objects in the form asked for; `metadata` is that of the list. */
export function renderedList(
  resource: Resource,
  { objects, metadata }: Readonly<{ objects: readonly KubernetesObject[]; metadata: Json }>,
  rendering: Rendering,
): Json {
  switch (rendering.form) {
    case 'object':
      return {
        kind: `${resource.kind}List`,
        apiVersion: apiVersionOf(resource),
        metadata,
        // Items of a typed list carry neither kind nor version.
        items: objects.map(({ kind, apiVersion, ...item }) => item),
      };
    case 'partial-list':
      return {
        kind: 'PartialObjectMetadataList',
        apiVersion: META_V1,
        metadata,
        items: objects.map(partial),
      };
    case 'partial':
      throw notAcceptable(
        `you requested PartialObjectMetadata, but the requested object is a list (${goType(resource)}List)`,
      );
    case 'table':
      return tableOf({ resource, objects, rendering }, metadata);
  }
}

const partial = ({ metadata }: KubernetesObject): Json => ({
  kind: 'PartialObjectMetadata',
  apiVersion: META_V1,
  metadata,
});

const goType = ({ group, kind }: Resource) => `*${group ? 'networking' : 'core'}.${kind}`;

type Tabled = Readonly<{
  resource: Resource;
  objects: readonly KubernetesObject[];
  rendering: Rendering;
}>;

function tableOf({ resource, objects, rendering }: Tabled, metadata: Json): Json {
  const include = includedOf(rendering.query.get('includeObject') ?? '');
  const now = rendering.now.getTime();
  return {
    kind: 'Table',
    apiVersion: META_V1,
    metadata,
    columnDefinitions: resource.columns.map(({ name, format = '', description }) => ({
      name,
      type: 'string',
      format,
      description,
      priority: 0,
    })),
    rows: objects.map((object) => ({
      cells: resource.cells(object, ageOf(object, now)),
      object: include(object),
    })),
  };
}

function includedOf(include: string): (object: KubernetesObject) => Json | null {
  if (include === '' || include === 'Metadata') return partial;
  if (include === 'Object') return (object) => object;
  if (include === 'None') return () => null;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

const ageOf = (object: KubernetesObject, now: number) =>
  shownAge(now - Date.parse(String(recordAt(object, 'metadata').creationTimestamp)));
