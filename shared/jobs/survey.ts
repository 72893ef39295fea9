import pLimit from 'p-limit';
import { mayHold } from '../domain/delivery.ts';
import { type DesiredCertificate, group, placeKey, targetKey } from '../domain/grouping.ts';
import { type PlanEntry, plan } from '../domain/plan.ts';
import type { StoredRecord, Target, VersionState } from '../domain/record.ts';
import {
  type Context,
  configuredRequests,
  type Ingress,
  ingressRequests,
  isProvable,
  isServed,
  manualRequests,
  type Refusal,
  type Requests,
  type Rules,
} from '../domain/request.ts';
import { inTurn, looks } from '../domain/rotation.ts';
import { CertificateError, messageOf, needsPerson } from '../errors.ts';
import type {
  CertificateRecords,
  CertificateVersions,
  Fields,
  Log,
  Readers,
  Time,
  Zones,
} from '../ports.ts';
import { lookout } from './sight.ts';

export type SurveyPorts = Readonly<{
  readers: Readers;
  zones: Pick<Zones, 'list'>;
  records: Pick<CertificateRecords, 'list'>;
  versions: CertificateVersions;
  time: Pick<Time, 'now'>;
  log: Log;
}>;

export type SurveySettings = Readonly<{ rules: Rules; zoneProjects: readonly string[] }>;

/** Something that could not be read or done; the rest went on. */
export type Fault = Readonly<{ resource: string; message: string }>;

/** What a tick saw and decided. A dry run has the same, and did nothing about it. */
export type Survey = Readonly<{
  plan: readonly PlanEntry[];
  refusals: readonly Refusal[];
  faults: readonly Fault[];
}>;

// Scheduler ticks once an hour: what falls due before the next tick gets its exact moment now.
const HORIZON_MS = 3_600_000;
const MOST_TARGET_READS = 1000;
const MOST_VERSION_READS = 200;
const AT_ONCE = 16;

/** The plan of this very moment, without touching anything. */
export async function survey(ports: SurveyPorts, settings: SurveySettings): Promise<Survey> {
  const { rules } = settings;
  const now = ports.time.now();
  const listed = readInventory(ports);
  const [clusters, zones, inventory, versions] = await Promise.all([
    readClusters(ports, rules),
    readZones(ports, settings.zoneProjects),
    listed,
    listed.then(({ found }) => readVersions(found, now, ports)),
  ]);
  const context: Context = { rules, zones };
  const asked = allRequests(clusters.found, inventory.found, context);
  const { certificates, refusals } = group(asked.requests, rules);
  const gathered = await looked(ports, rules, {
    certificates,
    clusters: clusters.found,
    inventory: inventory.found,
    now,
  });
  return {
    plan: plan({
      ...gathered,
      now,
      versions,
      horizonMs: HORIZON_MS,
      installation: rules.installation,
      desired: certificates,
      inventory: inventory.found,
      illegible: inventory.illegible,
      configuredClusters: new Set(rules.clusters.map(({ name }) => name)),
      unreadableClusters: new Set(clusters.unreadable),
      isProvable: (name) => isProvable(name, context),
      mayHold: (target, names) => mayHold(target, names, rules),
    }),
    refusals: [...asked.refusals, ...refusals],
    faults: [...clusters.faults, ...zones.faults, ...inventory.faults],
  };
}

/** Says what could not be read or done, and went by: what may be over by the next tick is a warning, what a person has to mend calls one. */
export function sayFault(
  message: string,
  { error, ...fields }: Fields & Readonly<{ error: unknown }>,
  log: Log,
): void {
  const code = error instanceof CertificateError ? error.code : 'internal';
  log[needsPerson(code) ? 'error' : 'warn'](message, { code, ...fields, reason: messageOf(error) });
}

type ClusterIngresses = Readonly<{ cluster: string; ingresses: readonly Ingress[] }>;

async function readClusters({ readers, log }: SurveyPorts, { clusters }: Rules) {
  const found: ClusterIngresses[] = [];
  const faults: Fault[] = [];
  const unreadable: string[] = [];
  await Promise.all(
    clusters.map(async ({ name }) => {
      try {
        found.push({ cluster: name, ingresses: await (await readers(name)).ingresses() });
      } catch (error) {
        sayFault('cluster unreadable', { error, cluster: name }, log);
        faults.push({ resource: `cluster ${name}`, message: messageOf(error) });
        unreadable.push(name);
      }
    }),
  );
  return { found, faults, unreadable };
}

