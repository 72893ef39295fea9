import type { DesiredCertificate } from './grouping.ts';
import { targetKey } from './grouping.ts';
import type { StoredRecord, Target } from './record.ts';
import { renewal } from './renewal.ts';

/** `most` of the items, a run that moves on with each turn, so that every item has its turn without anything being remembered. */
export function inTurn<T>(items: readonly T[], most: number, turn: number): readonly T[] {
  if (items.length <= most) return items;
  const start = (turn * most) % items.length;
  return [...items.slice(start), ...items.slice(0, start)].slice(0, most);
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

// What can never be ordered or delivered must not take every look.
const URGENT_SHARE = 3 / 4;

/** Which Secrets to look at: first those whose certificate may be ordered or delivered now, then the others in turn. */
export function targetsToLookAt(of: Lookout): readonly Target[] {
  const isUrgent = ({ id }: DesiredCertificate) => mayChange(of.inventory.get(id), of);
  const pressing = targetsOf(of.desired.filter(isUrgent));
  const urgent = inTurn(pressing, Math.ceil(of.most * URGENT_SHARE), of.turn);
  const seen = new Set(urgent.map(targetKey));
  const others = [...targetsOf(of.desired), ...of.bystanders].filter(
    (target) => !seen.has(targetKey(target)),
  );
  return [...urgent, ...inTurn(others, of.most - urgent.length, of.turn)];
}

const targetsOf = (certificates: readonly DesiredCertificate[]) =>
  certificates.flatMap(({ targets }) => targets);

function mayChange(stored: StoredRecord | undefined, { now, horizonMs }: Lookout): boolean {
  const issued = stored?.record.issued;
  if (!issued || stored.record.delivered?.version !== issued.version) return true;
  return renewal(issued, now).at.getTime() <= now.getTime() + horizonMs;
}
