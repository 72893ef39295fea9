import pLimit from 'p-limit';
import { challengeName, isChallengeName, zonesFor } from '../domain/challenge.ts';
import type { SavedChallenge } from '../domain/record.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type { Zone } from '../ports.ts';
import { type Attempt, pause } from './attempt.ts';

/** Where a name's TXT belongs: the end of its CNAME chain, in the zone that the world really asks. `owner` is without a last dot. */
export type Placement = Readonly<{ challenge: string; owner: string; zone: Zone }>;

// Every owner is asked of some four servers at once; a burst of hundreds of datagrams is dropped on the way.
const AT_ONCE = 10;

/** A place for every name, found in live DNS before anything is ordered. Throws a sentence about the first that has none. */
export async function placements(attempt: Attempt): Promise<readonly Placement[]> {
  const challenges = [...new Set(attempt.identity.names.map(challengeName))];
  const zones = await publicZones(attempt);
  const limit = pLimit(AT_ONCE);
  const cut: Surroundings['cut'] = (zone, owner) =>
    limit(() => attempt.ports.lookup.cutBelow(zone, owner));
  const delegations = new Map<string, Promise<readonly string[]>>();
  const delegation = (zone: string) => {
    const known = delegations.get(zone) ?? attempt.ports.lookup.delegation(zone);
    delegations.set(zone, known);
    return known;
  };
  return Promise.all(
    challenges.map((challenge) => placement(challenge, { attempt, zones, delegation, cut })),
  );
}

type Surroundings = Readonly<{
  attempt: Attempt;
  zones: Awaited<ReturnType<typeof publicZones>>;
  delegation: (zone: string) => Promise<readonly string[]>;
  cut: (zone: Zone, owner: string) => Promise<string | undefined>;
}>;

async function placement(challenge: string, around: Surroundings): Promise<Placement> {
  const end = await endOf(challenge, around);
  if (typeof end === 'string') {
    const zone = await zoneOf(end, around);
    if (zone instanceof CertificateError) throw zone;
    return { challenge, owner: end, zone };
  }
  // A wildcard CNAME answers for every name that has no record of its own; a TXT set at the name ends that (RFC 4592 section 2.2.1).
  const zone = await zoneOf(challenge, around);
  if (zone instanceof CertificateError) throw zone.retryable ? zone : end;
  if (await around.attempt.ports.zones.hasAlias(zone, challenge)) throw end;
  return { challenge, owner: challenge, zone };
}

/** The end of the CNAME chain, or why nothing is written there. */
async function endOf(
  challenge: string,
  { attempt, zones }: Surroundings,
): Promise<string | CertificateError> {
  try {
    const end = await attempt.ports.lookup.canonicalName(challenge);
    if (zonesFor(zones.found, end).length === 0) return homeless(end, challenge, zones.unreadable);
    return isChallengeName(end) ? end : astray(end, challenge);
  } catch (error) {
    const isEndless = error instanceof CertificateError && error.code === 'dns-name-blocked';
    if (isEndless) return error;
    throw error;
  }
}

/** The longest zone of ours that could hold the name, or why the world does not ask it. */
async function zoneOf(
  owner: string,
  { zones, delegation, cut }: Surroundings,
): Promise<Zone | CertificateError> {
  const found = zonesFor(zones.found, owner);
  const [longest] = found;
  if (!longest) return homeless(owner, owner, zones.unreadable);
  const candidates = found.filter(({ dnsName }) => dnsName === longest.dnsName);
  // All at once: a round trip to the zone's own servers must not come on top of the way to them.
  const [servers, ...cuts] = await Promise.all([
    delegation(longest.dnsName),
    ...candidates.map((zone) => cut(zone, owner)),
  ]);
  const index = candidates.findIndex(({ nameServers }) => isSameSet(nameServers, servers));
  const zone = candidates[index];
  if (!zone) return undelegated(longest, servers);
  const below = cuts[index];
  if (below === undefined) return zone;
  // It may be one of ours that could not be read.
  return zones.unreadable.length > 0
    ? homeless(owner, owner, zones.unreadable)
    : delegatedAway(owner, below, zone);
}

