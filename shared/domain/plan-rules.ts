import type { CertificateIdentity } from './certificate.ts';
import type { Held, Sight, Standing } from './delivery.ts';
import { type DesiredCertificate, targetKey } from './grouping.ts';
import {
  type Asker,
  type IssuedCertificate,
  isRecordOf,
  type StoredRecord,
  type Target,
  type VersionState,
} from './record.ts';
import { isWithinDay, type Renewal } from './renewal.ts';
import type { IssueReason } from './task.ts';

/** Everything a plan is made from, gathered before: the plan itself looks at nothing. */
export type Facts = Readonly<{
  now: Date;
  /** What falls due within this time gets its task already, with the exact moment. */
  horizonMs: number;
  installation: string;
  desired: readonly DesiredCertificate[];
  inventory: readonly StoredRecord[];
  /** What is wrong with the records that are there and cannot be understood, by the certificate's id. */
  illegible: ReadonlyMap<string, string>;
  /** Targets looked at, by `targetKey`. A target that is not in it was not looked at this time. */
  sights: ReadonlyMap<string, Sight>;
  /** Where, as `cluster/namespace`, some Secret that may serve a certificate of ours was not looked at this time. */
  unlooked: ReadonlySet<string>;
  /** Version states of the certificates whose turn it was. */
  versions: ReadonlyMap<string, readonly VersionState[]>;
  configuredClusters: ReadonlySet<string>;
  unreadableClusters: ReadonlySet<string>;
  /** Whether the name lies in a zone that could be read, or in a delegated suffix. */
  isProvable: (name: string) => boolean;
  /** Whether a Secret that says it serves a certificate of these names may have it. */
  mayHold: (target: Target, names: readonly string[] | undefined) => boolean;
}>;

export type PlanReason =
  | Renewal['reason']
  | 'fresh'
  | 'not-wanted'
  | 'in-progress'
  | 'backing-off'
  | 'order-open'
  | 'challenge-left'
  | 'version-changed'
  | 'identity-mismatch'
  | 'record-invalid'
  | 'names-unknown'
  | 'targets-refused'
  | 'targets-unreadable'
  | 'targets-not-looked-at'
  | 'zones-unreadable'
  | RepairReason;

export type RepairReason =
  | 'secret-missing'
  | 'secret-outdated'
  | 'secret-drifted'
  | 'version-changed'
  | 'not-delivered';

/** `asked` is false for a Secret that nothing asks to hold this certificate, and that still serves it. */
export type TargetPlan = Readonly<{
  target: Target;
  asked: boolean;
  standing: Standing | Held | Readonly<{ state: 'unseen' }>;
}>;

/** One certificate with all that the rules ask about it. `names` are unknown when only a record is left whose open order takes their room. */
export type Case = Readonly<{
  id: string;
  identity: Pick<CertificateIdentity, 'issuer' | 'keyType'>;
  names: readonly string[] | undefined;
  desired: DesiredCertificate | undefined;
  stored: StoredRecord | undefined;
  issued: IssuedCertificate | undefined;
  newest: VersionState | undefined;
  targets: readonly TargetPlan[];
  askers: readonly Asker[];
  renewal: Renewal;
}>;

/** What a rule says: the task's `at` is its planned moment, which may be past; without one it is "now". */
export type Decision = Readonly<{
  action: 'issue' | 'keep' | 'sync' | 'wait' | 'refuse';
  reason: PlanReason;
  message: string;
  at?: Date;
  task?: Readonly<{ reason: IssueReason; at?: Date }>;
}>;

type Rule = (of: Case, facts: Facts) => Decision | undefined;

const isAnother: Rule = ({ desired, stored }) => {
  if (!desired || !stored || isRecordOf(stored.record, desired.identity)) return undefined;
  const message =
    'its secret records other names, issuer or key type than its id stands for; look who changed the annotations';
  return { action: 'refuse', reason: 'identity-mismatch', message };
};