/** The DNS names of the public zones, and the projects whose zones could not be read. */
export async function readZones(
  { zones, log }: Pick<SurveyPorts, 'zones' | 'log'>,
  projects: readonly string[],
) {
  const suffixes: string[] = [];
  const faults: Fault[] = [];
  await Promise.all(
    projects.map(async (project) => {
      try {
        for (const { dnsName } of await zones.list(project)) suffixes.push(dnsName);
      } catch (error) {
        sayFault('zones unreadable', { error, project }, log);
        faults.push({ resource: `zones of project ${project}`, message: messageOf(error) });
      }
    }),
  );
  return { suffixes, complete: faults.length === 0, faults };
}

async function readInventory({ records, log }: SurveyPorts) {
  const illegible = new Map<string, string>();
  const found = await records.list((id, problem) => {
    log.error('record invalid', { certificate: id, reason: problem });
    illegible.set(id, problem);
  });
  const faults = [...illegible].map(([id, message]) => ({
    resource: `certificate ${id}`,
    message,
  }));
  return { found, illegible, faults };
}

function allRequests(
  clusters: readonly ClusterIngresses[],
  inventory: readonly StoredRecord[],
  context: Context,
): Requests {
  const parts = [
    configuredRequests(context),
    ...inventory.map((stored) => storedRequests(stored, context)),
  ];
  for (const { cluster, ingresses } of clusters) {
    const of = context.rules.clusters.find(({ name }) => name === cluster);
    if (of) for (const ingress of ingresses) parts.push(ingressRequests(ingress, of, context));
  }
  return {
    requests: parts.flatMap(({ requests }) => requests),
    refusals: parts.flatMap(({ refusals }) => refusals),
  };
}

function storedRequests(
  { record: { manual, identity } }: StoredRecord,
  context: Context,
): Requests {
  if (!manual || !identity.names) return { requests: [], refusals: [] };
  return manualRequests({ names: identity.names, issuer: identity.issuer, ...manual }, context);
}

type Known = Readonly<{
  certificates: readonly DesiredCertificate[];
  clusters: readonly ClusterIngresses[];
  inventory: readonly StoredRecord[];
  now: Date;
}>;

const turnOf = (now: Date) => Math.floor(now.getTime() / HORIZON_MS);

/** A look at the Secrets whose turn it is. */
async function looked(ports: SurveyPorts, rules: Rules, known: Known) {
  const { now } = known;
  const { targets, unlooked } = looks({
    desired: known.certificates,
    inventory: new Map(known.inventory.map((stored) => [stored.id, stored])),
    bystanders: bystanders(known, rules),
    now,
    horizonMs: HORIZON_MS,
    most: MOST_TARGET_READS,
    turn: turnOf(now),
  });
  const limit = pLimit(AT_ONCE);
  const inhabited = known.clusters.flatMap(({ cluster, ingresses }) =>
    ingresses.map(({ namespace }) => ({ cluster, namespace })),
  );
  const sight = lookout(ports, inhabited);
  const sights = await Promise.all(
    targets.map((target) => limit(async () => [targetKey(target), await sight(target)] as const)),
  );
  return { sights: new Map(sights), unlooked };
}

/** Secrets that an Ingress names without asking for anything, where we wrote before: they may still serve a certificate of ours. */
function bystanders({ certificates, clusters, inventory }: Known, rules: Rules): readonly Target[] {
  const asked = new Set(certificates.flatMap(({ targets }) => targets.map(targetKey)));
  const written = new Set(inventory.flatMap(({ record }) => record.askers.map(placeKey)));
  const named = clusters.flatMap(({ cluster, ingresses }) => {
    const of = rules.clusters.find(({ name }) => name === cluster);
    return ingresses
      .filter(
        (ingress) =>
          of &&
          isServed(ingress, of) &&
          (written.has(`${cluster}/${ingress.namespace}`) || written.has(`${cluster}/*`)),
      )
      .flatMap(({ namespace, tls }) =>
        tls.flatMap(({ secretName }) =>
          secretName ? [{ cluster, namespace, secret: secretName }] : [],
        ),
      );
  });
  const byKey = new Map(named.map((target) => [targetKey(target), target]));
  return [...byKey].filter(([key]) => !asked.has(key)).map(([, target]) => target);
}

/** The version states of the certificates whose turn it is. */
async function readVersions(inventory: readonly StoredRecord[], now: Date, ports: SurveyPorts) {
  const all = new Map(inventory.map(({ id }) => [id, id]));
  const ids = inTurn(all, MOST_VERSION_READS, turnOf(now));
  const limit = pLimit(AT_ONCE);
  const versions = await Promise.all(ids.map((id) => limit(() => versionsOf(id, ports))));
  return new Map(versions.flat());
}

async function versionsOf(
  id: string,
  { versions, log }: SurveyPorts,
): Promise<[string, readonly VersionState[]][]> {
  try {
    return [[id, await versions.list(id)]];
  } catch (error) {
    sayFault('versions unreadable', { error, certificate: id }, log);
    return [];
  }
}
