import { LegacyGoogleFault } from '../google-api.ts';
import { isApexSet, QUOTA } from './changes.ts';
import { alreadyExists, invalid, isObject, notFound, notImplemented, required } from './faults.ts';
import { ownerName } from './record-data.ts';
import { type CloudDnsState, isWithin, type RecordSet, recordKey, type Zone } from './state.ts';

const SETTINGS = [
  'description',
  'labels',
  'dnssecConfig',
  'cloudLoggingConfig',
  'privateVisibilityConfig',
];
const OUTPUT_ONLY = ['kind', 'id', 'creationTime', 'nameServers'];
const IDENTITY = ['name', 'dnsName', 'visibility'];
const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SHARDS = ['a', 'b', 'c', 'd', 'e'];
// Beyond what a JavaScript number holds, as the real ids are.
const FIRST_ID = 5_076_481_223_123_000_000n;

/** A new zone as a caller wants it; without `delegated` it is decided by what the parent would know. */
export type WantedZone = Readonly<{
  project: string;
  name: string;
  dnsName: string;
  visibility: Zone['visibility'];
  delegated?: boolean | undefined;
  nameServers?: readonly string[] | undefined;
  settings: Zone['settings'];
  now: Date;
}>;

/** The zone that `key`, its name or its numeric id, names. Throws 404. */
export function findZone(state: CloudDnsState, project: string, key: string): Zone {
  const zone = state.zones.find(
    (other) => other.project === project && (other.name === key || other.id === key),
  );
  if (!zone) throw notFound('parameters.managedZone', key);
  return zone;
}

/** Parses the body of managedZones.create; throws the service's refusal. */
export function parseNewZone(body: unknown): Omit<WantedZone, 'project' | 'now'> {
  if (!isObject(body)) throw required('entity.managedZone');
  const { name, dnsName, visibility = 'public' } = body;
  if (typeof name !== 'string') throw required('entity.managedZone.name');
  if (!NAME.test(name)) throw invalid('entity.managedZone.name', name);
  if (typeof dnsName !== 'string') throw required('entity.managedZone.dnsName');
  const owner = ownerName(dnsName);
  if (!owner || owner.startsWith('*')) throw invalid('entity.managedZone.dnsName', dnsName);
  if (visibility !== 'public' && visibility !== 'private')
    throw invalid('entity.managedZone.visibility', visibility);
  return { name, dnsName: owner, visibility, settings: parseSettings(body, visibility) };
}

function parseSettings(
  body: Record<string, unknown>,
  visibility: Zone['visibility'],
): Zone['settings'] {
  for (const [key, value] of Object.entries(body))
    if (![...SETTINGS, ...OUTPUT_ONLY, ...IDENTITY].includes(key) && value != null)
      throw notImplemented(`the zone's ${key}`);
  const dnssec = body.dnssecConfig;
  if (isObject(dnssec) && (dnssec.state ?? 'off') !== 'off') throw notImplemented('DNSSEC');
  // The real service drops this one from public zones, and Terraform sends it for every zone.
  const kept = SETTINGS.filter(
    (key) => visibility === 'private' || key !== 'privateVisibilityConfig',
  );
  const given = kept.filter((key) => body[key] != null).map((key) => [key, body[key]]);
  return { description: '', ...Object.fromEntries(given) };
}

