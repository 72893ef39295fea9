import type { Config } from '../../shared/config.ts';
import type { Plan, Status } from '../documents.ts';
import { APPLY, mend, nameServers, readLog, resumeJob, resumeQueue } from './commands.ts';
import { type Finding, fault, note, ok, type Remedy, unseen } from './finding.ts';
import type { Part } from './part.ts';

const HOUR_MS = 3_600_000;
const MOST_MS_WITHOUT_RUN = 3 * HOUR_MS;

// NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED of google.rpc.Code: the run never reached the function.
const SHUT_OUT = /^failed with status (5|7|16)\b/;

/** The Scheduler job: enabled, and its last run, at most three hours ago, went well. */
export function scheduleFinding(status: Part<Status>, config: Config, now: Date): Finding {
  const check = 'schedule';
  if ('problem' in status) return unseen(check, status.problem);
  const { schedule } = status.value;
  if ('error' in schedule) return fault(check, schedule.error, mend(schedule.error));
  const { state, lastRunAt, lastResult } = schedule;
  if (state !== 'ENABLED')
    return fault(check, `the job is ${state}, so nothing is looked at`, resumeJob(config));
  if (!lastRunAt) return fault(check, 'the job never ran', 'npm run certherd -- run');
  const last = `the last run, at ${lastRunAt.toISOString()},`;
  if (lastResult !== 'ok')
    return fault(
      check,
      `${last} ${lastResult}`,
      SHUT_OUT.test(lastResult) ? APPLY : readLog('reconcile', config),
    );
  if (now.getTime() - lastRunAt.getTime() > MOST_MS_WITHOUT_RUN)
    return fault(check, `${last} is more than three hours ago`, 'npm run certherd -- run');
  return ok(check, `the job is enabled, and ${last} was fine`);
}

/** One finding for the queue of each issuer. */
export function queueFindings(status: Part<Status>, config: Config): readonly Finding[] {
  if ('problem' in status) return [unseen('queues', status.problem)];
  const { queues } = status.value;
  if ('error' in queues) return [fault('queues', queues.error, mend(queues.error))];
  return queues.map(({ issuer, queue, state, problem }) => {
    const check = `queue of ${issuer}`;
    if (problem) return fault(check, problem, mend(problem));
    if (state === 'RUNNING') return ok(check, 'it runs');
    const message = `it is ${state}, so nothing is issued`;
    return fault(check, message, resumeQueue(queue, config));
  });
}

/** What the issue function says of the zones, by `GET /v1/zones`. */
export type ZonesDocument = Readonly<{
  now: Date;
  zones: readonly ExaminedZone[];
  faults: readonly Readonly<{ resource: string; message: string }>[];
}>;

type ExaminedZone = Readonly<{
  project: string;
  zone: string;
  dnsName: string;
  problems: readonly string[];
}>;

/**
 * One finding for each zone. A project may hold zones that are not meant for us: one without any planned name is only noted, as long as
 * another of its project can be used.
 */
export function zoneFindings(
  zones: Part<ZonesDocument>,
  plan: Part<Plan>,
  config: Config,
): readonly Finding[] {
  if ('problem' in zones) return [unseen('zones', zones.problem)];
  const { zones: found, faults } = zones.value;
  const names = 'value' in plan ? plan.value.certificates.flatMap((each) => each.names) : [];
  const isGood = ({ problems }: ExaminedZone) => problems.length === 0;
  const isNeeded = ({ project, dnsName }: ExaminedZone) =>
    names.some((name) => name === dnsName || name.endsWith(`.${dnsName}`)) ||
    !found.some((other) => other.project === project && isGood(other));
  return [
    ...faults.map(({ resource, message }) => fault(resource, message, mend(message))),
    ...config.zones.flatMap(({ project }) => absentZones(project, zones.value)),
    ...found.map((zone) => {
      const check = `zone ${zone.dnsName}`;
      if (isGood(zone)) return ok(check, 'it is public, delegated to Cloud DNS, and writable');
      const judge = isNeeded(zone) ? fault : note;
      return judge(check, zone.problems.join('; '), zoneRepair(zone));
    }),
  ];
}

function absentZones(project: string, { zones, faults }: ZonesDocument): readonly Finding[] {
  const resource = `zones of project ${project}`;
  const isKnown =
    zones.some((zone) => zone.project === project) ||
    faults.some((each) => each.resource === resource);
  if (isKnown) return [];
  const create = `gcloud dns managed-zones create NAME --dns-name=DOMAIN. --description=DOMAIN --project=${project}`;
  return [fault(resource, 'there is no public zone in it', create)];
}

function zoneRepair({ zone, project, problems }: ExaminedZone): Remedy {
  const says = (pattern: RegExp) => problems.some((problem) => pattern.test(problem));
  if (says(/permission denied/))
    return { advice: `name ${project}/${zone} under zones, then apply the deployment` };
  if (says(/is delegated to/)) return nameServers(zone, project);
  if (says(/^cannot look up /))
    return {
      advice:
        'run doctor again in a minute; if that is all it says then, dns.resolver of the configuration or the servers of the zone do not answer',
    };
  return mend(problems.join());
}

/** Whether the api can read the records, and what keeps reconcile from reading more than clusters, which have lines of their own. */
export function storeFindings(status: Part<Status>, plan: Part<Plan>): readonly Finding[] {
  const faults = 'value' in plan ? plan.value.faults : [];
  return [
    storeFinding(status),
    ...faults
      .filter(({ resource }) => !/^(cluster|certificate) /.test(resource))
      .map(({ resource, message }) => fault(`reconcile, ${resource}`, message, mend(message))),
  ];
}

function storeFinding(status: Part<Status>): Finding {
  if ('problem' in status) return unseen('store', status.problem);
  const { certificates } = status.value;
  if ('error' in certificates) return fault('store', certificates.error, mend(certificates.error));
  return ok('store', `the api can read the records, ${certificates.total} of certificates`);
}