// What cannot be understood is not absent: a certificate is there, and may be good.
const isIllegible: Rule = ({ id }, { illegible }) => {
  const problem = illegible.get(id);
  return problem === undefined
    ? undefined
    : { action: 'refuse', reason: 'record-invalid', message: `its secret ${problem}` };
};

const isBusy: Rule = ({ stored }, { now }) => {
  const lease = stored?.record.lease;
  if (!lease || lease.until <= now) return undefined;
  return { action: 'wait', reason: 'in-progress', message: 'a worker has it', at: lease.until };
};

const isNotWanted: Rule = (of) => {
  if (of.askers.length > 0 || of.stored?.record.manual) return undefined;
  const message = 'nothing asks for it and nothing serves it, so it is not renewed';
  return { action: 'keep', reason: 'not-wanted', message, ...leftover(of) };
};

const isBackingOff: Rule = ({ stored, renewal }, { now, horizonMs }) => {
  const { failure, order } = stored?.record ?? {};
  if (!failure || failure.retryAt <= now) return undefined;
  const { code, message, count, retryAt: at, isWish } = failure;
  if (!order && !isWish && isAhead(renewal, now, horizonMs)) return undefined;
  return {
    action: 'wait',
    reason: 'backing-off',
    message: `${code}: ${message} (failure ${count} in a row)`,
    at,
    ...(isWithinDay(at, now) && { task: { reason: isWish ? 'manual' : 'retry', at } }),
  };
};

const hasOpenOrder: Rule = ({ stored, names }) => {
  if (!stored?.record.order || !names) return undefined;
  const message = 'its order was left open and is resumed';
  return { action: 'issue', reason: 'order-open', message, task: { reason: 'resume' } };
};

// Whoever is unreadable may come back; who refuses has to be spoken to. Neither may cost an order; one that is open is paid for, and
// is finished.
const isUndeliverable: Rule = (of, facts) => {
  const { targets, renewal, stored } = of;
  if (stored?.record.order) return undefined;
  if (targets.length === 0) return hasNoTarget(of);
  if (targets.some(isWritable)) return undefined;
  const isIssued = renewal.reason !== 'missing';
  const hindered = targets.filter(isHindered);
  const refused = hindered.filter(({ standing }) => standing.state === 'refused');
  if (refused.length === targets.length && !(isIssued && isAskedUnseen(of, facts)))
    return {
      action: 'refuse',
      reason: 'targets-refused',
      message: sentences(refused),
      ...leftover(of),
    };
  // What was issued once is served somewhere: it is renewed while its clusters are away.
  if (isIssued) return undefined;
  const unreadable = hindered.find(({ standing }) => standing.state === 'unreadable');
  if (!unreadable)
    return {
      action: 'wait',
      reason: 'targets-not-looked-at',
      message: 'its Secrets are looked at in a later run',
    };
  return {
    action: 'wait',
    reason: 'targets-unreadable',
    message: `${said(unreadable)}; nothing is ordered that may not be delivered`,
  };
};

/** Whether it was asked for where no target of it was seen now: it may be served there. */
const isAskedUnseen = ({ askers, targets }: Case, { unlooked }: Facts) =>
  askers.some(
    ({ cluster, namespace }) =>
      unlooked.has(`${cluster}/${namespace}`) ||
      !targets.some(({ target }) => target.cluster === cluster && target.namespace === namespace),
  );

function hasNoTarget(of: Case): Decision | undefined {
  const { stored, askers, renewal } = of;
  if (stored?.record.manual?.targets.length === 0) return undefined;
  const [asker] = askers;
  if (!asker)
    return {
      action: 'refuse',
      reason: 'targets-refused',
      message: 'it was asked for by hand for Secrets that may not hold it now',
      ...leftover(of),
    };
  if (renewal.reason !== 'missing') return undefined;
  return {
    action: 'wait',
    reason: 'targets-unreadable',
    message: `namespace ${asker.namespace} of cluster ${asker.cluster} asked for it and cannot be read; nothing is ordered that may not be delivered`,
  };
}

