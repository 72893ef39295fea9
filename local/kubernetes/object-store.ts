import type { Clock } from '../clock.ts';
import type { Store } from '../state.ts';
import type { KubernetesObject } from './object.ts';

/** What is kept between runs: every object by resource and `namespace/name`, and the last revision. */
export type KubernetesState = {
  revision: number;
  objects: Record<string, Record<string, KubernetesObject>>;
};

export type Change = Readonly<{
  revision: number;
  resource: string;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubernetesObject;
  before: KubernetesObject | undefined;
  at: number;
}>;

/** All objects of a resource at one revision, in the order of their keys. */
export type Snapshot = Readonly<{ revision: number; objects: readonly KubernetesObject[] }>;

export type ObjectStore = Readonly<{
  revision(): number;
  get(resource: string, key: string): KubernetesObject | undefined;
  /** Stores the object under a new resourceVersion and returns it with that. */
  put(resource: string, object: KubernetesObject): KubernetesObject;
  remove(resource: string, key: string): void;
  snapshot(resource: string): Snapshot;
  /** Keeps a snapshot for the continue token that names it. */
  keep(resource: string, snapshot: Snapshot): void;
  /** A kept snapshot, undefined once five minutes have passed. */
  kept(resource: string, revision: number): Snapshot | undefined;
  /** Every change after a revision, oldest first; `expired` when they are no longer known. */
  since(resource: string, revision: number): readonly Change[] | 'expired';
  subscribe(listener: (change: Change) => void): () => void;
}>;

// What etcd and the API server keep by default: history is compacted every five minutes.
const HISTORY_MS = 5 * 60_000;
const HISTORY_LENGTH = 50_000;

/** The key of an object within its resource; it sorts as the real server lists. */
export const keyOf = (namespace: string | undefined, name: string) => `${namespace ?? ''}/${name}`;

export function createObjectStore(store: Store<KubernetesState>, clock: Clock): ObjectStore {
  const state = store.load() ?? { revision: 0, objects: {} };
  const table = (resource: string) => {
    state.objects[resource] ??= {};
    return state.objects[resource];
  };
  const snapshots = createSnapshots(clock);
  const history = createHistory(state.revision, clock);
  const listeners = new Set<(change: Change) => void>();
  const announce = (change: Omit<Change, 'at'>) => {
    const dated = { ...change, at: clock.now().getTime() };
    store.save(state);
    snapshots.outdate(change.resource);
    history.add(dated);
    for (const listener of listeners) listener(dated);
  };
  return {
    revision: () => state.revision,
    get: (resource, key) => table(resource)[key],
    put(resource, object) {
      const key = keyOf(object.metadata.namespace, object.metadata.name);
      const before = table(resource)[key];
      const stored = versioned(object, ++state.revision);
      table(resource)[key] = stored;
      const type = before ? 'MODIFIED' : 'ADDED';
      announce({ revision: state.revision, resource, type, object: stored, before });
      return stored;
    },
    remove(resource, key) {
      const before = table(resource)[key];
      if (!before) return;
      delete table(resource)[key];
      const object = versioned(before, ++state.revision);
      announce({ revision: state.revision, resource, type: 'DELETED', object, before });
    },
    snapshot: (resource) => ({
      revision: state.revision,
      objects: snapshots.newest(resource, table(resource)),
    }),
    keep: snapshots.keep,
    kept: snapshots.kept,
    since: history.since,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Lists in order, sorted once per change, and those that a continue token still names. */
function createSnapshots(clock: Clock) {
  const sorted = new Map<string, readonly KubernetesObject[]>();
  const kept = new Map<string, Snapshot & { at: number }>();
  const oldest = () => clock.now().getTime() - HISTORY_MS;
  return {
    outdate: (resource: string) => sorted.delete(resource),
    newest(resource: string, table: Readonly<Record<string, KubernetesObject>>) {
      const known = sorted.get(resource);
      if (known) return known;
      const entries = Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1));
      const objects = entries.map(([, object]) => object);
      sorted.set(resource, objects);
      return objects;
    },
    keep(resource: string, snapshot: Snapshot) {
      for (const [key, { at }] of kept) if (at < oldest()) kept.delete(key);
      kept.set(`${resource}@${snapshot.revision}`, { ...snapshot, at: clock.now().getTime() });
    },
    kept(resource: string, revision: number) {
      const snapshot = kept.get(`${resource}@${revision}`);
      return snapshot && snapshot.at >= oldest() ? snapshot : undefined;
    },
  };
}

const versioned = (object: KubernetesObject, revision: number): KubernetesObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(revision) },
});

function createHistory(start: number, clock: Clock) {
  let changes: Change[] = [];
  let forgotten = start;
  const forget = () => {
    const oldest = clock.now().getTime() - HISTORY_MS;
    const overflow = Math.max(0, changes.length - HISTORY_LENGTH);
    const fresh = changes.findIndex(({ at }) => at >= oldest);
    const count = Math.max(overflow, fresh < 0 ? changes.length : fresh);
    if (count === 0) return;
    forgotten = changes[count - 1]?.revision ?? forgotten;
    changes = changes.slice(count);
  };
  return {
    add(change: Change) {
      changes.push(change);
      // Once in a while is enough, and keeps ten thousand writes from being quadratic.
      if (changes.length > HISTORY_LENGTH * 2) forget();
    },
    since(resource: string, revision: number) {
      forget();
      if (revision < forgotten) return 'expired' as const;
      return changes.filter((change) => change.resource === resource && change.revision > revision);
    },
  };
}
