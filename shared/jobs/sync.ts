import { type Outcome, recorded, versionsToDestroy } from '../domain/delivery.ts';
import { targetKey } from '../domain/grouping.ts';
import type { StoredRecord, Target, VersionState } from '../domain/record.ts';
import type { Rules } from '../domain/request.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type { CertificateRecords, Handshakes, Log, Time } from '../ports.ts';
import { type DeliverPorts, deliver, type Newest, type Written } from './deliver.ts';
import { type Recipients, recipients } from './recipients.ts';
import { type Proof, prove, servedHosts } from './verify.ts';

export type SyncPorts = DeliverPorts &
  Readonly<{ records: CertificateRecords; handshakes: Handshakes; time: Time; log: Log }>;

export type SyncSettings = Readonly<{ rules: Rules; keepVersions: number }>;

/** The reason of a message that somebody waits for: its delivery is recorded even when nothing was left to deliver. */
export const ASKED = 'asked';

/** What woke sync: a certificate, and Secrets that only still serve it, which nothing else would lead to. */
export type SyncMessage = Readonly<{
  certificate: string;
  reason: string;
  targets: readonly Target[];
  /** The version that the message is about: one that exists, whatever a list says. */
  version?: number | undefined;
}>;

export type SyncOutcome = Readonly<
  | {
      certificate: string;
      state: 'delivered';
      version: number;
      targets: readonly Written[];
      proofs: readonly Proof[];
    }
  | { certificate: string; state: 'nothing'; reason: string }
>;

/**
 * Brings the newest enabled version of a certificate to every Secret that is to hold it. Late, doubled and concurrent messages are
 * fine. Throws only after everything that could be done is done, when the message has to come again.
 */
export async function sync(
  message: SyncMessage,
  ports: SyncPorts,
  settings: SyncSettings,
): Promise<SyncOutcome> {
  const { certificate } = message;
  const stored = await ports.records.read(certificate);
  if (!stored) return { certificate, state: 'nothing', reason: 'its secret is gone' };
  const { rules } = settings;
  const found = await recipients({ stored, named: message.targets }, ports.writers, rules);
  // Who cannot be asked now may be the one who knows the names.
  if (!found.names && found.faults.length > 0) throw undelivered(certificate, found.faults);
  requireNames(stored, found);
  const atLeast = Math.max(message.version ?? 0, stored.record.issued?.version ?? 0);
  const done = await deliver({ stored, ...found, atLeast }, ports, rules);
  if (!done) return { certificate, state: 'nothing', reason: 'no version is enabled' };
  report(certificate, done, ports.log);
  const isAsked = message.reason === ASKED;
  return concluded(stored, { ...found, ...done, isAsked }, { ports, settings });
}

/** Who asks by hand, or not at all, has no other names than the record's, which a large one is without while an order is open. */
function requireNames({ id, record }: StoredRecord, { names }: Recipients): void {
  const { identity, manual, order } = record;
  if (identity.names || !order || (names && !manual)) return;
  throw new CertificateError(
    'unfinished',
    `the names of certificate ${id} make room in its record for an order that is under way; it is delivered once that has ended`,
  );
}

type Done = NonNullable<Awaited<ReturnType<typeof deliver>>>;
type Delivered = Recipients & Done & Readonly<{ isAsked: boolean }>;
type Surroundings = Readonly<{ ports: SyncPorts; settings: SyncSettings }>;

/** What follows from a delivery. The proofs go last: they may take long, and nothing depends on them. */
async function concluded(
  stored: StoredRecord,
  delivered: Delivered,
  { ports, settings }: Surroundings,
): Promise<SyncOutcome> {
  const { id: certificate } = stored;
  const { newest, written, faults, isAsked } = delivered;
  const { version } = newest.issued;
  if (newest.isExpired) return expired(stored, delivered, ports);
  const withheld = sentences(written, 'withheld');
  if (withheld.length > 0 && version !== stored.record.issued?.version)
    throw unrecorded(certificate, version, withheld);
  const failed = [...faults, ...sentences(written, 'failed')];
  const refused = [...sentences(written, 'refused'), ...withheld];
  const isNewest = await record(stored, { newest, failed, refused, isAsked }, ports);
  if (isNewest && failed.length === 0) await destroyOld(certificate, newest, { ports, settings });
  const proofs = isNewest ? await proven(certificate, delivered, ports) : [];
  if (failed.length > 0) throw undelivered(certificate, failed);
  return isNewest
    ? { certificate, state: 'delivered', version, targets: written, proofs }
    : { certificate, state: 'nothing', reason: `a newer version than ${version} came in between` };
}