/** Says where the world asks for a zone in place of the servers of ours. */
export const undelegated = (
  { dnsName, nameServers, zone, project }: Zone,
  servers: readonly string[],
): CertificateError =>
  new CertificateError(
    'dns-not-delegated',
    `zone ${dnsName} is delegated to ${listed(servers)}, not to ${listed(nameServers)} of managed zone ${zone} in project ${project}; set its NS records at the parent zone`,
  );

const delegatedAway = (owner: string, below: string, { dnsName, zone, project }: Zone) =>
  new CertificateError(
    'dns-not-delegated',
    `${owner} is delegated away below ${dnsName}: nobody asks managed zone ${zone} in project ${project} for it, for ${below} is a zone of its own; point ${owner} into a zone of ours by a CNAME, or make ${below} one of them`,
  );

// Whatever has another name is somebody's own: an SPF record is a TXT too.
const astray = (owner: string, challenge: string) =>
  new CertificateError(
    'dns-name-blocked',
    `the CNAME of ${challenge} leads to ${owner}, which is no _acme-challenge name and is never written; point it to one, such as _acme-challenge.${owner}`,
  );

function homeless(
  owner: string,
  challenge: string,
  unreadable: readonly string[],
): CertificateError {
  const via = owner === challenge ? '' : `, where the CNAME of ${challenge} leads,`;
  if (unreadable.length > 0)
    return new CertificateError(
      'dns-unavailable',
      `no zone found for ${owner}${via} while the zones of ${unreadable.join(', ')} cannot be read`,
    );
  return new CertificateError(
    'dns-not-delegated',
    `${owner}${via} lies in no public zone of the configured projects; create the zone, or point the name into one by a CNAME`,
  );
}

async function publicZones({ ports, settings }: Attempt) {
  const unreadable: string[] = [];
  const lists = await Promise.all(
    settings.zoneProjects.map(async (project) => {
      try {
        return await ports.zones.list(project);
      } catch (error) {
        unreadable.push(`project ${project} (${messageOf(error)})`);
        return [];
      }
    }),
  );
  return { found: lists.flat(), unreadable };
}

/** Whether both lists hold the same, in any order. */
export const isSameSet = (one: readonly string[], other: readonly string[]) =>
  new Set(one).symmetricDifference(new Set(other)).size === 0;

const listed = (words: readonly string[]) =>
  words.length > 0 ? words.join(', ') : 'no server at all';

const PROPAGATION_MS = 60_000;
const POLL_MS = [50, 250, 500, 1000] as const;

/** Returns when every authoritative server of every zone concerned answers every value, and the settle time is over. */
export async function propagated(
  challenges: readonly SavedChallenge[],
  places: readonly Placement[],
  attempt: Attempt,
): Promise<void> {
  const { time, lookup } = attempt.ports;
  const until = new Date(time.now().getTime() + PROPAGATION_MS);
  const limit = pLimit(AT_ONCE);
  let open = [...Map.groupBy(challenges, ({ owner }) => owner)];
  for (let poll = 0; ; poll += 1) {
    const missing = await Promise.all(
      open.map(([owner, of]) =>
        limit(async () => ({
          owner,
          servers: await lookup.serversWithout(
            nameServersOf(owner, places),
            owner,
            of.map(({ value }) => value),
          ),
        })),
      ),
    );
    // What is answered everywhere is not asked again: a hundred names must not be lucky all at once.
    open = open.filter((_, index) => missing[index]?.servers.length !== 0);
    const late = missing.find(({ servers }) => servers.length > 0);
    if (!late) break;
    if (time.now() >= until)
      throw new CertificateError(
        'dns-not-propagated',
        `after ${PROPAGATION_MS / 1000} s ${late.owner} is not answered by ${late.servers.join(', ')}`,
      );
    await pause(
      attempt,
      POLL_MS[poll] ?? 1000,
      `the TXT record of ${late.owner} to reach every name server`,
    );
  }
  if (attempt.settings.settleMs > 0)
    await pause(attempt, attempt.settings.settleMs, 'the TXT records to settle');
}

const nameServersOf = (owner: string, places: readonly Placement[]) =>
  places.find((place) => place.owner === owner)?.zone.nameServers ?? [];
