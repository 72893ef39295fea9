import { LegacyGoogleFault } from '../google-api.ts';
import {
  alreadyExists,
  conditionNotMet,
  invalid,
  isObject,
  notFound,
  notImplemented,
  quotaExceeded,
  required,
} from './faults.ts';
import { isRecordType, normalRrdata, ownerName } from './record-data.ts';
import { type Change, isWithin, type RecordSet, recordKey, type Zone } from './state.ts';

/** The limits that this stand-in enforces, by their names in the API's quota object. */
export const QUOTA = {
  managedZones: 10_000,
  rrsetsPerManagedZone: 10_000,
  resourceRecordsPerRrset: 100,
  rrsetAdditionsPerChange: 1_000,
  rrsetDeletionsPerChange: 1_000,
  totalRrdataSizePerChange: 100_000,
} as const;

// Bounds the state file; the real service keeps more.
const CHANGES_KEPT = 1_000;

/** How long after its making a change reads pending, and how long the name servers answer without it. */
export type Lateness = Readonly<{ pendingMs: number; propagationMs: number }>;

type Side = 'additions' | 'deletions';
type Parsed = Readonly<{ additions: readonly RecordSet[]; deletions: readonly RecordSet[] }>;
type Sets = Record<string, RecordSet>;

/** The zone after the change that `body` asks for, which is its newest one; throws the service's refusal and changes nothing. */
export function changedZone(zone: Zone, body: unknown, made: Lateness & { now: Date }): Zone {
  const parsed = parseChange(zone, body);
  const sets: Sets = { ...zone.recordSets };
  parsed.deletions.forEach((set, at) => {
    removeExactly(sets, set, `entity.change.deletions[${at}]`);
  });
  parsed.additions.forEach((set, at) => {
    addAbsent(sets, set, `entity.change.additions[${at}]`);
  });
  refuseBrokenZone(zone, sets, parsed);
  const soaBefore = bumpSerial(zone, sets);
  const change: Change = {
    id: String(Number(zone.changes.at(-1)?.id ?? -1) + 1),
    startTime: made.now.toISOString(),
    doneAt: made.now.getTime() + made.pendingMs,
    servedAt: made.now.getTime() + made.propagationMs,
    ...parsed,
    soaBefore,
  };
  return { ...zone, recordSets: sets, changes: [...zone.changes.slice(1 - CHANGES_KEPT), change] };
}

function parseChange(zone: Zone, body: unknown): Parsed {
  if (!isObject(body)) throw required('entity.change');
  const parsed = {
    additions: parseSide(zone, body, 'additions'),
    deletions: parseSide(zone, body, 'deletions'),
  };
  if (parsed.additions.length + parsed.deletions.length === 0) throw required('entity.change');
  refuseOverQuota(parsed);
  return parsed;
}

function parseSide(zone: Zone, body: Record<string, unknown>, side: Side): readonly RecordSet[] {
  const list = body[side] ?? [];
  if (!Array.isArray(list)) throw invalid(`entity.change.${side}`, list);
  return list.map((item, at) => parseRecordSet(zone, item, `entity.change.${side}[${at}]`));
}

function parseRecordSet(zone: Zone, item: unknown, path: string): RecordSet {
  if (!isObject(item)) throw invalid(path, item);
  const name = typeof item.name === 'string' ? ownerName(item.name) : undefined;
  if (!name || !isWithin(name, zone.dnsName)) throw invalid(`${path}.name`, item.name ?? '');
  if (item.routingPolicy !== undefined) throw notImplemented('a routing policy');
  const { type, ttl } = item;
  if (typeof type !== 'string' || type === '') throw invalid(`${path}.type`, type ?? '');
  if (!isRecordType(type)) throw notImplemented(`the record type ${type}`);
  if (ttl === undefined) throw required(`${path}.ttl`);
  if (typeof ttl !== 'number' || !Number.isInteger(ttl) || ttl < 0 || ttl >= 2 ** 31)
    throw invalid(`${path}.ttl`, ttl);
  return { name, type, ttl, rrdatas: parseRrdatas(type, item.rrdatas, path) };
}

