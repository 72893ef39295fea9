import type { DesiredCertificate } from './grouping.ts';
import { placeKey, targetKey } from './grouping.ts';
import type { Asker, StoredRecord, Target } from './record.ts';
import { abridged } from './record-annotations.ts';
import { renewal } from './renewal.ts';

// Its multiples spread evenly round a circle, however many there are.
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * `most` of the items, a run in the order of their keys that jumps with each turn, so that every item has its turn without anything being
 * remembered. Where it begins is a fraction of them all: one item more or less moves it by one at most. All have had their turn after
 * twice the turns that they fill; within 24 turns, up to 17 times `most`.
 */
export function inTurn<T>(items: ReadonlyMap<string, T>, most: number, turn: number): readonly T[] {
  if (items.size <= most) return [...items.values()];
  const start = Math.floor(((turn * GOLDEN) % 1) * items.size);
  const keys = [...items.keys()].sort();
  return [...keys.slice(start), ...keys].slice(0, most).map((key) => items.get(key) as T);
}

/** What is known before any Secret is looked at. `bystanders` are Secrets that nothing asks for, in namespaces that asked before. */
export type Lookout = Readonly<{
  desired: readonly DesiredCertificate[];
  inventory: ReadonlyMap<string, StoredRecord>;
  bystanders: readonly Target[];
  now: Date;
  horizonMs: number;
  most: number;
  turn: number;
}>;

/**
 * The Secrets to look at, and the places, as `cluster/namespace`, of others that may serve what nothing asks for any more. One that asks for a
 * certificate which reached everybody is not counted among those: should it have changed over since, its new certificate is ready, and
 * comes with the look.
 */
export type Looks = Readonly<{ targets: readonly Target[]; unlooked: ReadonlySet<string> }>;

// What can never be ordered or delivered must not take every look: drift is seen in turn.
const URGENT_SHARE = 3 / 4;

/**
 * First the Secrets whose certificate may be ordered or delivered now, then those that tell whether something that nothing asks for is still
 * served, then all others in turn.
 */
export function looks(of: Lookout): Looks {
  const { desired, inventory, bystanders, most, turn } = of;
  const targetsOf = (certificates: readonly DesiredCertificate[] = []) =>
    certificates.flatMap(({ targets }) => targets);
  const byUrgency = Map.groupBy(desired, ({ id }) => mayChange(inventory.get(id), of));
  const unsettled = desired.filter(({ id }) => !isSettled(inventory.get(id)));
  const uncertain = [...targetsOf(unsettled), ...bystanders];
  const doubtful = doubtfulPlaces(of);
  const isTelling = ({ cluster, namespace }: Target) =>
    doubtful.has(`${cluster}/${namespace}`) || doubtful.has(`${cluster}/*`);
  const urgent = Math.ceil(most * URGENT_SHARE);
  const seen = new Map<string, Target>();
  const look = (candidates: readonly Target[], until: number) => {
    const open = candidates.map(keyed).filter(([key]) => !seen.has(key));
    for (const target of inTurn(new Map(open), until - seen.size, turn))
      seen.set(targetKey(target), target);
  };
  look(targetsOf(byUrgency.get(true)), urgent);
  look(uncertain.filter(isTelling), urgent);
  look([...targetsOf(byUrgency.get(false)), ...bystanders], most);
  look(targetsOf(byUrgency.get(true)), most);
  const unseen = uncertain.filter((target) => !seen.has(targetKey(target)));
  return { targets: [...seen.values()], unlooked: new Set(unseen.map(placeKey)) };
}

const keyed = (target: Target) => [targetKey(target), target] as const;

/** Where a certificate was asked for that is not asked for there any more: it is kept until every Secret there that may serve it was seen. */
function doubtfulPlaces({ desired, inventory }: Lookout): ReadonlySet<string> {
  const asking = new Map(desired.map(({ id, askers }) => [id, askers]));
  return new Set(
    [...inventory].flatMap(([id, { record }]) => missing(record.askers, asking.get(id) ?? [])),
  );
}

function missing(recorded: readonly Asker[], asking: readonly Asker[]): readonly string[] {
  const known = new Set(asking.map(placeKey));
  const lost = recorded.map(placeKey).filter((place) => !known.has(place));
  if (lost.length === 0) return lost;
  const kept = new Set(abridged(asking).map(placeKey));
  return lost.filter((place) => !kept.has(place));
}

const isSettled = (stored: StoredRecord | undefined): boolean =>
  isDelivered(stored) && stored?.record.delivered?.failed.length === 0;

const isDelivered = (stored: StoredRecord | undefined): boolean => {
  const { issued, delivered } = stored?.record ?? {};
  return issued !== undefined && delivered?.version === issued.version;
};

function mayChange(stored: StoredRecord | undefined, { now, horizonMs }: Lookout): boolean {
  const issued = stored?.record.issued;
  if (!issued || !isDelivered(stored)) return true;
  return renewal(issued, now).at.getTime() <= now.getTime() + horizonMs;
}
