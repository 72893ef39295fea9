import type { CertificateIdentity } from '../domain/certificate.ts';
import type { CertificateRecord, SavedChallenge, StoredRecord } from '../domain/record.ts';
import type { IssueReason } from '../domain/task.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type {
  CertificateAuthorities,
  CertificateRecords,
  CertificateVersions,
  CertificateWriter,
  IssueQueue,
  KeyVault,
  Log,
  NameLookup,
  Pki,
  Time,
  Zones,
} from '../ports.ts';

export type IssuePorts = Readonly<{
  records: CertificateRecords;
  versions: CertificateVersions;
  writer: CertificateWriter;
  vault: KeyVault;
  authorities: CertificateAuthorities;
  pki: Pki;
  zones: Zones;
  lookup: NameLookup;
  queue: IssueQueue;
  time: Time;
  log: Log;
}>;

export type IssueSettings = Readonly<{
  installation: string;
  zoneProjects: readonly string[];
  settleMs: number;
}>;

/** One attempt under a lease, with the moment at which it has to stop. */
export type Attempt = Readonly<{
  certificate: string;
  identity: CertificateIdentity;
  /** A person's wish stays a wish when it fails. */
  reason: IssueReason;
  holder: string;
  deadline: Date;
  ports: IssuePorts;
  settings: IssueSettings;
}>;

/** The secret that holds the key of an order under way. */
export const pendingName = ({ installation }: IssueSettings, certificate: string): string =>
  `${installation}-pending-${certificate}`;

/** Takes our values out of DNS and returns those that it could not: a zone closed to us holds up neither the others nor an order. */
export async function removeChallenges(
  { ports, certificate }: Attempt,
  challenges: readonly SavedChallenge[],
): Promise<readonly SavedChallenge[]> {
  const zones = Map.groupBy(challenges, ({ project, zone }) => `${project}/${zone}`);
  const left = await Promise.all(
    [...zones].map(async ([zone, of]) => {
      try {
        await ports.zones.remove(of);
        return [];
      } catch (error) {
        const owners = of.map(({ owner }) => owner);
        const reason = messageOf(error);
        ports.log.warn('challenge left behind', { certificate, zone, owners, reason });
        return of;
      }
    }),
  );
  return left.flat();
}

/**
 * Destroys the key of an order that is over, and answers whether none of it is left. When the lease is lost, the key may be that of
 * another order and is none of our business.
 */
export async function forgetKey(attempt: Attempt): Promise<boolean> {
  const { ports, settings, certificate } = attempt;
  try {
    const stored = await ports.records.read(certificate);
    if (stored && isHeld(stored.record, attempt))
      await ports.vault.destroy(pendingName(settings, certificate), stored.record.order?.key);
    return true;
  } catch (error) {
    ports.log.warn('pending key left behind', { certificate, reason: messageOf(error) });
    return false;
  }
}

/** Whether the record is under our lease. One that is over may be another's at any moment. */
export const isHeld = ({ lease }: CertificateRecord, { holder, ports }: Attempt): boolean =>
  lease?.holder === holder && lease.until > ports.time.now();

/**
 * A write that only whoever holds the lease may make; a lost lease stops the attempt, one that is over ends it as `unfinished`.
 * undefined leaves the record as it is, once the lease is looked at.
 */
export async function save(
  attempt: Attempt,
  change: (record: CertificateRecord) => CertificateRecord | undefined,
): Promise<StoredRecord> {
  return attempt.ports.records.update(attempt.certificate, (latest) => {
    requireLease(latest, attempt);
    return named(change(latest), attempt);
  });
}

/** A last write, for which the lease may be over, but not another's: then the record stays as it is. */
export async function saveIfOurs(
  attempt: Attempt,
  change: (record: CertificateRecord) => CertificateRecord,
): Promise<StoredRecord> {
  return attempt.ports.records.update(attempt.certificate, (latest) =>
    isOurs(latest, attempt) ? named(change(latest), attempt) : undefined,
  );
}

/** Whether the lease is ours, or was and nobody took it since. */
export const isOurs = (record: CertificateRecord, { holder }: Attempt) =>
  record.lease?.holder === holder;

// A large record is without its names while TXT values take their room. A worker has them from its task, so they are never lost.
function named(
  record: CertificateRecord | undefined,
  { identity: { names } }: Attempt,
): CertificateRecord | undefined {
  return record && { ...record, identity: { ...record.identity, names } };
}

/** A request that timed out keeps running: before each step that cannot be taken back the lease is read again. */
export async function assertLease(attempt: Attempt): Promise<void> {
  const stored = await attempt.ports.records.read(attempt.certificate);
  requireLease(stored?.record, attempt);
}

function requireLease(
  record: CertificateRecord | undefined,
  { certificate, holder, ports }: Attempt,
): void {
  const lease = record?.lease;
  if (lease?.holder === holder) {
    if (lease.until > ports.time.now()) return;
    throw new CertificateError('unfinished', `the lease on certificate ${certificate} is over`);
  }
  throw new CertificateError(
    'lease-lost',
    `the lease on certificate ${certificate} is lost; its new holder goes on`,
  );
}

/** Sleeps, unless that would outlive the attempt: then it throws `unfinished`, and the next attempt goes on from the record. */
export async function pause(
  { deadline, ports: { time } }: Attempt,
  ms: number,
  forWhat: string,
): Promise<void> {
  const end = new Date(time.now().getTime() + ms);
  if (end >= deadline)
    throw new CertificateError('unfinished', `still waiting for ${forWhat}`, { retryAt: end });
  if (ms > 0) await time.sleep(ms);
}
