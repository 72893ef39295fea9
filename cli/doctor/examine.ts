import { z } from 'zod';
import type { Config } from '../../shared/config.ts';
import type { Session } from '../command.ts';
import { planSchema, statusSchema } from '../documents.ts';
import { clusterFindings, queueFindings, scheduleFinding, zoneFindings } from './checks.ts';
import { clockFinding, type Reading } from './clocks.ts';
import { configurationFinding, configurationSchema, runningConfig } from './configuration.ts';
import { deliveryFinding } from './delivery.ts';
import { type Door, doorFinding, functionUrls, knock } from './doors.ts';
import { type Finding, fault, note, ok } from './finding.ts';
import { type PolicyAccess, replicationFinding } from './location-policy.ts';
import { type Part, part } from './part.ts';

/** Where to look, and what should be there. */
export type Examination = Readonly<{
  url: string;
  wanted: Config | undefined;
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

/** Every check, in the order in which one hides another. What the functions may and see only they can say, so the api is asked. */
export async function examine(
  { url, wanted, policy }: Examination,
  session: Session,
): Promise<readonly Finding[]> {
  const { client, now } = session;
  const [status, configuration, door] = await Promise.all([
    part(client.get('/v1/status'), statusSchema),
    part(client.get('/v1/configuration'), configurationSchema),
    knock('api', url, now),
  ]);
  const first = [apiFinding(url, status), configurationFinding(configuration, wanted)];
  const config = runningConfig(configuration) ?? wanted;
  if (!config)
    return [
      ...first,
      note(
        'all else',
        'not checked: the configuration is known neither from the api nor from a file (--config, --terraform-output)',
      ),
    ];
  const [plan, zones, ...doors] = await Promise.all([
    part(client.get('/v1/plan'), planSchema),
    part(client.get('/v1/zones'), zonesSchema),
    ...functionUrls(config).map(([name, at]) => knock(name, at, now)),
  ]);
  const zonesAt = now();
  const delivery = await deliveryFinding(session, config);
  return [
    ...first,
    ...doorFindings(doors, config, { reconcile: plan, issue: zones, sync: delivery }),
    scheduleFinding(status, config, now()),
    ...queueFindings(status, config),
    delivery,
    ...zoneFindings(zones, plan, config),
    ...clusterFindings(plan, config),
    clockFinding([
      ...[door, ...doors].flatMap(dated),
      ...('value' in zones ? [{ whose: 'issue', theirs: zones.value.now, ours: zonesAt }] : []),
    ]),
    await replicationFinding(config, policy),
  ];
}

function apiFinding(url: string, status: Part<unknown>): Finding {
  if ('value' in status) return ok('api', `${url} answers, and knows you`);
  const isLocal = status.problem.endsWith('is npm start running?');
  const repair = isLocal
    ? 'npm start'
    : `curl -i ${url}/health; then compare access in the configuration, and: gcloud run services list`;
  return fault('api', status.problem, repair);
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