/** The state with the zone added, its SOA and NS records in place. */
export function withNewZone(state: CloudDnsState, wanted: WantedZone): CloudDnsState {
  const { project, name, dnsName, visibility, settings, now } = wanted;
  const ofProject = state.zones.filter((zone) => zone.project === project);
  if (ofProject.some((zone) => zone.name === name)) throw alreadyExists('entity.managedZone', name);
  if (ofProject.length >= QUOTA.managedZones)
    throw new LegacyGoogleFault(403, 'quotaExceeded', 'Quota exceeded for managed zones.');
  const nameServers = wanted.nameServers ?? freeNameServers(state, dnsName, visibility);
  const apex = apexSets(dnsName, nameServers);
  const created = { startTime: now.toISOString(), doneAt: now.getTime(), servedAt: now.getTime() };
  const zone: Zone = {
    ...{ project, name, dnsName, visibility, settings, nameServers },
    id: String(FIRST_ID + BigInt(state.lastZone + 1)),
    delegated: visibility === 'public' && (wanted.delegated ?? isFirstOfItsTree(state, dnsName)),
    creationTime: now.toISOString(),
    recordSets: Object.fromEntries(apex.map((set) => [recordKey(set), set])),
    changes: [{ id: '0', ...created, additions: apex, deletions: [] }],
    policy: { version: 1, bindings: [], revision: 0 },
  };
  return { lastZone: state.lastZone + 1, zones: [...state.zones, zone] };
}

// A registrar delegates what stands at the top; a zone below another one waits for NS records in it.
function isFirstOfItsTree(state: CloudDnsState, dnsName: string): boolean {
  return !state.zones.some((zone) => zone.delegated && isWithin(dnsName, zone.dnsName));
}

function freeNameServers(
  state: CloudDnsState,
  dnsName: string,
  visibility: Zone['visibility'],
): readonly string[] {
  if (visibility === 'private') return ['ns-gcp-private.googledomains.com.'];
  const taken = state.zones
    .filter((zone) => zone.visibility === 'public' && zone.dnsName === dnsName)
    .map((zone) => zone.nameServers[0]);
  const shard = SHARDS.find((letter) => !taken.includes(nameServer(letter, 1)));
  if (!shard)
    throw new LegacyGoogleFault(
      400,
      'managedZoneDnsNameNotAvailable',
      `The '${dnsName}' managed zone is not available to be created.`,
    );
  return [1, 2, 3, 4].map((number) => nameServer(shard, number));
}

const nameServer = (shard: string, number: number) =>
  `ns-cloud-${shard}${number}.googledomains.com.`;

function apexSets(dnsName: string, nameServers: readonly string[]): readonly RecordSet[] {
  const soa = `${nameServers[0]} cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300`;
  return [
    { name: dnsName, type: 'NS', ttl: 21_600, rrdatas: nameServers },
    { name: dnsName, type: 'SOA', ttl: 21_600, rrdatas: [soa] },
  ];
}

/** The zone after managedZones.update (the body is the whole of it) or patch (only what it names changes). */
export function updatedZone(zone: Zone, body: unknown, keep: 'all' | 'nothing'): Zone {
  if (!isObject(body)) throw required('entity.managedZone');
  for (const key of ['name', 'dnsName', 'visibility'] as const) {
    const value = body[key] ?? zone[key];
    if (value !== zone[key]) throw invalid(`entity.managedZone.${key}`, value);
  }
  const whole = keep === 'all' ? { ...zone.settings, ...body } : body;
  return { ...zone, settings: parseSettings(whole, zone.visibility) };
}

/** The state without the zone; a zone with more than its apex records is refused. */
export function withoutZone(state: CloudDnsState, zone: Zone): CloudDnsState {
  if (Object.values(zone.recordSets).some((set) => !isApexSet(zone, set)))
    throw new LegacyGoogleFault(
      400,
      'containerNotEmpty',
      `The resource named '${zone.name}' cannot be deleted because it contains one or more 'resource records'.`,
    );
  return { ...state, zones: state.zones.filter((other) => other !== zone) };
}

/** The zone in the API's form. */
export function zoneResource(zone: Zone) {
  const { name, dnsName, id, creationTime, nameServers, visibility, settings } = zone;
  return {
    kind: 'dns#managedZone',
    ...{ name, dnsName, id, creationTime, nameServers, visibility },
    cloudLoggingConfig: { kind: 'dns#managedZoneCloudLoggingConfig' },
    ...settings,
  };
}
