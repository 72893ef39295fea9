import { certificateId } from '../domain/certificate.ts';
import { versionsToDestroy } from '../domain/delivery.ts';
import { targetKey } from '../domain/grouping.ts';
import type { IssuedCertificate, StoredRecord, Target } from '../domain/record.ts';
import type { Rules } from '../domain/request.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type { CertificateRecords, Handshakes, Log, Time } from '../ports.ts';
import { type DeliverPorts, deliver, type Written } from './deliver.ts';
import { recipients } from './recipients.ts';
import { type Proof, prove, servedHosts } from './verify.ts';

export type SyncPorts = DeliverPorts &
  Readonly<{ records: CertificateRecords; handshakes: Handshakes; time: Time; log: Log }>;

export type SyncSettings = Readonly<{ rules: Rules; keepVersions: number }>;

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
  requireOwnRecord(stored);
  const found = await recipients(stored, message.targets, ports.writers, settings.rules);
  const atLeast = Math.max(message.version ?? 0, stored.record.issued?.version ?? 0);
  const { installation } = settings.rules;
  const done = await deliver(stored, found.recipients, ports, { installation, atLeast });
  if (!done) return { certificate, state: 'nothing', reason: 'no version is enabled' };
  const {
    newest: { issued },
    written,
  } = done;
  report(certificate, issued, written, ports.log);
  const failed = [
    ...found.faults,
    ...written.filter(({ state }) => state === 'failed').map(sentence),
  ];
  await record(
    certificate,
    issued,
    { failed, refused: written.filter(({ state }) => state === 'refused').map(sentence) },
    ports,
  );
  const holding = written
    .filter(({ state }) => state === 'written' || state === 'unchanged')
    .map(({ target }) => target);
  const proofs = await prove(servedHosts(found.ingresses, holding), issued, ports);
  for (const { proven, ...unproven } of proofs)
    if (!proven) ports.log.warn('host not proven', { certificate, ...unproven });
  if (failed.length > 0)
    throw new CertificateError(
      'cluster-unreachable',
      `certificate ${certificate} is not delivered everywhere: ${failed.join('; ')}`,
    );
  await destroyOld(certificate, issued.version, ports, settings.keepVersions);
  return { certificate, state: 'delivered', version: issued.version, targets: written, proofs };
}

/** A record that was edited into another certificate's must not lead that one's key to whoever asks for this one. */
function requireOwnRecord({ id, record: { identity } }: StoredRecord): void {
  const { names, issuer, keyType } = identity;
  if (!names || certificateId({ names, issuer, keyType }) === id) return;
  throw new CertificateError(
    'record-invalid',
    `the record of certificate ${id} holds other names, issuer or key type than its id stands for; look who changed its annotations`,
  );
}

const sentence = ({ target, reason }: Written) => `Secret ${targetKey(target)} ${reason ?? ''}`;

function report(
  certificate: string,
  { version, serial, notAfter }: IssuedCertificate,
  written: readonly Written[],
  log: Log,
): void {
  for (const { target, state, reason } of written) {
    const fields = { certificate, version, serial, notAfter, ...target, state, reason };
    if (state === 'refused') log.warn('secret refused', fields);
    else if (state === 'failed') log.error('secret not written', fields);
    else if (state === 'written') log.info('secret written', fields);
  }
}

type Shortfall = Readonly<{ failed: readonly string[]; refused: readonly string[] }>;

/** The alias moves and the delivery is recorded in one write. What is in the version goes first: somebody may have imported it by hand. */
async function record(
  id: string,
  issued: IssuedCertificate,
  { failed, refused }: Shortfall,
  { records, time }: SyncPorts,
): Promise<void> {
  const at = time.now();
  await records.update(
    id,
    (latest) => ({
      ...latest,
      issued,
      delivered:
        failed.length > 0 ? latest.delivered : { version: issued.version, at, failed: refused },
    }),
    issued.version,
  );
}

async function destroyOld(
  id: string,
  current: number,
  { versions, reader, log }: SyncPorts,
  keep: number,
): Promise<void> {
  for (const number of versionsToDestroy(await versions.list(id), current, keep)) {
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
