import type { Clock } from '../clock.ts';
import { type GoogleApiOptions, serveGoogleApi } from '../google-api.ts';
import type { Recorder } from '../recorder.ts';
import type { Store } from '../state.ts';
import { changedZone } from './changes.ts';
import { serveDns } from './dns-server.ts';
import { type Answerer, answerMessage } from './message.ts';
import { ownerName } from './record-data.ts';
import { authoritativeReply, recursiveReply, zonesAt } from './resolve.ts';
import { cloudDnsRoutes, type Database } from './routes.ts';
import { type CloudDnsState, closestZone, recordKey, withZone, type Zone } from './state.ts';
import { withNewZone } from './zones.ts';

export type { CloudDnsState } from './state.ts';

/** A record set in the API's text form, as in `{ name: 'www.a.test', type: 'CNAME', rrdatas: ['a.test.'] }`. */
type ExampleRecords = Readonly<{
  name: string;
  type: string;
  ttl?: number | undefined;
  rrdatas: readonly string[];
}>;

export type CloudDns = Readonly<{
  /** `http://127.0.0.1:PORT`; the API lies below `/dns/v1`. */
  url: string;
  /** UDP and TCP on 127.0.0.1. With RD set it answers as a recursive resolver over all delegated zones, without as their authority. */
  dnsPort: number;
  /**
   * Makes a zone unless the project has it (the same DNS name and visibility, and the same name if one is given). `delegated` (the
   * parent has NS records for it) defaults to true, and to false where another zone of that DNS name has them already. The name
   * defaults to the DNS name with dashes. One with `nameServers` is another provider's: the resolver finds it where a zone here
   * delegates to them, and the servers here do not know it.
   */
  addZone(
    zone: Readonly<{
      project: string;
      dnsName: string;
      name?: string | undefined;
      visibility?: 'public' | 'private' | undefined;
      delegated?: boolean | undefined;
      nameServers?: readonly string[] | undefined;
    }>,
  ): void;
  /** Puts record sets into the closest public zone of each name, over what stands there of the same type; served at once. */
  addRecords(records: readonly ExampleRecords[]): void;
  close(): Promise<void>;
}>;

export type CloudDnsOptions = Readonly<{
  store: Store<CloudDnsState>;
  clock: Clock;
  recorder?: Recorder | undefined;
  before?: GoogleApiOptions['before'];
  port?: number | undefined;
  dnsPort?: number | undefined;
  /** How long the name servers go on answering without a change; default 0. */
  propagationMs?: number | undefined;
  /** How long a change reads pending; default `propagationMs`. Less of it makes a `done` that is not served yet, as the real one has. */
  pendingMs?: number | undefined;
}>;

/** Starts the stand-in of Google Cloud DNS: its API over HTTP and its name servers over UDP and TCP. */
export async function startCloudDns(options: CloudDnsOptions): Promise<CloudDns> {
  const { clock, recorder, before, propagationMs = 0, pendingMs = propagationMs } = options;
  const database = openDatabase(options.store);
  const answerer: Answerer = (asked, recursive) => {
    const zones = zonesAt(database.read().zones, clock.now().getTime());
    return recursive ? recursiveReply(zones, asked) : authoritativeReply(zones, asked);
  };
  const dns = await serveDns(options.dnsPort ?? 0, (message, transport) =>
    answerMessage(message, transport, answerer),
  );
  const routes = cloudDnsRoutes({ database, clock, lateness: { propagationMs, pendingMs } });
  const api = await serveGoogleApi({
    ...{ service: 'dns', routes, recorder, before },
    port: options.port ?? 0,
  }).catch(async (error: unknown) => {
    await dns.close();
    throw error;
  });
  return {
    url: api.url,
    dnsPort: dns.port,
    addZone: (zone) => addZone(database, zone, clock.now()),
    addRecords: (records) => {
      for (const record of records) addRecord(database, record, clock.now());
    },
    close: async () => void (await Promise.all([api.close(), dns.close()])),
  };
}

function openDatabase(store: Store<CloudDnsState>): Database {
  let state = store.load() ?? { lastZone: 0, zones: [] };
  return {
    read: () => state,
    write(next) {
      store.save(next);
      state = next;
    },
  };
}

const absolute = (name: string) => (name.endsWith('.') ? name : `${name}.`).toLowerCase();

function addZone(database: Database, zone: Parameters<CloudDns['addZone']>[0], now: Date): void {
  const { zones } = database.read();
  const { project, visibility = 'public' } = zone;
  const dnsName = absolute(zone.dnsName);
  if (ownerName(dnsName) === undefined) throw new Error(`${zone.dnsName} is no DNS name`);
  const inProject = zones.filter((other) => other.project === project);
  const isSame = (other: Zone) =>
    other.dnsName === dnsName &&
    other.visibility === visibility &&
    other.name === (zone.name ?? other.name);
  if (inProject.some(isSame)) return;
  const name = zone.name ?? freeZoneName(inProject, dnsName, visibility);
  const taken = zones.some((other) => other.dnsName === dnsName && other.delegated);
  database.write(
    withNewZone(database.read(), {
      ...{ project, name, dnsName, visibility, now },
      delegated: zone.delegated ?? !taken,
      nameServers: zone.nameServers?.map(absolute),
      settings: { description: '' },
    }),
  );
}

function freeZoneName(
  zones: readonly Zone[],
  dnsName: string,
  visibility: Zone['visibility'],
): string {
  const dashed = dnsName.slice(0, -1).replaceAll(/[^a-z0-9]/g, '-');
  const plain = visibility === 'private' ? `private-${dashed}` : dashed;
  const name = (/^[a-z]/.test(plain) ? plain : `zone-${plain}`).slice(0, 59);
  const isTaken = (wanted: string) => zones.some((zone) => zone.name === wanted);
  if (!isTaken(name)) return name;
  // `a-b.test` and `a.b.test` would share one.
  for (let number = 2; ; number += 1) if (!isTaken(`${name}-${number}`)) return `${name}-${number}`;
}

function addRecord(database: Database, { ttl = 300, ...record }: ExampleRecords, now: Date): void {
  const wanted = { ...record, name: absolute(record.name), ttl };
  const { zones } = database.read();
  const zone = closestZone(
    zones.filter(({ visibility }) => visibility === 'public'),
    wanted.name,
  );
  if (!zone) throw new Error(`no public zone holds ${wanted.name}`);
  const present = zone.recordSets[recordKey(wanted)];
  const change = { additions: [wanted], deletions: present ? [present] : [] };
  const made = { now, pendingMs: 0, propagationMs: 0 };
  database.write(withZone(database.read(), changedZone(zone, change, made)));
}
