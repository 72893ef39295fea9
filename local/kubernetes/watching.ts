import type { ServerResponse } from 'node:http';
import type { ResourceCall, Server } from './call.ts';
import { expired, forbiddenValue, invalid, plainError } from './faults.ts';
import type { Json, KubernetesObject } from './object.ts';
import type { Change } from './object-store.ts';
import { type Selector, selectorOf } from './selectors.ts';

// How long the real server keeps a watch that names no time: half an hour at least.
const DEFAULT_SECONDS = 1800;

type Event = Readonly<{ type: string; object: Json }>;
type Render = (object: KubernetesObject) => Json;

/**
 * Streams changes as JSON lines until the time is up, the client goes, or the returned function is called.
 * Refusals are thrown before anything is sent.
 */
export function watch(
  server: Server,
  call: ResourceCall,
  { response, render }: Readonly<{ response: ServerResponse; render: Render }>,
): () => void {
  const { resource } = call.target;
  const isWanted = wantedBy(call);
  const first = firstEvents(server, call, isWanted);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  const send = ({ type, object }: Event) => response.write(`${JSON.stringify({ type, object })}\n`);
  const sendChange = (change: Change) => {
    const event = eventOf(change, isWanted, render);
    if (event) send(event);
  };
  for (const item of first) 'revision' in item ? sendChange(item) : send(rendered(item, render));
  if (first.some((item) => item.type === 'ERROR')) {
    response.end();
    return () => {};
  }
  const from = versionOf(call);
  const unsubscribe = server.objects.subscribe((change) => {
    if (change.resource === resource.plural && change.revision > from) sendChange(change);
  });
  return ending(server, call, { response, unsubscribe });
}

function ending(
  { clock }: Server,
  { query }: ResourceCall,
  { response, unsubscribe }: Readonly<{ response: ServerResponse; unsubscribe: () => void }>,
): () => void {
  const seconds = Number(query.get('timeoutSeconds')) || DEFAULT_SECONDS;
  const end = () => {
    cancel();
    unsubscribe();
    response.end();
  };
  const cancel = clock.at(new Date(clock.now().getTime() + seconds * 1000), end);
  response.once('close', () => {
    cancel();
    unsubscribe();
  });
  return end;
}

const versionOf = ({ query }: ResourceCall) => Number(query.get('resourceVersion') || '0');

function wantedBy({ target, query }: ResourceCall): Selector {
  const selector = selectorOf(query, target.resource.plural) ?? (() => true);
  const { namespace } = target;
  if (namespace === undefined) return selector;
  return (object) => object.metadata.namespace === namespace && selector(object);
}

type First = Readonly<{ type: 'ADDED' | 'ERROR'; object: KubernetesObject | Json }>;

/** What is there already, or has happened since the version named. */
function firstEvents(
  { objects }: Server,
  { target, query }: ResourceCall,
  isWanted: Selector,
): readonly (First | Change)[] {
  if (query.get('sendInitialEvents') === 'true')
    throw invalid({ kind: 'ListOptions', group: 'meta.k8s.io', name: '' }, [
      forbiddenValue(
        'sendInitialEvents',
        'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
      ),
    ]);
  const version = query.get('resourceVersion') || '0';
  if (!/^\d+$/.test(version))
    throw plainError(
      `resourceVersion: Invalid value: ${JSON.stringify(version)}: strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`,
    );
  const { plural } = target.resource;
  if (version === '0')
    return objects
      .snapshot(plural)
      .objects.filter(isWanted)
      .map((object) => ({ type: 'ADDED' as const, object }));
  const changes = objects.since(plural, Number(version));
  if (changes !== 'expired') return changes;
  const fault = expired(`too old resource version: ${version} (${objects.revision()})`);
  return [{ type: 'ERROR', object: fault.body }];
}

const rendered = ({ type, object }: First, render: Render): Event => ({
  type,
  object: type === 'ERROR' ? object : render(object as KubernetesObject),
});

/** The change as one watcher sees it: an object that leaves its selection is deleted to it. */
function eventOf(change: Change, isWanted: Selector, render: Render): Event | undefined {
  const { type, object, before } = change;
  const was = before !== undefined && isWanted(before);
  const is = type !== 'DELETED' && isWanted(object);
  if (!was && !is) return undefined;
  if (was && is) return { type: 'MODIFIED', object: render(object) };
  return { type: is ? 'ADDED' : 'DELETED', object: render(object) };
}
