import { findInZone, type ServedZone, servedZone } from './lookup.ts';
import type { RecordType } from './record-data.ts';
import { closestZone, isWithin, type RecordSet, servedRecordSets, type Zone } from './state.ts';

/** One record to answer with; `name` in the caller's spelling where it is the name asked for. */
export type Answered = Readonly<{ name: string; type: RecordType; ttl: number; rrdata: string }>;

/** What a name server says to one question (RFC 1035 section 4.1). */
export type Reply = Readonly<{
  rcode: 'NOERROR' | 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED';
  authoritative: boolean;
  answers: readonly Answered[];
  authorities: readonly Answered[];
}>;

/** A question in the caller's spelling, with the final dot. */
export type Asked = Readonly<{ name: string; type: string }>;

/** The zones of the whole stand-in at one moment. */
export type Zones = Readonly<{ zones: readonly Zone[]; serve: (zone: Zone) => ServedZone }>;

const MOST_ALIASES = 16;

const ROOT_SOA: Answered = {
  name: '.',
  type: 'SOA',
  ttl: 300,
  rrdata: 'a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 300',
};

/** The zones as served at `now` (epoch ms). Indexes are kept for as long as a zone does not change. */
export function zonesAt(zones: readonly Zone[], now: number): Zones {
  return { zones: zones.filter(({ visibility }) => visibility === 'public'), serve };
  function serve(zone: Zone): ServedZone {
    const recordSets = servedRecordSets(zone, now);
    const known = indexes.get(recordSets);
    if (known) return known;
    const index = servedZone(zone, recordSets);
    indexes.set(recordSets, index);
    return index;
  }
}

const indexes = new WeakMap<Zone['recordSets'], ServedZone>();

/** What the zone's own name servers answer: one zone, aliases followed inside it only. Zones of other providers are not on them. */
export function authoritativeReply({ zones, serve }: Zones, asked: Asked): Reply {
  const hosted = zones.filter(({ nameServers }) => nameServers.some((name) => OURS.test(name)));
  const zone = closestZone(hosted, asked.name.toLowerCase());
  if (!zone) return reply('REFUSED', []);
  const served = serve(zone);
  const answers: Answered[] = [];
  for (let { name } = asked; answers.length <= MOST_ALIASES; ) {
    const found = findInZone(served, name.toLowerCase(), asked.type);
    if (found.kind === 'referral' && answers.length === 0)
      return reply('NOERROR', [], recordsOf(found.set, found.set.name));
    if (found.kind === 'referral') break;
    if (found.kind === 'no-name' || found.kind === 'no-data')
      return { ...negative(found.kind, answers, soaOf(served)), authoritative: true };
    answers.push(...recordsOf(found.set, name));
    if (found.kind === 'records') break;
    name = found.set.rrdatas[0] ?? '.';
    if (!isWithin(name.toLowerCase(), zone.dnsName)) break;
  }
  return { ...reply('NOERROR', answers), authoritative: true };
}

/** What a recursive resolver answers whose internet is these zones, below a root that delegates to them. */
export function recursiveReply(internet: Zones, asked: Asked): Reply {
  const answers: Answered[] = [];
  for (let { name } = asked; answers.length <= MOST_ALIASES; ) {
    const step = resolveOnce(internet, { name, type: asked.type });
    if ('rcode' in step) return { ...step, answers: [...answers, ...step.answers] };
    answers.push(...recordsOf(step.alias, name));
    name = step.alias.rrdatas[0] ?? '.';
  }
  return reply('SERVFAIL', []);
}

type Step = Reply | Readonly<{ alias: RecordSet }>;

function resolveOnce(internet: Zones, asked: Asked): Step {
  const name = asked.name.toLowerCase();
  let zone = closestZone(
    internet.zones.filter(({ delegated }) => delegated),
    name,
  );
  while (zone) {
    const served = internet.serve(zone);
    const found = findInZone(served, name, asked.type);
    if (found.kind === 'records') return reply('NOERROR', recordsOf(found.set, asked.name));
    if (found.kind === 'alias') return { alias: found.set };
    if (found.kind !== 'referral') return negative(found.kind, [], soaOf(served));
    zone = delegatedTo(internet, found.set);
    if (!zone) return reply('SERVFAIL', []);
  }
  return rootReply(internet, asked);
}

/** The zone behind a delegation, if one of its servers is ours; every other server is out of reach. */
function delegatedTo({ zones }: Zones, { name, rrdatas }: RecordSet): Zone | undefined {
  const servers = new Set(rrdatas.map((server) => server.toLowerCase()));
  return zones.find(
    (zone) => zone.dnsName === name && zone.nameServers.some((server) => servers.has(server)),
  );
}

const OURS = /^ns-cloud-[a-e][1-4]\.googledomains\.com\.$/;
const isNameServer = (name: string) => name === 'a.root-servers.net.' || OURS.test(name);

function rootReply({ zones }: Zones, asked: Asked): Reply {
  const name = asked.name.toLowerCase();
  const answer = (rrdata: string, type: RecordType) =>
    reply('NOERROR', [{ name: asked.name, type, ttl: 300, rrdata }]);
  if (name === '.' && asked.type === 'NS') return answer('a.root-servers.net.', 'NS');
  if (name === '.' && asked.type === 'SOA') return reply('NOERROR', [ROOT_SOA]);
  if (isNameServer(name) && asked.type === 'A') return answer('127.0.0.1', 'A');
  const exists =
    isNameServer(name) || zones.some((zone) => zone.delegated && isWithin(zone.dnsName, name));
  return negative(exists ? 'no-data' : 'no-name', [], ROOT_SOA);
}

const reply = (
  rcode: Reply['rcode'],
  answers: readonly Answered[],
  authorities: readonly Answered[] = [],
): Reply => ({ rcode, authoritative: false, answers, authorities });

// RFC 2308: the zone's SOA says for how long the absence may be remembered.
const negative = (
  kind: 'no-data' | 'no-name',
  answers: readonly Answered[],
  soa: Answered | undefined,
): Reply => reply(kind === 'no-name' ? 'NXDOMAIN' : 'NOERROR', answers, soa ? [soa] : []);

function soaOf({ zone, sets }: ServedZone): Answered | undefined {
  const set = sets.get(zone.dnsName)?.get('SOA');
  const [soa] = set ? recordsOf(set, set.name) : [];
  if (!soa) return undefined;
  return { ...soa, ttl: Math.min(soa.ttl, Number(soa.rrdata.split(' ').at(-1))) };
}

function recordsOf({ type, ttl, rrdatas }: RecordSet, name: string): readonly Answered[] {
  return rrdatas.map((rrdata) => ({ name, type, ttl, rrdata }));
}
