import {
  type CertificateRecord,
  isRecordOf,
  isWanted,
  type StoredRecord,
} from '../domain/record.ts';
import { nextAttempt, renewal } from '../domain/renewal.ts';
import { type IssueReason, type IssueTask, isStale, issueTask, taskName } from '../domain/task.ts';
import { CertificateError, messageOf } from '../errors.ts';
import {
  type Attempt,
  type IssuePorts,
  type IssueSettings,
  pendingName,
  removeChallenges,
} from './attempt.ts';
import { obtain } from './order.ts';

/** How an attempt ended. Every one of them is an answer to the task: what is to be tried again has a task of its own. */
export type IssueOutcome = Readonly<
  { certificate: string } & (
    | { state: 'issued'; version: number; serial: string; notAfter: Date }
    | { state: 'kept'; reason: string }
    | { state: 'busy'; until: Date }
    | { state: 'unfinished'; retryAt: Date; message: string }
    | { state: 'failed'; code: string; message: string; count: number; retryAt: Date }
    | { state: 'refused'; reason: string }
  )
>;

// Worker deadline < task deadline (100 s) < function timeout (110 s) < lease: whoever holds a lease may act, and nobody outlives it.
const WORKER_MS = 90_000;
const LEASE_MS = 120_000;
// The clocks of Cloud Tasks and of this instance differ a little.
const CLOCK_SKEW_MS = 5_000;

/**
 * One attempt at one certificate. It may be started twice, at once or late: the lease, taken by compare-and-swap together with the
 * decision, lets one through. `holder` must be new for each call.
 */
export async function issue(
  task: IssueTask,
  holder: string,
  ports: IssuePorts,
  settings: IssueSettings,
): Promise<IssueOutcome> {
  const { certificate } = task;
  const taken = await take(task, holder, ports);
  if ('state' in taken) return { certificate, ...taken };
  const now = ports.time.now();
  const attempt: Attempt = {
    certificate,
    identity: task.identity,
    reason: task.reason,
    holder,
    ports,
    settings,
    deadline: new Date(now.getTime() + WORKER_MS),
  };
  try {
    if (task.reason === 'clean-up') return { certificate, ...(await cleanedUp(attempt, taken)) };
    const issued = await obtain(attempt, taken);
    return {
      certificate,
      state: 'issued',
      version: issued.version,
      serial: issued.serial,
      notAfter: issued.notAfter,
    };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    return { certificate, ...(await ended(error, attempt)) };
  }
}

type Outcome = IssueOutcome extends infer Each
  ? Each extends unknown
    ? Omit<Each, 'certificate'>
    : never
  : never;

/** The record under our lease, or why there is nothing to do. */
async function take(
  task: IssueTask,
  holder: string,
  { records, time }: IssuePorts,
): Promise<StoredRecord | Outcome> {
  let idle: Outcome | undefined;
  try {
    const taken = await records.update(task.certificate, (record) => {
      const now = time.now();
      idle = idleReason(task, record, now);
      const until = new Date(now.getTime() + LEASE_MS);
      return idle ? undefined : { ...record, lease: { holder, until } };
    });
    return idle ?? taken;
  } catch (error) {
    if (error instanceof CertificateError && error.code === 'not-found')
      return { state: 'refused', reason: 'its secret is gone' };
    throw error;
  }
}

function idleReason(task: IssueTask, record: CertificateRecord, now: Date): Outcome | undefined {
  const { lease, failure, order, issued } = record;
  if (!isRecordOf(record, task.identity))
    return { state: 'refused', reason: 'its record is that of another certificate' };
  if (lease && lease.until > now) return { state: 'busy', until: lease.until };
  if (task.reason === 'clean-up') return tidyReason(task, record);
  if (isStale(task, record)) return { state: 'kept', reason: 'another attempt was made meanwhile' };
  if (task.reason === 'manual') return undefined;
  if (!isWanted(record)) return { state: 'kept', reason: 'nothing asks for it any more' };
  if (order) return undefined;
  const early = now.getTime() + CLOCK_SKEW_MS;
  if (failure && failure.retryAt.getTime() > early)
    return { state: 'kept', reason: 'a failure holds it back for now' };
  return renewal(issued, now).at.getTime() > early
    ? { state: 'kept', reason: 'it is not due' }
    : undefined;
}

// It may come twice or late, when the key of another order must not be touched, nor that of an order which is wanted again.
function tidyReason(task: IssueTask, record: CertificateRecord): Outcome | undefined {
  const { order, challenges } = record;
  if (!order && challenges.length === 0) return { state: 'kept', reason: 'nothing is left behind' };
  if (!order || (order.url === task.order && !isWanted(record))) return undefined;
  return { state: 'kept', reason: 'an order is under way' };
}

