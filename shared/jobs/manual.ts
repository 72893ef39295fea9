import { type CertificateIdentity, certificateId } from '../domain/certificate.ts';
import { targetKey } from '../domain/grouping.ts';
import {
  type CertificateRecord,
  isRecordOf,
  type ManualRequest,
  newRecord,
  type StoredRecord,
  type Target,
} from '../domain/record.ts';
import { renewal } from '../domain/renewal.ts';
import { manualRequests, type Rules } from '../domain/request.ts';
import { issueTask, taskName } from '../domain/task.ts';
import type { CertificateRecords, IssueQueue, Schedule, Time } from '../ports.ts';
import type { Look, Looked, Sightings } from './look.ts';

export type ManualPorts = Readonly<{
  records: CertificateRecords;
  queue: IssueQueue;
  schedule: Pick<Schedule, 'run'>;
  look: (look: Look) => Promise<Sightings>;
  time: Pick<Time, 'now'>;
}>;

/** What a person wants: a certificate, and the Secrets it is to go to. Without Secrets it is only stored. */
export type ManualOrder = Readonly<{
  identity: CertificateIdentity;
  targets: readonly Target[];
  by: string;
}>;

export type ManualRefusal =
  | 'not-allowed'
  | 'secret-refused'
  | 'secret-unreadable'
  | 'target-taken'
  | 'record-mismatch'
  | 'too-many-targets'
  | 'names-unknown'
  | 'not-found';

/** What a person's word led to. Nothing was recorded when it is refused. */
export type ManualOutcome =
  | Accepted
  | Readonly<{ state: 'refused'; reason: ManualRefusal; message: string }>;

/** `before` is the record as it was handed on. `awaits` is what has to change in it before the person has what was asked for. */
export type Accepted = Readonly<{
  state: 'accepted';
  before: StoredRecord;
  awaits: Readonly<{ version: boolean; delivery: boolean }>;
}>;

/** What a record has room for. */
export const MOST_MANUAL_TARGETS = 20;

/** Checks a request by hand against the policy and a look at its Secrets, records it, and sets the engines going. May come twice. */
export async function askByHand(
  order: ManualOrder,
  ports: ManualPorts,
  rules: Rules,
): Promise<ManualOutcome> {
  const id = certificateId(order.identity);
  const at = ports.time.now();
  const forbidden = policyRefusal({ ...order, at }, rules);
  if (forbidden) return forbidden;
  const { targets, identity } = order;
  const { names, issuer } = identity;
  const { outside, secrets } = await ports.look({ certificate: id, names, issuer, targets });
  const inTheWay =
    outside === undefined ? lookRefusal(targets, secrets) : refused('not-allowed', outside);
  if (inTheWay) return inTheWay;
  const before = await recorded(id, { ...order, at }, ports.records);
  if ('state' in before) return before;
  const isDue = renewal(before.record.issued, at).at <= at;
  if (isDue) await enqueue(before, identity, ports);
  else if (targets.length > 0) await ports.schedule.run();
  const isServed = secrets.every((of) => 'serves' in of && of.serves === id);
  return {
    state: 'accepted',
    before,
    awaits: { version: isDue, delivery: targets.length > 0 && (isDue || !isServed) },
  };
}

/** Replaces the version of this moment, due or not. */
export async function renewByHand(
  id: string,
  ports: Pick<ManualPorts, 'records' | 'queue' | 'time'>,
): Promise<ManualOutcome> {
  const before = await ports.records.read(id);
  if (!before)
    return refused('not-found', `there is no certificate ${id}; "status" has their whole ids`);
  const { names, issuer, keyType } = before.record.identity;
  if (!names)
    return refused(
      'names-unknown',
      `the names of certificate ${id} make room in its record for an order that is under way; ask again once that has ended`,
    );
  await enqueue(before, { names, issuer, keyType }, ports);
  const isDelivered = before.record.askers.length + (before.record.manual?.targets.length ?? 0) > 0;
  return { state: 'accepted', before, awaits: { version: true, delivery: isDelivered } };
}

/** `message` says what failed: the certificate itself, or its way into a Secret that a person named. */
export type Progress =
  | Readonly<{ state: 'open' | 'done' }>
  | Readonly<{ state: 'failed'; what: 'certificate' | 'delivery'; message: string }>;

/** How far a request by hand has come, judged by what changed in the record since. */
export function progress(
  { before, awaits }: Accepted,
  { issued, failure, delivered }: CertificateRecord,
): Progress {
  const was = before.record;
  const isIssued = !awaits.version || (issued?.version ?? 0) > (was.issued?.version ?? 0);
  if (!isIssued) return issueProgress(failure, was.failure);
  if (!awaits.delivery) return { state: 'done' };
  const isNew = delivered?.at.getTime() !== was.delivered?.at.getTime();
  if (!isNew || !delivered || delivered.version !== issued?.version) return { state: 'open' };
  const message = shortfall(was.manual?.targets ?? [], delivered.failed);
  return message ? { state: 'failed', what: 'delivery', message } : { state: 'done' };
}

