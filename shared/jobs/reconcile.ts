import pLimit from 'p-limit';
import type { PlanEntry } from '../domain/plan.ts';
import type { TargetPlan } from '../domain/plan-rules.ts';
import {
  type CertificateRecord,
  type IssuedCertificate,
  isWanted,
  newRecord,
  type StoredRecord,
} from '../domain/record.ts';
import { issueTask, taskName } from '../domain/task.ts';
import { messageOf } from '../errors.ts';
import type { CertificateRecords, IssueQueue, Log, RepairMessages } from '../ports.ts';
import {
  type Fault,
  type Survey,
  type SurveyPorts,
  type SurveySettings,
  sayFault,
  survey,
} from './survey.ts';

export type ReconcilePorts = Omit<SurveyPorts, 'records'> &
  Readonly<{ records: CertificateRecords; queue: IssueQueue; repairs: RepairMessages }>;

const AT_ONCE = 16;

/** Looks at everything, plans, and hands out the work. Throws only when the inventory cannot be read: without it nothing is known. */
export async function reconcile(ports: ReconcilePorts, settings: SurveySettings): Promise<Survey> {
  const seen = await survey(ports, settings);
  const limit = pLimit(AT_ONCE);
  const failed = await Promise.all(
    seen.plan.toSorted(byUrgency).map((entry) => limit(() => attempted(entry, ports))),
  );
  const done = {
    ...seen,
    faults: [...seen.faults, ...failed.filter((fault) => fault !== undefined)],
  };
  report(done, ports.log);
  for (const entry of done.plan) sayWhenRunningOut(entry, ports);
  return done;
}

// What runs out goes first: a large fleet's first tick may use up the quota of writes.
const byUrgency = (one: PlanEntry, other: PlanEntry) => rank(one) - rank(other);

const rank = ({ task }: PlanEntry) => {
  if (task?.reason === 'emergency') return 0;
  return task?.reason === 'missing' ? 2 : 1;
};

async function attempted(entry: PlanEntry, ports: ReconcilePorts): Promise<Fault | undefined> {
  try {
    await act(entry, ports);
    return undefined;
  } catch (error) {
    sayFault('certificate not handed on', { error, certificate: entry.id }, ports.log);
    return { resource: `certificate ${entry.id}`, message: messageOf(error) };
  }
}

/** The record first, so that a worker finds it; then the task; then the repair. Each may come twice. */
async function act(entry: PlanEntry, ports: ReconcilePorts): Promise<void> {
  const { id, task, repair } = entry;
  const { queue, repairs, time } = ports;
  const stored = await noted(entry, ports);
  const isOvertaken = isVoid(entry) && stored?.record.issued !== undefined;
  if (task && stored && !isOvertaken) {
    const work = issueTask(id, task.identity, task.reason, stored.record);
    const planned = { at: task.at, of: stored, now: time.now() };
    await queue.enqueue(taskName(work, planned), work, task.at);
  }
  if (repair)
    await repairs.publish(id, {
      reason: repair,
      targets: entry.targets.filter(isNamed).map(({ target }) => target),
    });
}

/** The record with what the plan found out, as far as nothing else happened since; undefined when there is none and none is needed. */
async function noted(
  entry: PlanEntry,
  { records, time }: ReconcilePorts,
): Promise<StoredRecord | undefined> {
  const { id, task, askers, stored } = entry;
  if (!stored)
    return (
      task &&
      records.create(id, newRecord(task.identity, { askers: askers ?? [], manual: undefined }))
    );
  if (!askers && !isVoid(entry)) return stored;
  return records.update(id, (record) => {
    const isStillVoid = isVoid(entry) && isUntouched(record, stored.record, time.now());
    if (!askers && !isStillVoid) return undefined;
    return {
      ...record,
      askers: askers ?? record.askers,
      ...(isStillVoid ? { issued: undefined, delivered: undefined } : {}),
    };
  });
}

// Every version was disabled: a worker, which judges by the record, would call it good.
const isVoid = ({ task, stored }: PlanEntry) =>
  task?.reason === 'missing' && stored?.record.issued !== undefined;

const isUntouched = (
  { issued, lease }: CertificateRecord,
  surveyed: CertificateRecord,
  now: Date,
) => issued?.version === surveyed.issued?.version && !(lease && lease.until > now);

/** Whom the repair must name: who only still serves the certificate, and who lacks it, for zones are not known to sync. */
const isNamed = ({ asked, standing }: TargetPlan) => !asked || standing.state === 'behind';

const WARNING_BELOW = 0.2;
const ERROR_BELOW = 0.1;

// Alerts look for this line and its `lifeLeft`. Said at every tick, because an alert closes when the line stops coming.
function sayWhenRunningOut(entry: PlanEntry, { log, time }: ReconcilePorts): void {
  const { id: certificate, names, issuer, stored, askers = stored?.record.askers } = entry;
  const issued = stored?.record.issued;
  if (!issued || !askers || !isWanted({ ...stored.record, askers })) return;
  const left = lifeLeft(issued, time.now());
  if (left >= WARNING_BELOW) return;
  const fields = { certificate, names, issuer, notAfter: issued.notAfter, lifeLeft: left };
  if (left < ERROR_BELOW) log.error('certificate running out', fields);
  else log.warn('certificate running out', fields);
}

/** The fraction of its life that a certificate has before it, to three digits as it is logged; zero or less when it has expired. */
const lifeLeft = ({ notBefore, notAfter }: IssuedCertificate, now: Date): number =>
  Math.round(
    (1000 * (notAfter.getTime() - now.getTime())) / (notAfter.getTime() - notBefore.getTime()),
  ) / 1000;

/** One line for each decision that changes something or that a person must know of, and one for the whole. */
function report({ plan, refusals, faults }: Survey, log: Log): void {
  for (const { id: certificate, names, action, reason, message } of plan) {
    const fields = { certificate, names, action, reason, explanation: message };
    if (action === 'refuse') log.warn('certificate refused', fields);
    // A right that is missing does not come by itself.
    else if (reason === 'targets-unreadable') log.warn('certificate planned', fields);
    else if (action !== 'keep') log.info('certificate planned', fields);
  }
  for (const { message, ...refused } of refusals)
    log.warn('request refused', { ...refused, explanation: message });
  const counts = Object.fromEntries(
    [...Map.groupBy(plan, ({ action }) => action)].map(([action, of]) => [action, of.length]),
  );
  log.info('reconciled', {
    certificates: plan.length,
    ...counts,
    refusedRequests: refusals.length,
    faults: faults.length,
  });
}
