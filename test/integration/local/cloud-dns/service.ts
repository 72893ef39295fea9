import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { DNS, type Zone } from '@google-cloud/dns';
import {
  type Answer,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_DESIRED,
  streamDecode,
} from 'dns-packet';
import { PassThroughClient } from 'google-auth-library';
import { manualClock } from '../../../../local/clock.ts';
import {
  type CloudDns,
  type CloudDnsOptions,
  startCloudDns,
} from '../../../../local/cloud-dns/cloud-dns.ts';
import { memoryStore } from '../../../../local/state.ts';

const started: CloudDns[] = [];

/** Ends every service of a test; to be run after each. */
export async function closeStarted(): Promise<void> {
  await Promise.all(started.splice(0).map((service) => service.close()));
}

export async function start(options: Partial<CloudDnsOptions> = {}): Promise<CloudDns> {
  const clock = manualClock(new Date('2026-11-21T12:00:00Z'));
  const service = await startCloudDns({ store: memoryStore(), clock, ...options });
  started.push(service);
  return service;
}

/** A service with the zone a.test, the library's client for it, and a Node resolver. */
export async function startWithZone(options: Partial<CloudDnsOptions> = {}) {
  const service = await start(options);
  service.addZone({ project: 'p', dnsName: 'a.test' });
  const zone = clientOf(service).zone('a-test');
  return { service, zone, resolver: resolverOf(service) };
}

export function clientOf({ url }: CloudDns): DNS {
  // The library's types name another major version of the same class.
  const authClient = new PassThroughClient() as never;
  const dns = new DNS({ projectId: 'p', authClient });
  dns.baseUrl = `${url}/dns/v1`;
  return dns;
}

export function resolverOf({ dnsPort }: CloudDns): Resolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${dnsPort}`]);
  return resolver;
}

/** What the tests look at in a reply; which of it is there depends on the call. */
export type Json = Readonly<{
  id: string;
  status: string;
  nameServers: readonly string[];
  nextPageToken: string | undefined;
  changes: readonly { id: string }[];
  rrsets: readonly ReturnType<typeof set>[];
  error: Readonly<{ code: number; message: string; errors: readonly { reason: string }[] }>;
}>;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A plain request below project p; with a body it is a POST unless told. */
export async function api(
  { url }: CloudDns,
  path: string,
  { body, method = body === undefined ? 'GET' : 'POST' }: { body?: unknown; method?: Method } = {},
): Promise<{ status: number; body: Json }> {
  const response = await fetch(`${url}/dns/v1/projects/p${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Json };
}

export const NAME = '_acme-challenge.a.test.';

export const APEX_NS = [1, 2, 3, 4].map((n) => `ns-cloud-a${n}.googledomains.com.`);

export const set = (name: string, type: string, rrdatas: string[], ttl = 60) => ({
  name,
  type,
  ttl,
  rrdatas,
});

/** The TXT set of `NAME` in the library's form. */
export const txt = (zone: Zone, data: string[]) =>
  zone.record('txt', { name: NAME, ttl: 60, data });

export const many = <Item>(count: number, make: (n: number) => Item): Item[] =>
  Array.from({ length: count }, (_, n) => make(n));

export const change = (service: CloudDns, body: unknown) =>
  api(service, '/managedZones/a-test/changes', { body });

export async function rrsets(service: CloudDns, query = ''): Promise<Json['rrsets']> {
  return (await api(service, `/managedZones/a-test/rrsets${query}`)).body.rrsets;
}

export type Said = Packet & { rcode: string; flag_aa: boolean; flag_ra: boolean; flag_tc: boolean };

export async function overUdp({ dnsPort }: CloudDns, message: Buffer): Promise<Said> {
  const socket = createSocket('udp4');
  socket.send(message, dnsPort, '127.0.0.1');
  const [reply] = await once(socket, 'message', { signal: AbortSignal.timeout(2_000) });
  socket.close();
  return decode(reply) as unknown as Said;
}

/** Writes each part for itself and returns as many replies as asked for. */
export async function overTcp(
  { dnsPort }: CloudDns,
  parts: readonly Buffer[],
  replies = 1,
): Promise<readonly Said[]> {
  const socket = connect(dnsPort, '127.0.0.1').setNoDelay();
  for (const part of parts) socket.write(part);
  const said: Said[] = [];
  let unread = Buffer.alloc(0);
  for await (const chunk of socket) {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= 2 && unread.length >= unread.readUInt16BE(0) + 2) {
      said.push(streamDecode(unread) as unknown as Said);
      unread = unread.subarray(unread.readUInt16BE(0) + 2);
    }
    if (said.length >= replies) break;
  }
  return said;
}

export const question = (name: string, type: Question['type'], more: Packet = {}): Packet => ({
  id: 4711,
  questions: [{ name, type }],
  ...more,
});

export const ask = (service: CloudDns, name: string, type: Question['type'], more?: Packet) =>
  overUdp(service, encode(question(name, type, more)));

export const recursively = (service: CloudDns, name: string, type: Question['type']) =>
  ask(service, name, type, { flags: RECURSION_DESIRED });

/** Records as `name TYPE data`, the strings of a TXT joined by `|`. */
export const lines = (records: readonly Answer[] | undefined): string[] =>
  (records ?? []).map((record) => `${record.name} ${record.type} ${dataOf(record)}`);

function dataOf(record: Answer): string {
  const data = 'data' in record ? record.data : '';
  if (Array.isArray(data)) return data.map(String).join('|');
  return typeof data === 'object' ? '…' : String(data);
}
