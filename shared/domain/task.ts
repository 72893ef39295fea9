import { type CertificateIdentity, digest } from './certificate.ts';
import type { CertificateRecord, StoredRecord } from './record.ts';

/** Why a certificate is worked on; part of a task's name. */
export type IssueReason =
  | 'missing'
  | 'due'
  | 'emergency'
  | 'manual'
  | 'retry'
  | 'resume'
  | 'clean-up';

/**
 * What a worker is woken with. Holds no secret. `replaces` and `failures` are the version and the count of failures it was made for:
 * a task that comes twice or late finds others and has nothing to do. `order` is the URL of the one that a clean-up gives up.
 */
export type IssueTask = Readonly<{
  certificate: string;
  identity: CertificateIdentity;
  reason: IssueReason;
  replaces: number;
  failures: number;
  order?: string | undefined;
}>;

/** The task that continues from a record as it is. */
export function issueTask(
  certificate: string,
  identity: CertificateIdentity,
  reason: IssueReason,
  record: Attempted,
): IssueTask {
  const left = reason === 'clean-up' && record.order;
  return {
    certificate,
    identity,
    reason,
    ...attempt(record),
    ...(left && { order: left.url }),
  };
}

type Attempted = Pick<CertificateRecord, 'issued' | 'failure' | 'order'>;

const attempt = ({ issued, failure }: Pick<Attempted, 'issued' | 'failure'>) => ({
  replaces: issued?.version ?? 0,
  failures: failure?.count ?? 0,
});

/** Whether the world moved on since the task was made. */
export function isStale(task: IssueTask, record: Attempted): boolean {
  const { replaces, failures } = attempt(record);
  return task.replaces !== replaces || task.failures !== failures;
}

const LOST_AFTER_MS = 6 * 3_600_000;

/**
 * The name under which Cloud Tasks takes a task once. The same decision has the same name at every tick; a new version, another
 * failure, another reason or another moment has a new one. "Now" is another one after each write of the record: what was taken back
 * before a worker came, and is asked for again, is a new decision. A moment that passed long ago without effect means that the task was
 * lost while its name is still remembered (24 h), so every six hours it gets a new name.
 */
export function taskName(
  { certificate, reason, replaces, failures, order }: IssueTask,
  planned: Planned,
): string {
  const { at, of, now } = planned;
  const overdueMs = now.getTime() - (at ?? of.createdAt).getTime();
  const moment =
    overdueMs < LOST_AFTER_MS
      ? (at?.toISOString() ?? 'now')
      : `lost-${Math.floor(overdueMs / LOST_AFTER_MS)}`;
  const parts = [certificate, String(replaces), String(failures), reason, moment];
  if (!at) parts.push(of.etag);
  if (order) parts.push(order);
  // The hash comes first: names that share a beginning slow Cloud Tasks down.
  return `${digest(parts).slice(0, 32)}-${certificate}`;
}

/** `at` is the planned moment, absent for "now"; `of` is the record that was decided upon. */
export type Planned = Readonly<{
  at: Date | undefined;
  of: Pick<StoredRecord, 'createdAt' | 'etag'>;
  now: Date;
}>;
