import { z } from 'zod';
import type { Config } from '../../shared/config.ts';
import type { Session } from '../command.ts';
import { planSchema, type Status, statusSchema } from '../documents.ts';
import { apiFinding } from './api.ts';
import { queueFindings, scheduleFinding, storeFindings, zoneFindings } from './checks.ts';
import { clockFinding, type Reading } from './clocks.ts';
import { clusterFindings } from './clusters.ts';
import { configurationFinding, configurationSchema, runningConfig } from './configuration.ts';
import { deliveries } from './delivery.ts';
import { type Door, doorFinding, functionUrls, knock } from './doors.ts';
import { type Finding, fault, unseen } from './finding.ts';
import type { Wanted } from './known.ts';
import { ledTo } from './led-to.ts';
import { type PolicyAccess, replicationFinding } from './location-policy.ts';
import { type Part, part } from './part.ts';
import { isOnThisMachine, onThisMachine } from './this-machine.ts';

/** Where to look, and what should be there. */
export type Examination = Readonly<{
  url: string;
  /** What prints a token for the api, where one was given. */
  tokenCommand: string | undefined;
  wanted: Wanted | undefined;
  policy: PolicyAccess;
}>;

const zonesSchema = z.object({
  now: z.iso.datetime().transform((text) => new Date(text)),
  zones: z.array(
    z.object({
      project: z.string(),
      zone: z.string(),
      dnsName: z.string(),
      problems: z.array(z.string()),
    }),
  ),
  faults: z.array(z.object({ resource: z.string(), message: z.string() })),
});

/** Every check, in the order in which one hides another. */
export async function examine(
  examination: Examination,
  session: Session,
): Promise<readonly Finding[]> {
  const findings = await found(examination, session);
  return findings.map((finding) => ledTo(examination, finding));
}

// What the functions may and see only they can say, so the api is asked.
async function found(
  { url, tokenCommand, wanted, policy }: Examination,
  session: Session,
): Promise<readonly Finding[]> {
  const { client, now } = session;
  const [status, configuration, door] = await Promise.all([
    part(client.get('/v1/status'), statusSchema),
    part(client.get('/v1/configuration'), configurationSchema),
    knock('api', url, now),
  ]);
  const known = wanted?.isWhole ? wanted.config : undefined;
  const first = [
    apiFinding({ url, tokenCommand, config: known }, status),
    configurationFinding(configuration, wanted),
  ];
  const config = runningConfig(configuration) ?? known;
  if (!config) return [...first, unseen('all else', NOTHING_KNOWN)];
  const doors = await Promise.all(functionUrls(config).map(([name, at]) => knock(name, at, now)));
  if ([door, ...doors].every(isAway) && !isOnThisMachine(config))
    return [
      nothingAnswers(url),
      configurationFinding(configuration, wanted),
      unseen('all else', 'it takes an answer'),
    ];
  const begun = { config, status, door, doors, policy };
  const findings = [...first, ...(await further(begun, session))];
  return isOnThisMachine(config) ? findings.map(onThisMachine) : findings;
}

const NOTHING_KNOWN =
  'where things are is known neither from the api nor from a file; --terraform-output FILE has it';

const isAway = (door: Door) => 'problem' in door;

// Four services do not go at once: then the way to them is more suspect than all of them.
const nothingAnswers = (url: string) =>
  fault('api', `nothing answers, neither ${url} nor any function`, {
    advice:
      "look at this machine's network first: connection, name servers, firewall; a proxy of HTTPS_PROXY is taken with NODE_USE_ENV_PROXY=1",
  });

type Begun = Readonly<{
  config: Config;
  status: Part<Status>;
  door: Door;
  doors: readonly Door[];
  policy: PolicyAccess;
}>;

/** What takes the configuration to be found. */
async function further(
  { config, status, door, doors, policy }: Begun,
  session: Session,
): Promise<readonly Finding[]> {
  const { client, now } = session;
  const [plan, zones] = await Promise.all([
    part(client.get('/v1/plan'), planSchema),
    part(client.get('/v1/zones'), zonesSchema),
  ]);
  const zonesAt = now();
  const { topic, writing } = await deliveries(session, config);
  return [
    ...doorFindings(doors, config, { reconcile: plan, issue: zones, sync: topic }),
    scheduleFinding(status, config, now()),
    ...queueFindings(status, config),
    ...storeFindings(status, plan),
    topic,
    ...zoneFindings(zones, plan, config),
    ...clusterFindings(plan, writing, config),
    clockFinding([
      ...[door, ...doors].flatMap(dated),
      ...('value' in zones ? [{ whose: 'issue', theirs: zones.value.now, ours: zonesAt }] : []),
    ]),
    await replicationFinding(config, policy),
  ];
}

type Works = Readonly<{ reconcile: Part<unknown>; issue: Part<unknown>; sync: Finding }>;

function doorFindings(doors: readonly Door[], config: Config, works: Works): readonly Finding[] {
  const proof = (of: Part<unknown>) => ('value' in of ? true : undefined);
  const proofs: Readonly<Record<string, true | string | undefined>> = {
    reconcile: problemOf(works.reconcile) ?? proof(works.reconcile),
    issue: problemOf(works.issue) ?? proof(works.issue),
    sync: works.sync.state === 'ok' ? true : undefined,
  };
  return doors.map((door) => doorFinding(door, config, proofs[door.name]));
}

// Only a problem of the function itself is its own: the api that is away has said so before.
const problemOf = (of: Part<unknown>): string | undefined =>
  'problem' in of && /the (reconcile|issue) function/.test(of.problem) ? of.problem : undefined;

const dated = (door: Door): readonly Reading[] =>
  'date' in door && door.date ? [{ whose: door.name, theirs: door.date, ours: door.at }] : [];