function issueProgress(
  failure: CertificateRecord['failure'],
  before: CertificateRecord['failure'],
): Progress {
  if (!failure || isSame(failure, before)) return { state: 'open' };
  const message = `${failure.code}: ${failure.message}`;
  return { state: 'failed', what: 'certificate', message };
}

/** What the delivery says of the Secrets that a person named; the others are no part of what was asked. */
const shortfall = (targets: readonly Target[], failed: readonly string[]) =>
  failed
    .filter((sentence) =>
      targets.some((target) => sentence.startsWith(`Secret ${targetKey(target)} `)),
    )
    .join('; ');

const isSame = (
  failure: NonNullable<CertificateRecord['failure']>,
  other: CertificateRecord['failure'],
) => failure.count === other?.count && failure.retryAt.getTime() === other.retryAt.getTime();

type Dated = ManualOrder & Readonly<{ at: Date }>;
type Refused = Extract<ManualOutcome, { state: 'refused' }>;

const refused = (reason: ManualRefusal, message: string): Refused => ({
  state: 'refused',
  reason,
  message,
});

// The zones are unknown here: the look says whether a name lies in one.
function policyRefusal({ identity, targets, at }: Dated, rules: Rules): Refused | undefined {
  const { names, issuer } = identity;
  const asked = { names, issuer, targets, at };
  const zones = { suffixes: [], complete: false };
  const [first] = manualRequests(asked, { rules, zones }).refusals;
  return first && refused('not-allowed', first.message);
}

function lookRefusal(
  targets: readonly Target[],
  standings: readonly Looked[],
): Refused | undefined {
  const seen = targets.map((target, index) => ({ target, standing: standings[index] }));
  for (const { target, standing } of seen) {
    if (standing?.state !== 'refused') continue;
    const { reason, message } = standing;
    return reason === 'target-taken'
      ? refused(reason, message)
      : refused('secret-refused', `Secret ${targetKey(target)} ${message}`);
  }
  for (const { target, standing } of seen)
    if (!standing || standing.state === 'unreadable')
      return refused(
        'secret-unreadable',
        `Secret ${targetKey(target)} ${standing?.message ?? 'was not looked at'}`,
      );
  return undefined;
}

/** The record with the person's word in it. The etag lets nobody's word get lost when two ask at once. */
async function recorded(
  id: string,
  order: Dated,
  records: CertificateRecords,
): Promise<StoredRecord | Refused> {
  const first = merged(undefined, order);
  if (!first) return tooMany(order.targets.length);
  const stored =
    (await records.read(id)) ??
    (await records.create(id, newRecord(order.identity, { askers: [], manual: first })));
  let refusal: Refused | undefined;
  const written = await records.update(stored.id, (record) => {
    refusal = recordRefusal(id, record, order);
    const manual = merged(record.manual, order);
    return refusal || manual === record.manual ? undefined : { ...record, manual };
  });
  return refusal ?? written;
}

function recordRefusal(id: string, record: CertificateRecord, order: Dated): Refused | undefined {
  if (!isRecordOf(record, order.identity))
    return refused(
      'record-mismatch',
      `the secret of certificate ${id} records other names, issuer or key type than its id stands for; look who changed its annotations`,
    );
  if (merged(record.manual, order)) return undefined;
  return tooMany(union(record.manual?.targets ?? [], order.targets).length);
}

const tooMany = (count: number) =>
  refused(
    'too-many-targets',
    `with these it would go to ${count} Secrets by hand; at most ${MOST_MANUAL_TARGETS} are kept, so name the others in the configuration or in Ingresses`,
  );

/** Both words in one; undefined when they do not fit. The very same request when there is nothing new in it. */
function merged(
  manual: ManualRequest | undefined,
  { targets, by, at }: Dated,
): ManualRequest | undefined {
  if (!manual) return targets.length <= MOST_MANUAL_TARGETS ? { targets, by, at } : undefined;
  const all = union(manual.targets, targets);
  const isOurs = manual.by === by && manual.at.getTime() === at.getTime();
  if (targets.length === 0 || (isOurs && all.length === manual.targets.length)) return manual;
  return all.length <= MOST_MANUAL_TARGETS ? { targets: all, by, at } : undefined;
}

const union = (some: readonly Target[], others: readonly Target[]): readonly Target[] => [
  ...new Map([...some, ...others].map((target) => [targetKey(target), target])).values(),
];

/** Every word of a person is a task of its own, so the moment is in its name; what it finds done it leaves alone. */
async function enqueue(
  stored: StoredRecord,
  identity: CertificateIdentity,
  { queue, time }: Pick<ManualPorts, 'queue' | 'time'>,
): Promise<void> {
  const task = issueTask(stored.id, identity, 'manual', stored.record);
  const now = time.now();
  await queue.enqueue(taskName(task, { at: now, of: stored, now }), task, undefined);
}
