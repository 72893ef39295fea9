import { messageOf } from '../errors.ts';
import type { NameLookup, Zone, Zones } from '../ports.ts';
import { isSameSet, undelegated } from './placement.ts';
import type { Fault } from './survey.ts';

export type ExaminePorts = Readonly<{
  zones: Pick<Zones, 'list' | 'tryOut'>;
  lookup: Pick<NameLookup, 'delegation'>;
}>;

/** A public zone, and what keeps challenges in it from being written, or from being seen by a CA. */
export type ExaminedZone = Readonly<{
  project: string;
  zone: string;
  dnsName: string;
  problems: readonly string[];
}>;

/** Every public zone of the projects, looked at by who writes challenges. Nothing is written. */
export async function examineZones(
  projects: readonly string[],
  ports: ExaminePorts,
): Promise<Readonly<{ zones: readonly ExaminedZone[]; faults: readonly Fault[] }>> {
  const faults: Fault[] = [];
  const lists = await Promise.all(
    projects.map((project) =>
      ports.zones.list(project).catch((error) => {
        faults.push({ resource: `zones of project ${project}`, message: messageOf(error) });
        return [];
      }),
    ),
  );
  const zones = await Promise.all(lists.flat().map((zone) => examined(zone, ports)));
  return { zones, faults };
}

async function examined(found: Zone, { zones, lookup }: ExaminePorts): Promise<ExaminedZone> {
  const { project, zone, dnsName, nameServers } = found;
  const delegated = async () => {
    const servers = await lookup.delegation(dnsName);
    if (!isSameSet(servers, nameServers)) throw undelegated(found, servers);
  };
  const problems = await Promise.all([problemOf(zones.tryOut(found)), problemOf(delegated())]);
  return { project, zone, dnsName, problems: problems.filter((each) => each !== undefined) };
}

const problemOf = (attempt: Promise<void>): Promise<string | undefined> =>
  attempt.then(() => undefined, messageOf);
