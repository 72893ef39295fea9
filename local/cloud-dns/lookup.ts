import type { RecordType } from './record-data.ts';
import type { RecordSet, Zone } from './state.ts';

/** A zone as its name servers see it at one moment: record sets by owner, and every name that exists, empty ones included. */
export type ServedZone = Readonly<{
  zone: Zone;
  sets: ReadonlyMap<string, ReadonlyMap<string, RecordSet>>;
  names: ReadonlySet<string>;
}>;

/** What one zone alone says about a name and type. */
export type Found =
  | Readonly<{ kind: 'records'; set: RecordSet }>
  | Readonly<{ kind: 'alias'; set: RecordSet }>
  | Readonly<{ kind: 'referral'; set: RecordSet }>
  | Readonly<{ kind: 'no-data' }>
  | Readonly<{ kind: 'no-name' }>;

/** Indexes record sets for `findInZone`. */
export function servedZone(zone: Zone, recordSets: Zone['recordSets']): ServedZone {
  const sets = new Map<string, Map<string, RecordSet>>();
  const names = new Set<string>();
  for (const set of Object.values(recordSets)) {
    const types = sets.get(set.name) ?? new Map<string, RecordSet>();
    sets.set(set.name, types.set(set.type, set));
    for (const name of namesDownTo(set.name, zone.dnsName)) names.add(name);
  }
  return { zone, sets, names };
}

/** The name and its ancestors inside the zone, the longest first, the apex last. */
function namesDownTo(name: string, apex: string): readonly string[] {
  const names = [name];
  for (let rest = name; rest !== apex; names.push(rest)) rest = parentOf(rest);
  return names;
}

const parentOf = (name: string) => name.slice(name.indexOf('.') + 1);

/** Looks up a lower-case name that lies in the zone, as RFC 1034 section 4.3.2 and RFC 4592 (wildcards) have it. */
export function findInZone(served: ServedZone, name: string, type: string): Found {
  const path = namesDownTo(name, served.zone.dnsName);
  for (const cut of path.slice(0, -1).toReversed()) {
    const delegation = served.sets.get(cut)?.get('NS');
    if (delegation) return { kind: 'referral', set: delegation };
  }
  if (served.names.has(name)) return answerFrom(served.sets.get(name), type);
  const encloser = path.find((ancestor) => served.names.has(ancestor));
  const wildcard = `*.${encloser}`;
  if (!served.names.has(wildcard)) return { kind: 'no-name' };
  return answerFrom(served.sets.get(wildcard), type);
}

function answerFrom(types: ReadonlyMap<string, RecordSet> | undefined, type: string): Found {
  const set = types?.get(type);
  if (set) return { kind: 'records', set };
  const alias = types?.get('CNAME' satisfies RecordType);
  return alias ? { kind: 'alias', set: alias } : { kind: 'no-data' };
}
