import { badRequest, KubernetesFault } from './faults.ts';
import { isEqual, isRecord, type Json } from './object.ts';
import { ownField } from './schema.ts';

/** RFC 7396. */
export function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Json = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatched(Object.hasOwn(result, key) ? result[key] : undefined, value);
  }
  return result;
}

type Operation = Readonly<{ op: string; path: string; from?: string; value?: unknown }>;

/** RFC 6902; an operation that cannot be carried out is a 422 as the API server answers it. */
export function jsonPatched(target: Json, patch: unknown): Json {
  if (!Array.isArray(patch) || !patch.every(isOperation))
    throw badRequest(
      'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    );
  const root: Json = { root: structuredClone(target) };
  for (const operation of patch) perform(root, operation);
  const result = root.root;
  if (!isRecord(result)) throw rejected();
  return result;
}

const isOperation = (value: unknown): value is Operation =>
  isRecord(value) && typeof value.op === 'string' && typeof value.path === 'string';

const rejected = () =>
  new KubernetesFault(
    422,
    'Invalid',
    'the server rejected our request due to an error in our request',
    {},
  );

type Performer = (root: Json, operation: Operation) => void;

const PERFORMERS: Readonly<Record<string, Performer>> = {
  add: (root, { path, value }) => put(root, path, { value, insert: true }),
  replace(root, { path, value }) {
    at(root, path);
    put(root, path, { value, insert: false });
  },
  remove: (root, { path }) => take(root, path),
  test(root, { path, value }) {
    if (!isEqual(at(root, path), value)) throw rejected();
  },
  copy: (root, { path, from = '' }) =>
    put(root, path, { value: structuredClone(at(root, from)), insert: true }),
  move(root, { path, from = '' }) {
    const value = at(root, from);
    take(root, from);
    put(root, path, { value, insert: true });
  },
};

function perform(root: Json, operation: Operation): void {
  const performer = ownField(PERFORMERS, operation.op);
  if (!performer) throw rejected();
  performer(root, operation);
}

function pointer(path: string): string[] {
  if (path !== '' && !path.startsWith('/')) throw rejected();
  const names = path.split('/').slice(1);
  return ['root', ...names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))];
}

function at(root: Json, path: string): unknown {
  return pointer(path).reduce<unknown>(child, root);
}

function child(container: unknown, name: string): unknown {
  if (Array.isArray(container)) {
    if (!isIndex(name) || Number(name) >= container.length) throw rejected();
    return container[Number(name)];
  }
  if (!isRecord(container) || !Object.hasOwn(container, name)) throw rejected();
  return container[name];
}

const isIndex = (name: string) => /^(0|[1-9]\d*)$/.test(name);

function put(
  root: Json,
  path: string,
  { value, insert }: Readonly<{ value: unknown; insert: boolean }>,
): void {
  const names = pointer(path);
  const name = names.pop() ?? '';
  const container = names.reduce<unknown>(child, root);
  if (Array.isArray(container)) {
    const index = name === '-' ? container.length : Number(name);
    if ((name !== '-' && !isIndex(name)) || index > container.length) throw rejected();
    container.splice(index, insert ? 0 : 1, value);
    return;
  }
  if (!isRecord(container)) throw rejected();
  container[name] = value;
}

function take(root: Json, path: string): void {
  const names = pointer(path);
  const name = names.pop() ?? '';
  const container = names.reduce<unknown>(child, root);
  child(container, name);
  if (Array.isArray(container)) container.splice(Number(name), 1);
  else if (isRecord(container)) delete container[name];
}
