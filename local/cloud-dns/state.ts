import type { RecordType } from './record-data.ts';

/** All records of one name and type. `name` is lower-case and ends with a dot; `rrdatas` are in the API's text form. */
export type RecordSet = Readonly<{
  name: string;
  type: RecordType;
  ttl: number;
  rrdatas: readonly string[];
}>;

/** One atomic change. `soaBefore` is what the server itself replaced, which the API does not show. Times are epoch ms. */
export type Change = Readonly<{
  id: string;
  startTime: string;
  doneAt: number;
  servedAt: number;
  additions: readonly RecordSet[];
  deletions: readonly RecordSet[];
  soaBefore?: RecordSet | undefined;
}>;

export type Policy = Readonly<{ version: number; bindings: readonly unknown[]; revision: number }>;

/** A managed zone with its record sets by `recordKey`; `delegated` says whether its parent has NS records for it. */
export type Zone = Readonly<{
  project: string;
  id: string;
  name: string;
  dnsName: string;
  visibility: 'public' | 'private';
  delegated: boolean;
  creationTime: string;
  nameServers: readonly string[];
  /** The caller's part of the resource: description, labels and what else `zones.ts` accepts. */
  settings: Readonly<Record<string, unknown>>;
  recordSets: Readonly<Record<string, RecordSet>>;
  changes: readonly Change[];
  policy: Policy;
}>;

export type CloudDnsState = Readonly<{ lastZone: number; zones: readonly Zone[] }>;

export const recordKey = (set: Readonly<{ name: string; type: string }>) =>
  `${set.name} ${set.type}`;

/** Whether `name` is `ancestor` or lies below it; both lower-case with the final dot. */
export const isWithin = (name: string, ancestor: string) =>
  ancestor === '.' || name === ancestor || name.endsWith(`.${ancestor}`);

/** The zone whose name covers the most labels of `name`; of several with one name the delegated one. */
export function closestZone(zones: readonly Zone[], name: string): Zone | undefined {
  const rank = (zone: Zone) => zone.dnsName.length * 2 + (zone.delegated ? 1 : 0);
  let closest: Zone | undefined;
  for (const zone of zones)
    if (isWithin(name, zone.dnsName) && (!closest || rank(zone) > rank(closest))) closest = zone;
  return closest;
}

export function withZone(state: CloudDnsState, zone: Zone): CloudDnsState {
  return { ...state, zones: state.zones.map((other) => (other.id === zone.id ? zone : other)) };
}

/** What the name servers answer from at `now` (epoch ms): the API's record sets without the changes they have not got yet. */
export function servedRecordSets(zone: Zone, now: number): Zone['recordSets'] {
  const late = zone.changes.filter(({ servedAt }) => servedAt > now);
  if (late.length === 0) return zone.recordSets;
  const sets = { ...zone.recordSets };
  for (const change of late.toReversed()) {
    for (const set of change.additions) delete sets[recordKey(set)];
    for (const set of change.deletions) sets[recordKey(set)] = set;
    if (change.soaBefore) sets[recordKey(change.soaBefore)] = change.soaBefore;
  }
  return sets;
}
