import type { CertificateIdentity } from './certificate.ts';
import { heldBack, lagsBehind, standing } from './delivery.ts';
import { askersOf, type DesiredCertificate, targetKey } from './grouping.ts';
import {
  type Case,
  decision,
  type Facts,
  type PlanReason,
  type RepairReason,
  type TargetPlan,
} from './plan-rules.ts';
import type { Asker, IssuedCertificate, StoredRecord, Target } from './record.ts';
import { abridged } from './record-annotations.ts';
import { renewal } from './renewal.ts';
import type { IssueReason } from './task.ts';

/** What becomes of one certificate: an action, the code and sentence of its reason, and what it takes. */
export type PlanEntry = Readonly<{
  id: string;
  names: readonly string[];
  issuer: string;
  action: 'issue' | 'keep' | 'sync' | 'wait' | 'refuse';
  reason: PlanReason;
  message: string;
  /** The moment that the sentence speaks of. */
  at: Date | undefined;
  /** The task for a worker; `at` is its planned moment, which may be past, absent for "now". */
  task:
    | Readonly<{ identity: CertificateIdentity; reason: IssueReason; at: Date | undefined }>
    | undefined;
  /** Why sync is to be told. */
  repair: RepairReason | undefined;
  /** Who the record should name; absent when it names them already. */
  askers: readonly Asker[] | undefined;
  stored: StoredRecord | undefined;
  targets: readonly TargetPlan[];
}>;