const isWritable = ({ standing: { state } }: TargetPlan) =>
  state === 'current' || state === 'behind';

type Hindered = TargetPlan & Readonly<{ standing: Readonly<{ message: string }> }>;

const isHindered = (of: TargetPlan): of is Hindered => 'message' in of.standing;

const MOST_SENTENCES = 3;

function sentences(hindered: readonly Hindered[]): string {
  const rest = hindered.length - MOST_SENTENCES;
  const more = rest > 0 ? [`and ${rest} more Secrets`] : [];
  return [...hindered.slice(0, MOST_SENTENCES).map(said), ...more].join('; ');
}

/** What stands in the way of a target, in a sentence that names its Secret. */
const said = ({ target, standing }: Hindered) => `Secret ${targetKey(target)} ${standing.message}`;

// A version that somebody added by hand where none was recorded: sync looks into it before anything is issued over it. One that
// sync cannot understand never holds up a renewal.
const isUndescribed: Rule = ({ newest, issued }) => {
  if (!newest || issued) return undefined;
  const message = `version ${newest.number} was not made by a worker; sync looks into it`;
  return { action: 'sync', reason: 'version-changed', message };
};

const isFresh: Rule = (of, { now, horizonMs }) => {
  const { renewal } = of;
  if (!isAhead(renewal, now, horizonMs)) return undefined;
  const left = leftover(of);
  if (left.task)
    return {
      action: 'keep',
      reason: 'challenge-left',
      message: 'a TXT record of ours is left and is removed',
      ...left,
    };
  return {
    action: 'keep',
    reason: 'fresh',
    message: `renewed from ${renewal.at.toISOString()} on`,
    at: renewal.at,
  };
};

const isAhead = ({ reason, at }: Renewal, now: Date, horizonMs: number) =>
  reason === 'due' && at.getTime() > now.getTime() + horizonMs;

const isNameless: Rule = ({ names }) => {
  if (names) return undefined;
  const message =
    'its names made room in its record for an order that is under way; the worker puts them back';
  return { action: 'wait', reason: 'names-unknown', message };
};

const isUnprovable: Rule = ({ names = [], renewal: { reason } }, { isProvable }) => {
  const name = names.find((candidate) => !isProvable(candidate));
  if (reason !== 'missing' || name === undefined) return undefined;
  const message = `the zones of a project cannot be read, and ${name} lies in none of the others`;
  return { action: 'wait', reason: 'zones-unreadable', message };
};

const WHY_DUE: Readonly<Record<Renewal['reason'], string>> = {
  missing: 'there is no certificate yet',
  due: 'its time of renewal has come',
  emergency: 'more than five sixths of its life are over',
};

const isDue = ({ renewal: { reason, at } }: Case): Decision => {
  const message = WHY_DUE[reason];
  if (reason === 'missing') return { action: 'issue', reason, message, task: { reason } };
  return { action: 'issue', reason, message, at, task: { reason, at } };
};

const RULES: readonly Rule[] = [
  isAnother,
  isIllegible,
  isBusy,
  isNotWanted,
  isUndeliverable,
  isBackingOff,
  hasOpenOrder,
  isUndescribed,
  isFresh,
  isNameless,
  isUnprovable,
];

/** The first rule to speak decides; a certificate that no rule holds back is issued. */
export function decision(of: Case, facts: Facts): Decision {
  for (const rule of RULES) {
    const said = rule(of, facts);
    if (said) return said;
  }
  return isDue(of);
}

// Without the names no worker can be told whose leftovers they are.
function leftover({ stored, names }: Case): Pick<Decision, 'task'> {
  const left = names && stored && (stored.record.challenges.length > 0 || stored.record.order);
  return left ? { task: { reason: 'clean-up' } } : {};
}