async function cleanedUp(attempt: Attempt, { record }: StoredRecord): Promise<Outcome> {
  await removeChallenges(attempt, record.challenges);
  await forgetKey(attempt);
  await attempt.ports.records.update(attempt.certificate, (latest) =>
    isOurs(latest, attempt)
      ? { ...latest, order: undefined, challenges: [], lease: undefined }
      : undefined,
  );
  return { state: 'kept', reason: 'what a lost attempt left behind is removed' };
}

/** What an error means for the certificate: recorded first, then the next attempt is sent on its way. */
async function ended(error: CertificateError, attempt: Attempt): Promise<Outcome> {
  if (error.code === 'lease-lost') return { state: 'kept', reason: messageOf(error) };
  if (error.code === 'unfinished') return unfinished(error, attempt);
  return failed(error, attempt);
}

async function unfinished(error: CertificateError, attempt: Attempt): Promise<Outcome> {
  const { ports, certificate } = attempt;
  const retryAt = error.retryAt ?? ports.time.now();
  const { record } = await ports.records.update(certificate, (latest) =>
    isOurs(latest, attempt) ? { ...latest, lease: undefined } : undefined,
  );
  await tryAgain(attempt, record, attempt.reason === 'manual' ? 'manual' : 'resume', retryAt);
  return { state: 'unfinished', retryAt, message: error.message };
}

async function failed(error: CertificateError, attempt: Attempt): Promise<Outcome> {
  const { ports, certificate } = attempt;
  const now = ports.time.now();
  const keepsOrder = error.retryable;
  const { record: before } = await recordOf(attempt);
  const isClean = keepsOrder ? false : await isRemoved(attempt, before);
  if (!keepsOrder) await forgetKey(attempt);
  const { record } = await ports.records.update(certificate, (latest) => {
    if (!isOurs(latest, attempt)) return undefined;
    const count = (latest.failure?.count ?? 0) + 1;
    const { code, retryAt: asked } = error;
    const retryAt = nextAttempt({ code, count, now, issued: latest.issued, retryAt: asked });
    const kept = keepsOrder
      ? latest
      : { ...latest, order: undefined, challenges: isClean ? [] : latest.challenges };
    return {
      ...kept,
      lease: undefined,
      failure: { code: error.code, message: error.message, count, retryAt },
    };
  });
  const { failure } = record;
  if (!failure || record.lease)
    return { state: 'kept', reason: 'the lease was lost; another worker has it' };
  // A person's word is good for one attempt at what nothing else asks for.
  const isWish = attempt.reason === 'manual' && isWanted(record);
  await tryAgain(attempt, record, isWish ? 'manual' : 'retry', failure.retryAt);
  return { state: 'failed', ...failure };
}

const isOurs = (record: CertificateRecord, { holder }: Attempt) => record.lease?.holder === holder;

async function recordOf({ ports, certificate }: Attempt): Promise<StoredRecord> {
  const stored = await ports.records.read(certificate);
  if (stored) return stored;
  throw new CertificateError('not-found', `the secret of certificate ${certificate} is gone`);
}

// A failure to clean up must not hide the first failure; what stays is in the record, and a later tick sends for it.
async function isRemoved(attempt: Attempt, { challenges }: CertificateRecord): Promise<boolean> {
  try {
    await removeChallenges(attempt, challenges);
    return true;
  } catch (error) {
    attempt.ports.log.warn('challenge left behind', {
      certificate: attempt.certificate,
      reason: messageOf(error),
    });
    return false;
  }
}

// The key of an order that is given up is of no use to anybody. The next success destroys what stays here.
async function forgetKey({ ports, settings, certificate }: Attempt): Promise<void> {
  try {
    await ports.vault.destroy(pendingName(settings, certificate));
  } catch (error) {
    ports.log.warn('pending key left behind', { certificate, reason: messageOf(error) });
  }
}

// When this fails too, the next tick finds the recorded failure and makes the very same task.
async function tryAgain(
  { ports, certificate, identity }: Attempt,
  record: CertificateRecord,
  reason: IssueReason,
  at: Date,
): Promise<void> {
  const now = ports.time.now();
  const task = issueTask(certificate, identity, reason, record);
  try {
    await ports.queue.enqueue(taskName(task, { at, since: now, now }), task, at);
  } catch (error) {
    ports.log.warn('next attempt not enqueued', { certificate, reason: messageOf(error) });
  }
}
