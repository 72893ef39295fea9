import type { AuthClient } from 'google-auth-library';
import { isChallengeName } from '../domain/challenge.ts';
import type { SavedChallenge } from '../domain/record.ts';
import type { Zone, Zones } from '../ports.ts';
import { toAccount } from './account.ts';
import {
  blocked,
  type CloudDnsApi,
  changeZone,
  createCall,
  triedChange,
  type Work,
  zoneWork,
} from './cloud-dns-change.ts';

// The library tries a refused connection again for about 16 s, whatever it is told: a shorter limit could let a change land after we gave up.
const DEADLINE_MS = 20_000;

export type ZonesOptions = Readonly<{
  /** `http://127.0.0.1:1234`; default Google's own. */
  endpoint?: string | undefined;
  /** Required: without credentials the library sends its requests all the same. */
  authClient: AuthClient;
  /** For each call to the API. */
  deadlineMs?: number | undefined;
}>;

/** The public managed zones of Google Cloud DNS (https://cloud.google.com/dns/docs/reference/rest/v1). */
export function createZones(options: ZonesOptions): Zones {
  const api = createApi(options);
  const call = createCall(options.deadlineMs ?? DEADLINE_MS, () => toAccount(options.authClient));
  const change = async (kind: Work['kind'], challenges: readonly SavedChallenge[]) => {
    refuseForeignOwners(challenges);
    const zones = Map.groupBy(challenges, ({ project, zone }) => `${project}/${zone}`);
    const outcomes = await Promise.allSettled(
      [...zones.values()].map(async (own) =>
        changeZone(zoneWork(await api(own[0]?.project ?? ''), own, kind), call),
      ),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  };
  return {
    list: async (project) => {
      const title = `the zones of project ${project}`;
      const [zones] = await call(title, (await api(project)).getZones());
      return zones
        .map(({ metadata }) => metadata)
        .filter(isPublic)
        .map((zone) => parsedZone(project, zone));
    },
    async hasAlias({ project, zone }, owner) {
      const title = `zone ${zone} of project ${project}`;
      const records = (await api(project)).zone(zone).getRecords({ name: `${owner}.` });
      return (await call(title, records))[0].some(({ type }) => type === 'CNAME');
    },
    present: (challenges) => change('present', challenges),
    remove: (challenges) => change('remove', challenges),
    tryOut: async ({ project, zone, dnsName }) => {
      const title = `zone ${zone} of project ${project}`;
      await triedChange({ zone: (await api(project)).zone(zone), title, dnsName }, call);
    },
  };
}

function createApi({
  endpoint,
  authClient,
}: ZonesOptions): (project: string) => Promise<CloudDnsApi> {
  const made = new Map<string, Promise<CloudDnsApi>>();
  const make = async (projectId: string) => {
    const { DNS } = await import('@google-cloud/dns');
    // Its types are those of the auth library that it brings, an older one.
    const dns = new DNS({ projectId, authClient: authClient as never });
    if (endpoint) dns.baseUrl = `${endpoint}/dns/v1`;
    // A change that is sent again after a lost reply comes back as a conflict: we read and compare ourselves.
    dns.interceptors.push({
      // Read by the library, yet not in the type of what an interceptor is given.
      request: (request) => Object.assign(request, { maxRetries: 0 }) as never,
    });
    return dns;
  };
  return (project) => {
    const api = made.get(project) ?? make(project);
    made.set(project, api);
    return api;
  };
}

function refuseForeignOwners(challenges: readonly SavedChallenge[]): void {
  for (const { owner, zone, project } of challenges)
    if (!isChallengeName(owner))
      throw blocked(owner, `zone ${zone} of project ${project}`, 'it is no _acme-challenge name');
}

type ZoneMetadata = Readonly<Record<string, unknown>> &
  Readonly<{ name: string; dnsName: string; nameServers?: readonly string[] }>;

const isPublic = ({ visibility, forwardingConfig, peeringConfig }: ZoneMetadata) =>
  (visibility ?? 'public').toString().toLowerCase() === 'public' &&
  !forwardingConfig &&
  !peeringConfig;

const parsedZone = (project: string, { name, dnsName, nameServers = [] }: ZoneMetadata): Zone => ({
  project,
  zone: name,
  dnsName: bare(dnsName),
  nameServers: nameServers.map(bare),
});

const bare = (name: string) => name.toLowerCase().replace(/\.$/, '');
