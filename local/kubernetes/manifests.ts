import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import pLimit from 'p-limit';
import { Agent, fetch } from 'undici';
import { type Document, isMap, isSeq, type Node } from 'yaml';
import { isRecord, type Json, type KubernetesObject, listAt, recordAt } from './object.ts';
import { readYaml, type YamlText } from './yaml.ts';

/** A manifest that cannot be read; `file` is a path as given, `line` counts from 1. */
type ManifestFault = Readonly<{ file: string; line: number; message: string }>;

export type Manifests = Readonly<{
  /** In the order of files and documents; `metadata.namespace` as written, perhaps absent. */
  objects: KubernetesObject[];
  faults: ManifestFault[];
}>;

const EXTENSIONS = ['.yaml', '.yml', '.json'];

/**
 * Reads every manifest below a folder, lists taken apart. What cannot be read is a fault and does not keep
 * the rest from being read. Throws only when the folder itself is unreadable.
 */
export function loadManifests(dir: string): Manifests {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && EXTENSIONS.includes(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const all = files.map(manifestsIn);
  return {
    objects: all.flatMap(({ objects }) => objects),
    faults: all.flatMap(({ faults }) => faults),
  };
}

type Source = Readonly<{ value: unknown; line: number }>;

function manifestsIn(file: string): Manifests {
  const found: Manifests = { objects: [], faults: [] };
  const fault = (line: number, message: string) => found.faults.push({ file, line, message });
  const content = contentOf(file);
  if ('problem' in content) {
    fault(1, content.problem);
    return found;
  }
  const text = readYaml(content.text);
  for (const document of text.documents) {
    const [error] = document.errors;
    if (error) {
      fault(error.linePos?.[0].line ?? 1, firstLine(error.message));
      continue;
    }
    for (const { value, line } of sourcesIn(document, text)) {
      const message = shapeFault(value);
      if (message) fault(line, message);
      else found.objects.push(value as KubernetesObject);
    }
  }
  return found;
}

// A link may lead nowhere, and a file may be somebody else's.
function contentOf(file: string): Readonly<{ text: string } | { problem: string }> {
  try {
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    return { problem: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

// The rest of the message draws the place, which the line names already.
const firstLine = (message: string) =>
  message.split('\n')[0]?.replace(/ at line \d+, column \d+:$/, '') ?? message;

/** The objects of a document: none for an empty one, several for a list. */
function sourcesIn(document: Document.Parsed, text: YamlText): readonly Source[] {
  const value: unknown = document.toJS();
  if (value === null || value === undefined) return [];
  const line = lineOf(document.contents, text);
  if (!isRecord(value) || !String(value.kind).endsWith('List') || !Array.isArray(value.items))
    return [{ value, line }];
  const items = isMap(document.contents) ? document.contents.get('items', true) : undefined;
  return value.items.map((item: unknown, index) => ({
    value: item,
    line: isSeq(items) ? lineOf(items.items[index] as Node | null, text) : line,
  }));
}

const lineOf = (node: Pick<Node, 'range'> | null, { lineOf }: YamlText) =>
  lineOf(node?.range?.[0] ?? 0);

function shapeFault(value: unknown): string | undefined {
  if (!isRecord(value)) return 'is no object';
  const absent = [
    ...['apiVersion', 'kind'].filter((field) => typeof value[field] !== 'string'),
    ...(typeof recordAt(value, 'metadata').name === 'string' ? [] : ['metadata.name']),
  ];
  return absent.length > 0 ? `has no ${absent.join(' and no ')}` : undefined;
}

/** Where a server is and who asks: `ca` is PEM, `token` a bearer token. */
export type ApiAccess = Readonly<{ server: string; ca: string; token: string }>;

/** An object that the server refused, or has no such kind of. */
export type Refusal = Readonly<{ kind: string; namespace: string; name: string; message: string }>;

const FIELD_MANAGER = 'kubectl';
const AT_ONCE = 8;
// Others may need these to be there.
const FIRST_KINDS = ['Namespace', 'IngressClass'];

/**
 * Applies objects as `kubectl apply --server-side` does, namespaces first; a namespace that is named but
 * absent is created. What is refused is returned and does not keep the rest from being applied. `onTried` hears of each how many are done.
 */
export async function applyManifests(
  objects: readonly KubernetesObject[],
  access: ApiAccess,
  onTried: (count: number) => void = () => {},
): Promise<{ faults: Refusal[] }> {
  const dispatcher = new Agent({ connect: { ca: access.ca } });
  let count = 0;
  const tried = () => {
    count += 1;
    onTried(count);
  };
  const api: Api = { ...access, dispatcher, kinds: new Map(), tried };
  try {
    const first = FIRST_KINDS.map((kind) => objects.filter((object) => object.kind === kind));
    const rest = objects.filter(({ kind }) => !FIRST_KINDS.includes(kind));
    const faults: Refusal[] = [];
    for (const group of first) faults.push(...(await appliedAll(group, api)));
    await createNamespaces(rest, api);
    faults.push(...(await appliedAll(rest, api)));
    return { faults };
  } finally {
    await dispatcher.close();
  }
}

type Kind = Readonly<{ plural: string; namespaced: boolean }>;
type Api = ApiAccess &
  Readonly<{
    dispatcher: Agent;
    kinds: Map<string, Promise<ReadonlyMap<string, Kind>>>;
    tried: () => void;
  }>;

async function appliedAll(objects: readonly KubernetesObject[], api: Api): Promise<Refusal[]> {
  const limit = pLimit(AT_ONCE);
  const outcomes = await Promise.all(
    objects.map((object) =>
      limit(async () => {
        const message = await applyObject(object, api);
        api.tried();
        return refusalOf(object, message);
      }),
    ),
  );
  return outcomes.filter((refusal) => refusal !== undefined);
}

function refusalOf(object: KubernetesObject, message: string | undefined): Refusal | undefined {
  if (message === undefined) return undefined;
  const { namespace = '', name } = object.metadata;
  return { kind: object.kind, namespace, name, message };
}

/** Applies one object and returns why it was refused, if it was. */
async function applyObject(object: KubernetesObject, api: Api): Promise<string | undefined> {
  const { kind, apiVersion, metadata } = object;
  const known = (await kindsOf(apiVersion, api)).get(kind);
  if (!known) return `the server has no kind ${kind} in version ${apiVersion}`;
  const place = known.namespaced ? `/namespaces/${segment(namespaceOf(object))}` : '';
  const path = `${rootOf(apiVersion)}${place}/${known.plural}/${segment(metadata.name)}`;
  const { status, body } = await call(api, `${path}?fieldManager=${FIELD_MANAGER}`, {
    method: 'PATCH',
    contentType: 'application/apply-patch+yaml',
    body: object,
  });
  return status < 300 ? undefined : String(body.message ?? `status ${status}`);
}

const segment = encodeURIComponent;
const namespaceOf = ({ metadata }: KubernetesObject) => metadata.namespace ?? 'default';
const rootOf = (apiVersion: string) => (apiVersion.includes('/') ? '/apis/' : '/api/') + apiVersion;

function kindsOf(apiVersion: string, api: Api): Promise<ReadonlyMap<string, Kind>> {
  const known = api.kinds.get(apiVersion) ?? discovered(apiVersion, api);
  api.kinds.set(apiVersion, known);
  return known;
}

async function discovered(apiVersion: string, api: Api): Promise<ReadonlyMap<string, Kind>> {
  const { status, body } = await call(api, rootOf(apiVersion), { method: 'GET' });
  if (status === 404) return new Map();
  if (status !== 200) throw new Error(`${api.server} refuses discovery: ${body.message}`);
  const main = listAt(body, 'resources')
    .filter(isRecord)
    .filter(({ name }) => !String(name).includes('/'));
  return new Map(
    main.map(({ kind, name, namespaced }) => [
      String(kind),
      { plural: String(name), namespaced: namespaced === true },
    ]),
  );
}

async function createNamespaces(objects: readonly KubernetesObject[], api: Api): Promise<void> {
  for (const name of new Set(objects.map(namespaceOf))) {
    const { status } = await call(api, `/api/v1/namespaces/${segment(name)}`, { method: 'GET' });
    if (status !== 404) continue;
    const body = { kind: 'Namespace', apiVersion: 'v1', metadata: { name } };
    const path = `/api/v1/namespaces?fieldManager=${FIELD_MANAGER}`;
    // A name that is refused here is refused again, and reported, with the object that asks for it.
    await call(api, path, { method: 'POST', contentType: 'application/json', body });
  }
}

type Sent = Readonly<{ method: string; contentType?: string; body?: unknown }>;

async function call(api: Api, path: string, { method, contentType, body }: Sent) {
  const response = await fetch(api.server + path, {
    method,
    dispatcher: api.dispatcher,
    headers: {
      authorization: `Bearer ${api.token}`,
      ...(contentType ? { 'content-type': contentType } : {}),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: jsonObject(await response.text()) };
}

function jsonObject(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return { message: text.trim() };
  }
}
