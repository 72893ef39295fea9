import pLimit from 'p-limit';
import type { PlanEntry } from '../domain/plan.ts';
import type { TargetPlan } from '../domain/plan-rules.ts';
import { newRecord } from '../domain/record.ts';
import { issueTask, taskName } from '../domain/task.ts';
import { messageOf } from '../errors.ts';
import type { CertificateRecords, IssueQueue, Log, RepairMessages } from '../ports.ts';
import {
  type Fault,
  type Survey,
  type SurveyPorts,
  type SurveySettings,
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
    ports.log.error('certificate not handed on', {
      certificate: entry.id,
      reason: messageOf(error),
    });
    return { resource: `certificate ${entry.id}`, message: messageOf(error) };
  }
}

/** The record first, so that a worker finds it; then the task; then the repair. Each may come twice. */
async function act(
  entry: PlanEntry,
  { records, queue, repairs, time }: ReconcilePorts,
): Promise<void> {
  const { id, task, repair, askers } = entry;
  let { stored } = entry;
  if (!stored && task)
    stored = await records.create(
      id,
      newRecord(task.identity, { askers: askers ?? [], manual: undefined }),
    );
  else if (stored && (askers || isVoid(entry)))
    stored = await records.update(id, (record) => ({
      ...record,
      askers: askers ?? record.askers,
      ...(isVoid(entry) ? { issued: undefined, delivered: undefined } : {}),
    }));
  if (task && stored) {
    const work = issueTask(id, task.identity, task.reason, stored.record);
    const now = time.now();
    // Without a version it looks like the first task of its life, whose name is taken.
    const at = isVoid(entry) ? now : task.at;
    await queue.enqueue(taskName(work, { at, since: stored.createdAt, now }), work, task.at);
  }
  if (repair)
    await repairs.publish(id, {
      reason: repair,
      targets: entry.targets.filter(isNamed).map(({ target }) => target),
    });
}

// Every version was disabled: a worker, which judges by the record, would call it good.
const isVoid = ({ task, stored }: PlanEntry) =>
  task?.reason === 'missing' && stored?.record.issued !== undefined;

/** Whom the repair must name: who only still serves the certificate, and who lacks it, for zones are not known to sync. */
const isNamed = ({ asked, standing }: TargetPlan) => !asked || standing.state === 'behind';

/** One line for each decision that changes something or that a person must know of, and one for the whole. */
function report({ plan, refusals, faults }: Survey, log: Log): void {
  for (const { id: certificate, names, action, reason, message } of plan) {
    const fields = { certificate, names, action, reason, explanation: message };
    if (action === 'refuse') log.warn('certificate refused', fields);
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
