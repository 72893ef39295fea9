import {
  type CertificateRecord,
  type Failure,
  isRecordOf,
  isWanted,
  type Lease,
  type SavedChallenge,
  type StoredRecord,
} from '../domain/record.ts';
import { isWithinDay, nextAttempt, renewal } from '../domain/renewal.ts';
import { type IssueReason, type IssueTask, isStale, issueTask, taskName } from '../domain/task.ts';
import { CertificateError, messageOf } from '../errors.ts';
import {
  type Attempt,
  forgetKey,
  type IssuePorts,
  type IssueSettings,
  isHeld,
  isOurs,
  removeChallenges,
  saveIfOurs,
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
// An attempt that comes sooner finds its TXT values propagated.
const SOON_MS = 15 * 60_000;

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
  const now = ports.time.now();
  const lease = { holder, until: new Date(now.getTime() + LEASE_MS) };
  const taken = await take(task, lease, { records: ports.records, now });
  if ('state' in taken) return { certificate, ...taken };
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
    if (isOnlyToTidy(task, taken.record))
      return { certificate, ...(await cleanedUp(attempt, taken)) };
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
  lease: Lease,
  { records, now }: Pick<IssuePorts, 'records'> & Readonly<{ now: Date }>,
): Promise<StoredRecord | Outcome> {
  const idle = (record: CertificateRecord) =>
    record.lease?.holder === lease.holder ? undefined : idleReason(task, record, now);
  try {
    const taken = await records.update(task.certificate, (record) =>
      idle(record) ? undefined : { ...record, lease },
    );
    return idle(taken.record) ?? taken;
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
  if (!isWanted(record))
    return isTidy(record) ? { state: 'kept', reason: 'nothing asks for it any more' } : undefined;
  if (order) return undefined;
  const early = now.getTime() + CLOCK_SKEW_MS;
  if (failure && failure.retryAt.getTime() > early)
    return { state: 'kept', reason: 'a failure holds it back for now' };
  return renewal(issued, now).at.getTime() > early
    ? { state: 'kept', reason: 'it is not due' }
    : undefined;
}

const isTidy = ({ order, challenges }: CertificateRecord) => !order && challenges.length === 0;

/** Whether there is nothing to do but to clean up. A worker does it at once where it may be the last that knows the names. */
const isOnlyToTidy = ({ reason }: IssueTask, record: CertificateRecord) =>
  reason === 'clean-up' || (reason !== 'manual' && !isWanted(record));

// It may come twice or late, when the key of another order must not be touched, nor that of an order which is wanted again.
function tidyReason(task: IssueTask, record: CertificateRecord): Outcome | undefined {
  const { order } = record;
  if (isTidy(record)) return { state: 'kept', reason: 'nothing is left behind' };
  if (!order || (order.url === task.order && !isWanted(record))) return undefined;
  return { state: 'kept', reason: 'an order is under way' };
}

async function cleanedUp(attempt: Attempt, { record }: StoredRecord): Promise<Outcome> {
  const left = await removeChallenges(attempt, record.challenges);
  const isForgotten = await forgetKey(attempt);
  await saveIfOurs(attempt, (latest) => ({
    ...latest,
    order: isForgotten ? undefined : latest.order,
    challenges: left,
    lease: undefined,
  }));
  const reason =
    left.length === 0 && isForgotten
      ? 'what a lost attempt left behind is removed'
      : 'a TXT record or the key of a lost attempt cannot be removed; a later tick tries again';
  return { state: 'kept', reason };
}

/** What an error means for the certificate: recorded first, then the next attempt is sent on its way. */
async function ended(error: CertificateError, attempt: Attempt): Promise<Outcome> {
  if (error.code === 'lease-lost') return { state: 'kept', reason: messageOf(error) };
  if (error.code === 'unfinished') return unfinished(error, attempt);
  return failed(error, attempt);
}

async function unfinished(error: CertificateError, attempt: Attempt): Promise<Outcome> {
  const retryAt = error.retryAt ?? attempt.ports.time.now();
  const stored = await saveIfOurs(attempt, (latest) => ({ ...latest, lease: undefined }));
  await tryAgain(attempt, stored, attempt.reason === 'manual' ? 'manual' : 'resume', retryAt);
  return { state: 'unfinished', retryAt, message: error.message };
}

const LOST = { state: 'kept', reason: 'the lease was lost; another worker has it' } as const;

async function failed(error: CertificateError, attempt: Attempt): Promise<Outcome> {
  const now = attempt.ports.time.now();
  const { record: before } = await recordOf(attempt);
  if (!isOurs(before, attempt)) return LOST;
  const left = await tidied(error, before, attempt);
  const stored = await saveIfOurs(attempt, (latest) => {
    const kept = error.retryable ? latest : { ...latest, order: undefined, challenges: left };
    // A person's word is good for one attempt at what nothing else asks for.
    const isWish = attempt.reason === 'manual' && isWanted(latest);
    const failure = { ...failureOf(error, latest, now), ...(isWish && { isWish }) };
    return { ...kept, lease: undefined, failure };
  });
  const { failure, lease } = stored.record;
  if (!failure || lease) return LOST;
  const { isWish, ...said } = failure;
  await tryAgain(attempt, stored, isWish ? 'manual' : 'retry', failure.retryAt);
  return { state: 'failed', ...said };
}

function failureOf(
  { code, message, retryAt: asked }: CertificateError,
  { failure, issued }: CertificateRecord,
  now: Date,
): Failure {
  const count = (failure?.count ?? 0) + 1;
  return {
    code,
    message,
    count,
    retryAt: nextAttempt({ code, count, now, issued, retryAt: asked }),
  };
}

/**
 * What of our TXT values is left. An order that is kept keeps them in the record, and its next attempt presents them again; where that is
 * far, none stays in DNS, for below a wildcard `_acme-challenge.NAME` makes NAME an empty non-terminal (RFC 4592 section 2.2.2): for as
 * long as it stands, the host of that NAME has no address.
 */
async function tidied(
  error: CertificateError,
  record: CertificateRecord,
  attempt: Attempt,
): Promise<readonly SavedChallenge[]> {
  const now = attempt.ports.time.now();
  if (!isHeld(record, attempt)) return record.challenges;
  const { retryAt } = failureOf(error, record, now);
  const isSoon = error.retryable && retryAt.getTime() - now.getTime() <= SOON_MS;
  const left = isSoon ? record.challenges : await removeChallenges(attempt, record.challenges);
  if (!error.retryable) await forgetKey(attempt);
  return left;
}

async function recordOf({ ports, certificate }: Attempt): Promise<StoredRecord> {
  const stored = await ports.records.read(certificate);
  if (stored) return stored;
  throw new CertificateError('not-found', `the secret of certificate ${certificate} is gone`);
}

// Where this fails, or the moment is far, a later tick finds the recorded failure and makes the very same task.
async function tryAgain(
  { ports, certificate, identity }: Attempt,
  stored: StoredRecord,
  reason: IssueReason,
  at: Date,
): Promise<void> {
  const now = ports.time.now();
  if (!isWithinDay(at, now)) return;
  const task = issueTask(certificate, identity, reason, stored.record);
  const planned = { at, of: stored, now };
  try {
    await ports.queue.enqueue(taskName(task, planned), task, at);
  } catch (error) {
    ports.log.warn('next attempt not enqueued', { certificate, reason: messageOf(error) });
  }
}