function parseRrdatas(type: RecordSet['type'], list: unknown, path: string): readonly string[] {
  if (!Array.isArray(list) || list.length === 0) throw invalid(`${path}.rrdata`, '<empty>');
  const rrdatas = list.map((text, at) => {
    const normal = typeof text === 'string' ? normalRrdata(type, text) : undefined;
    if (normal === undefined) throw invalid(`${path}.rrdata[${at}]`, text);
    return normal;
  });
  const twice = rrdatas.findIndex((text, at) => rrdatas.indexOf(text) !== at);
  if (twice >= 0) throw invalid(`${path}.rrdata[${twice}]`, rrdatas[twice]);
  if ((type === 'CNAME' || type === 'SOA') && rrdatas.length > 1)
    throw refusedSet(
      'invalidRecordCount',
      path,
      `only permitted to have one record because it is of type ${type}`,
    );
  if (rrdatas.length > QUOTA.resourceRecordsPerRrset)
    throw quotaExceeded('resource records per resource record set');
  return rrdatas;
}

const refusedSet = (reason: string, path: string, why: string) =>
  new LegacyGoogleFault(400, reason, `The resource record set '${path}' is ${why}.`);

function refuseOverQuota({ additions, deletions }: Parsed): void {
  if (additions.length > QUOTA.rrsetAdditionsPerChange) throw quotaExceeded('additions per change');
  if (deletions.length > QUOTA.rrsetDeletionsPerChange) throw quotaExceeded('deletions per change');
  const bytes = [...additions, ...deletions]
    .flatMap(({ rrdatas }) => rrdatas)
    .reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > QUOTA.totalRrdataSizePerChange) throw quotaExceeded('total rrdata size per change');
}

const nameAndType = ({ name, type }: RecordSet) => `${name} (${type})`;

function removeExactly(sets: Sets, set: RecordSet, path: string): void {
  const present = sets[recordKey(set)];
  if (!present) throw notFound(path, nameAndType(set));
  if (present.ttl !== set.ttl || !sameRrdatas(present.rrdatas, set.rrdatas))
    throw conditionNotMet(path);
  delete sets[recordKey(set)];
}

const sameRrdatas = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((text, at) => text === other[at]);

function addAbsent(sets: Sets, set: RecordSet, path: string): void {
  if (sets[recordKey(set)]) throw alreadyExists(path, nameAndType(set));
  if (set.name.startsWith('*.') && set.type === 'NS')
    throw refusedSet('wildcardNotAllowed', path, 'invalid because NS cannot be a wildcard');
  sets[recordKey(set)] = set;
}

/** The rules that hold for a zone as a whole, looked at once everything asked for is in place. */
function refuseBrokenZone(zone: Zone, sets: Sets, { additions, deletions }: Parsed): void {
  deletions.forEach((set, at) => {
    if (isApexSet(zone, set) && !sets[recordKey(set)])
      throw brokenApex(`entity.change.deletions[${at}]`, set.type);
  });
  const owners = additions.length > 0 ? typesByOwner(sets) : new Map<string, Set<string>>();
  additions.forEach((set, at) => {
    const path = `entity.change.additions[${at}]`;
    if (set.type === 'SOA' && set.name !== zone.dnsName) throw brokenApex(path, 'SOA');
    const types = owners.get(set.name);
    if (types?.has('CNAME') && types.size > 1) throw cnameConflict(path, set.name);
  });
  if (Object.keys(sets).length > QUOTA.rrsetsPerManagedZone)
    throw quotaExceeded('resource record sets per managed zone');
}

export const isApexSet = (zone: Zone, set: RecordSet) =>
  set.name === zone.dnsName && (set.type === 'NS' || set.type === 'SOA');

const brokenApex = (path: string, type: string) =>
  refusedSet(
    'invalidZoneApex',
    path,
    `invalid because a zone must contain exactly one resource record set of type '${type}' at the apex`,
  );

const cnameConflict = (path: string, name: string) =>
  refusedSet(
    'cnameResourceRecordSetConflict',
    path,
    `invalid because the DNS name '${name}' may have either one CNAME resource record set or resource record sets of other types, but not both`,
  );

function typesByOwner(sets: Sets): Map<string, Set<string>> {
  const owners = new Map<string, Set<string>>();
  for (const { name, type } of Object.values(sets)) {
    const types = owners.get(name) ?? new Set();
    owners.set(name, types.add(type));
  }
  return owners;
}

/** Counts the SOA's serial up and returns the set it replaced; a caller that wrote the SOA chose the serial. */
function bumpSerial(zone: Zone, sets: Sets): RecordSet | undefined {
  const key = recordKey({ name: zone.dnsName, type: 'SOA' });
  const soa = sets[key];
  if (!soa || soa !== zone.recordSets[key]) return undefined;
  const words = (soa.rrdatas[0] ?? '').split(' ');
  words[2] = String((Number(words[2]) + 1) % 2 ** 32);
  sets[key] = { ...soa, rrdatas: [words.join(' ')] };
  return soa;
}