/** One entry for each certificate that is desired or stored, in the order of their ids. */
export function plan(facts: Facts): readonly PlanEntry[] {
  const stored = new Map(facts.inventory.map((record) => [record.id, record]));
  const desired = new Set(facts.desired.map(({ id }) => id));
  const seen: Seen = {
    stored,
    serving: servingTargets(facts),
    isHidden: hiddenNamespaces(facts),
  };
  const found: readonly Found[] = [
    ...facts.desired.map((certificate) => ({
      desired: certificate,
      stored: stored.get(certificate.id),
    })),
    ...facts.inventory
      .filter(({ id }) => !desired.has(id))
      .map((record) => ({ desired: undefined, stored: record })),
  ];
  return found
    .map((one) => entry(caseOf(one, seen, facts), facts))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

type Found = Readonly<
  | { desired: DesiredCertificate; stored: StoredRecord | undefined }
  | { desired: undefined; stored: StoredRecord }
>;

type Seen = Readonly<{
  stored: ReadonlyMap<string, StoredRecord>;
  serving: ReadonlyMap<string, readonly Target[]>;
  isHidden: (asker: Asker) => boolean;
}>;

/** The targets whose Secret is ours and says that a certificate is in it, by that certificate's id. */
function servingTargets({ sights, installation }: Facts): ReadonlyMap<string, readonly Target[]> {
  const byCertificate = new Map<string, Target[]>();
  for (const [key, sight] of sights) {
    if (sight.state !== 'present' || sight.secret.installation !== installation) continue;
    const id = sight.secret.certificate;
    if (id === undefined) continue;
    const targets = byCertificate.get(id);
    if (targets) targets.push(targetOf(key));
    else byCertificate.set(id, [targetOf(key)]);
  }
  return byCertificate;
}

/** Whether some Secret where that asker lives could not be read, or was not looked at: whatever it holds is still served. */
function hiddenNamespaces({ sights, unlooked, ...facts }: Facts): Seen['isHidden'] {
  const places = new Set(unlooked);
  for (const [key, { state }] of sights) {
    const { cluster, namespace } = targetOf(key);
    if (state === 'unreadable') places.add(`${cluster}/${namespace}`);
  }
  const clusters = new Set([...places].map((place) => place.split('/')[0]));
  return ({ cluster, namespace }) =>
    facts.unreadableClusters.has(cluster) ||
    !facts.configuredClusters.has(cluster) ||
    (namespace === '*' ? clusters.has(cluster) : places.has(`${cluster}/${namespace}`));
}

function targetOf(key: string): Target {
  const [cluster, namespace, secret] = key.split('/') as [string, string, string];
  return { cluster, namespace, secret };
}

function caseOf({ desired, stored }: Found, seen: Seen, facts: Facts): Case {
  const { serving, isHidden } = seen;
  const { id } = desired ?? stored;
  const { identity } = desired ?? stored.record;
  const versions = knownVersions(id, stored, facts);
  const newest = versions?.find(({ state }) => state === 'enabled');
  // When every version was disabled or destroyed, there is no certificate any more.
  const issued = versions && !newest ? undefined : stored?.record.issued;
  const wanted = { id, identity, issued };
  const planned = (targets: readonly Target[], asked: boolean): readonly TargetPlan[] =>
    targets.map((target) => {
      const standing = standingOf(target, wanted, { seen, facts });
      return { target, asked, standing };
    });
  const served = (serving.get(id) ?? []).filter((target) => facts.mayHold(target, identity.names));
  return {
    id,
    identity,
    names: identity.names,
    desired,
    stored,
    issued,
    newest,
    targets: [
      ...planned(desired?.targets ?? [], true),
      ...planned(
        served.filter((target) => !isTargetOf(desired, target)),
        false,
      ),
    ],
    askers: askersOf([
      ...(desired?.askers ?? []),
      ...served,
      // Who asked last and cannot be asked now: what is unreadable or gone is never taken for a no. Nor is what nobody can judge,
      // while an open order takes the room of the names.
      ...(stored?.record.askers ?? []).filter((asker) => !identity.names || isHidden(asker)),
    ]),
    renewal: renewal(issued, facts.now),
  };
}

/** The version states, when they were looked at and the list is no older than the record. */
function knownVersions(id: string, stored: StoredRecord | undefined, { versions }: Facts) {
  const listed = versions.get(id);
  return listed && lagsBehind(listed, stored?.record.issued?.version ?? 0) ? undefined : listed;
}

const isTargetOf = (desired: DesiredCertificate | undefined, target: Target) =>
  desired?.targets.some((asked) => targetKey(asked) === targetKey(target)) ?? false;

type Wanted = Readonly<{
  id: string;
  identity: Case['identity'] & Readonly<{ names: readonly string[] | undefined }>;
  issued: IssuedCertificate | undefined;
}>;

function standingOf(
  target: Target,
  wanted: Wanted,
  { seen, facts }: Readonly<{ seen: Seen; facts: Facts }>,
): TargetPlan['standing'] {
  const sight = facts.sights.get(targetKey(target));
  if (!sight) return { state: 'unseen' };
  const stands = standing(sight, wanted, facts.installation);
  const { issued, identity } = wanted;
  if (stands.state !== 'behind' || sight.state !== 'present' || !issued) return stands;
  if (renewal(issued, facts.now).at > facts.now) return stands;
  const other = stands.serves === wanted.id ? undefined : seen.stored.get(stands.serves ?? '');
  const due = { ...identity, notAfter: issued.notAfter };
  return (other && heldBack(due, other, sight.secret.fingerprint)) ?? stands;
}

function entry(of: Case, facts: Facts): PlanEntry {
  const { id, identity, names, stored, targets } = of;
  const { issuer, keyType } = identity;
  const { task, ...decided } = decision(of, facts);
  // A record that is another's is neither written to nor delivered.
  const isOurs = decided.reason !== 'identity-mismatch';
  const repair = isOurs ? repairReason(of, facts) : undefined;
  const said =
    repair && decided.action === 'keep'
      ? { action: 'sync' as const, reason: repair, message: REPAIRS[repair] }
      : decided;
  return {
    id,
    names: names ?? [],
    issuer,
    at: undefined,
    ...said,
    task: task &&
      names && { identity: { names, issuer, keyType }, reason: task.reason, at: task.at },
    repair,
    askers: isOurs && !isSame(of.askers, stored?.record.askers ?? []) ? of.askers : undefined,
    stored,
    targets,
  };
}

// What a record keeps of both, for that is all it can hold against us.
const isSame = (one: readonly Asker[], other: readonly Asker[]) =>
  JSON.stringify(askersOf(abridged(one))) === JSON.stringify(askersOf(abridged(other)));

const REPAIRS: Readonly<Record<RepairReason, string>> = {
  'secret-missing': 'a Secret that asks for it is not there',
  'secret-outdated': 'a Secret that asks for it holds something else',
  'secret-drifted': 'somebody else wrote into a Secret of ours',
  'version-changed': 'its newest enabled version is not the one recorded',
  'not-delivered': 'its newest version was not delivered yet',
};

function repairReason(
  { issued, newest, stored, targets, desired }: Case,
  { now }: Facts,
): RepairReason | undefined {
  if (newest && newest.number !== stored?.record.issued?.version) return 'version-changed';
  // What has expired is written nowhere.
  if (!issued || issued.notAfter <= now) return undefined;
  for (const { standing: of } of targets) if (of.state === 'behind') return of.reason;
  // Who asked last and cannot be read now cannot be written to either.
  const isReachable = desired || stored?.record.manual;
  const isDelivered = stored?.record.delivered?.version === issued.version;
  return isReachable && !isDelivered ? 'not-delivered' : undefined;
}