/** Nothing is written, and nothing comes again: what is recorded is renewed at the next tick. */
async function expired(
  stored: StoredRecord,
  { newest, isAsked }: Delivered,
  ports: SyncPorts,
): Promise<SyncOutcome> {
  const { version, notAfter } = newest.issued;
  const reason = `version ${version} is good until ${notAfter.toISOString()} only, so it is written nowhere until it is renewed`;
  await record(stored, { newest, failed: [reason], refused: [], isAsked }, ports);
  return { certificate: stored.id, state: 'nothing', reason };
}

async function proven(
  certificate: string,
  { newest, written, ingresses }: Delivered,
  ports: SyncPorts,
): Promise<readonly Proof[]> {
  const holding = written
    .filter(({ state }) => state === 'written' || state === 'unchanged')
    .map(({ target }) => target);
  const proofs = await prove(servedHosts(ingresses, holding), newest.issued, ports);
  for (const { proven: isProven, ...unproven } of proofs)
    if (!isProven) ports.log.warn('host not proven', { certificate, ...unproven });
  return proofs;
}

const undelivered = (certificate: string, failed: readonly string[]) =>
  new CertificateError(
    'cluster-unreachable',
    `certificate ${certificate} is not delivered everywhere: ${failed.join('; ')}`,
  );

// What is recorded is what is renewed: a Secret that may not have it would go on serving what nobody renews.
const unrecorded = (certificate: string, version: number, withheld: readonly string[]) =>
  new CertificateError(
    'certificate-invalid',
    `version ${version} of certificate ${certificate} is not for everybody, and the one before is renewed: ${withheld.join('; ')}`,
  );

const sentences = (written: readonly Written[], of: Written['state']): readonly string[] =>
  written
    .filter(({ state }) => state === of)
    // What is refused says so of the Secret itself, what failed is a sentence of its own.
    .map(({ target, reason = '' }) => {
      const why = of === 'failed' ? `is not written: ${reason}` : reason;
      return `Secret ${targetKey(target)} ${why}`;
    });

function report(certificate: string, { newest, written }: Done, log: Log): void {
  const { version, serial, notAfter } = newest.issued;
  for (const { target, state, reason } of written) {
    const fields = { certificate, version, serial, notAfter, ...target, state, reason };
    // Only what is refused calls a person: the rest is sent again, and has an alert of its own when that does not help.
    if (state === 'refused') log.error('secret refused', fields);
    else if (state === 'withheld') log.warn('secret refused', fields);
    else if (state === 'failed') log.warn('secret not written', fields);
    else if (state === 'held') log.info('secret held', fields);
    else if (state === 'written') log.info('secret written', fields);
  }
}

type Result = Readonly<{
  newest: Newest;
  failed: readonly string[];
  refused: readonly string[];
  isAsked: boolean;
}>;

/**
 * The alias moves and the delivery is recorded in one write. What is in the version goes first: somebody may have imported it by hand.
 * False when there is a newer version by now.
 */
async function record(
  { id, record: before }: StoredRecord,
  { newest, failed, refused, isAsked }: Result,
  { records, versions, time }: SyncPorts,
): Promise<boolean> {
  const { issued } = newest;
  // Whoever disabled the version that is recorded may have enabled it again, and another run delivered it.
  const isBack = (before.issued?.version ?? 0) > issued.version;
  const outcome: Outcome = {
    ...{ issued, listed: isBack ? await versions.list(id) : newest.listed },
    ...{ refused, failed, isAsked, at: time.now() },
  };
  const { record: latest } = await records.update(
    id,
    (found) => recorded(found, outcome),
    issued.version,
  );
  return latest.issued?.version === issued.version;
}

async function destroyOld(
  id: string,
  { issued, listed }: Newest,
  { ports: { versions, reader, log }, settings }: Surroundings,
): Promise<void> {
  const old = (of: readonly VersionState[]) =>
    versionsToDestroy(of, issued.version, settings.keepVersions);
  if (old(listed).length === 0) return;
  // There is no way back from this, so what is there now decides.
  for (const number of old(await versions.list(id))) {
    try {
      await reader.destroy(id, number);
    } catch (error) {
      log.warn('old version not destroyed', {
        certificate: id,
        version: number,
        reason: messageOf(error),
      });
    }
  }
}
