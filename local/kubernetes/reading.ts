import type { ResourceCall, Server } from './call.ts';
import { subjectOf } from './call.ts';
import { badRequest, expired, KubernetesFault, notFound, notImplemented } from './faults.ts';
import { isRecord, type Json, type KubernetesObject } from './object.ts';
import { keyOf, type Snapshot } from './object-store.ts';
import { type Selector, selectorOf } from './selectors.ts';

/** The object that a call names. Throws 404. */
export function existing({ objects }: Server, { target }: ResourceCall): KubernetesObject {
  const { resource, namespace, name = '' } = target;
  const found = objects.get(resource.plural, keyOf(namespace, name));
  if (!found) throw notFound(subjectOf(target));
  return found;
}

export type Page = Readonly<{ objects: readonly KubernetesObject[]; metadata: Json }>;

/**
 * One page of a list. All pages that follow one `continue` token show the moment of the first page; a token
 * older than five minutes is a 410.
 */
export function listed(server: Server, { target, query }: ResourceCall): Page {
  checkVersion(server, query);
  const { resource, namespace } = target;
  const token = query.get('continue') ? parsedToken(query) : undefined;
  const snapshot = token
    ? resumed(server, resource.plural, token)
    : server.objects.snapshot(resource.plural);
  const page = pageOf(snapshot.objects, {
    namespace,
    start: token?.start ?? '',
    limit: limitOf(query),
    selector: selectorOf(query, resource.plural),
  });
  if (page.next !== undefined) server.objects.keep(resource.plural, snapshot);
  const metadata: Json = { resourceVersion: String(snapshot.revision) };
  if (page.next !== undefined)
    metadata.continue = encodedToken({ revision: snapshot.revision, start: page.next });
  if (page.remaining !== undefined) metadata.remainingItemCount = page.remaining;
  return { objects: page.objects, metadata };
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit') || '0';
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  // A list at version 0 comes from the real server's cache, which knows no pages.
  const isUnlimited = Number(text) <= 0 || query.get('resourceVersion') === '0';
  return isUnlimited ? Number.POSITIVE_INFINITY : Number(text);
}

/** Refuses a resourceVersion that is no number, lies in the future, or asks for the past. */
export function checkVersion({ objects }: Server, query: URLSearchParams): void {
  const version = query.get('resourceVersion') ?? '';
  if (version === '') return;
  if (!/^\d+$/.test(version))
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(version)}: strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`,
    );
  if (query.get('continue') && version !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
  if (query.get('resourceVersionMatch') === 'Exact')
    throw notImplemented('lists at an exact resource version');
  const current = objects.revision();
  if (Number(version) <= current) return;
  throw new KubernetesFault(
    504,
    'Timeout',
    `Timeout: Too large resource version: ${version}, current: ${current}`,
    {
      causes: [
        { reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' },
      ],
      retryAfterSeconds: 1,
    },
  );
}

type Token = Readonly<{ revision: number; start: string }>;

const NEWEST = -1;

const encodedToken = ({ revision, start }: Token) =>
  Buffer.from(
    JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: `${start}\u0000` }),
  ).toString('base64url');

function parsedToken(query: URLSearchParams): Token {
  const text = Buffer.from(query.get('continue') ?? '', 'base64url').toString('utf8');
  try {
    const token: unknown = JSON.parse(text);
    if (isRecord(token) && typeof token.rv === 'number' && typeof token.start === 'string')
      return { revision: token.rv, start: token.start };
  } catch {
    // Told below, like a token of another form.
  }
  throw badRequest('invalid continue token: continue key is not valid');
}

function resumed({ objects }: Server, plural: string, { revision, start }: Token): Snapshot {
  if (revision === NEWEST) return objects.snapshot(plural);
  const snapshot = objects.kept(plural, revision);
  if (snapshot) return snapshot;
  const fault = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  );
  fault.body.metadata = {
    continue: encodedToken({ revision: NEWEST, start: start.slice(0, -1) }),
  };
  throw fault;
}

type PageRequest = Readonly<{
  namespace: string | undefined;
  start: string;
  limit: number;
  selector: Selector | undefined;
}>;

type Cut = Readonly<{ objects: readonly KubernetesObject[]; next?: string; remaining?: number }>;

function pageOf(objects: readonly KubernetesObject[], request: PageRequest): Cut {
  const { namespace, start, limit, selector } = request;
  // The character after the slash ends a namespace's keys.
  const end = namespace === undefined ? objects.length : position(objects, `${namespace}0`);
  // A token's start lies inside the namespace that its list is of.
  let index = position(objects, start || (namespace === undefined ? '' : `${namespace}/`));
  const chosen: KubernetesObject[] = [];
  let last = '';
  for (; index < end && chosen.length < limit; index++) {
    const object = objects[index];
    if (!object || (selector && !selector(object))) continue;
    chosen.push(object);
    last = keyAt(object);
  }
  if (index >= end) return { objects: chosen };
  return { objects: chosen, next: last, ...(selector ? {} : { remaining: end - index }) };
}

const keyAt = ({ metadata }: KubernetesObject) => keyOf(metadata.namespace, metadata.name);

/** How many objects come before a key. */
function position(objects: readonly KubernetesObject[], key: string): number {
  let [low, high] = [0, objects.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const object = objects[middle];
    if (object && keyAt(object) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
