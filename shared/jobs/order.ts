import {
  type CertificateRecord,
  type DatedOrder,
  type IssuedCertificate,
  isAskable,
  keyed,
  type SavedChallenge,
  type StoredRecord,
} from '../domain/record.ts';
import { fits, remembered } from '../domain/record-annotations.ts';
import { CertificateError } from '../errors.ts';
import type { CertificateAuthority, Order } from '../ports.ts';
import {
  type Attempt,
  assertLease,
  forgetKey,
  pendingName,
  removeChallenges,
  save,
} from './attempt.ts';
import { placements } from './placement.ts';
import {
  type Asked,
  challengesLike,
  type PendingKey,
  type Provable,
  polled,
  proven,
  refusedBy,
} from './proof.ts';

/**
 * From a record under our lease to a stored certificate. What must be known after a crash is recorded before the step that makes it
 * matter: the order's URL before anything is done for it, TXT values before they are written, the key before finalize, the certificate
 * before its key is destroyed.
 */
export async function obtain(attempt: Attempt, stored: StoredRecord): Promise<IssuedCertificate> {
  const { ports, identity, certificate } = attempt;
  const { order, issued, challenges } = stored.record;
  if (order && issued && issued.version > order.after) return closed(attempt, issued, challenges);
  const authority = ports.authorities(identity.issuer);
  const opened = await openOrder(attempt, authority, stored);
  const asked = { authority, attempt, placedAt: opened.placedAt };
  const pending = pendingKey(opened, attempt);
  const [ready, key] = await bothSettled(proven({ ...opened, key: pending }, asked), pending);
  const valid = await finalized(ready, key, asked);
  const bundle = { key: key.value, chain: await authority.certificate(valid) };
  const described = ports.pki.verify(bundle, identity.names, ports.time.now());
  await assertLease(attempt);
  const version = opened.added ?? (await ports.writer.add(certificate, bundle, opened.after));
  const done = { version, ...described };
  const { record } = await save(attempt, (latest) => ({ ...latest, issued: done }));
  return closed(attempt, done, record.challenges);
}

/**
 * `after` is the newest version when it was ordered, `added` the one that an earlier attempt made of it, `key` the version of its key
 * as far as that is recorded; `places` is empty for an order that needs no more proof.
 */
type Opened = Omit<Provable, 'key'> &
  Pick<Asked, 'placedAt'> &
  Readonly<{ after: number; added: number | undefined; key: number | undefined }>;

/** The saved order when the CA still has it, else a new one. */
async function openOrder(
  attempt: Attempt,
  authority: CertificateAuthority,
  { record }: StoredRecord,
): Promise<Opened> {
  const { ports, certificate } = attempt;
  const { order: saved } = record;
  const now = ports.time.now();
  if (saved && isAskable(saved, authority.directory, now)) {
    const order = await authority.order(saved.url);
    if (order?.status === 'invalid') throw await refusedBy(order, { authority, attempt });
    if (order && !isExpired(order, now)) return resumed(order, saved, attempt);
  }
  if (saved) ports.log.info('order given up', { certificate, order: saved.url });
  return placed(attempt, authority, record);
}

async function resumed(order: Order, saved: DatedOrder, attempt: Attempt): Promise<Opened> {
  const { after, at: placedAt, key } = saved;
  const places = order.status === 'pending' ? await placements(attempt) : [];
  const newest = order.status === 'valid' ? await newestVersion(attempt) : 0;
  const added = newest > after ? newest : undefined;
  return { order, after, placedAt, added, key, places };
}

/** A new order. Names that cannot be proven are found out before they cost one. */
async function placed(
  attempt: Attempt,
  authority: CertificateAuthority,
  record: CertificateRecord,
): Promise<Opened> {
  const { challenges, issued } = record;
  const { ports, identity, certificate } = attempt;
  const places = await placements(attempt);
  const left = remembered(await removeChallenges(attempt, challenges));
  // A list lags behind, and the version that is recorded would be taken for what this order made.
  const after = Math.max(await newestVersion(attempt), issued?.version ?? 0);
  requireRoom({ ...record, challenges: [...left, ...challengesLike(identity.names, places)] });
  await assertLease(attempt);
  const order = await authority.newOrder(identity.names);
  const { url, status } = order;
  const placedAt = ports.time.now();
  const saved = { url, after, at: placedAt, directory: authority.directory };
  await save(attempt, (latest) => ({ ...latest, order: saved, challenges: left }));
  ports.log.info('order placed', { certificate, order: url, status });
  return { order, after, placedAt, added: undefined, key: undefined, places };
}

/** Throws before an order is spent on names whose TXT values could not be recorded: what is not recorded is not written. */
function requireRoom(record: CertificateRecord): void {
  if (fits(record)) return;
  throw new CertificateError(
    'request-invalid',
    'the TXT values that prove all its names do not fit into its record; ask for fewer names in one certificate',
  );
}

async function newestVersion({ ports, certificate }: Attempt): Promise<number> {
  const [newest] = await ports.versions.list(certificate);
  return newest?.number ?? 0;
}

const isExpired = ({ status, expires }: Order, now: Date) =>
  status !== 'valid' && expires !== undefined && expires <= now;

/** A key that only this order uses, safe in the vault before the CA may see it. */
async function pendingKey(opened: Opened, attempt: Attempt): Promise<PendingKey> {
  const { order, key: version } = opened;
  const { vault, pki } = attempt.ports;
  const name = pendingName(attempt.settings, attempt.certificate);
  const isFinalized = order.status === 'processing' || order.status === 'valid';
  // An order that has no key in the record is finalized only if an earlier program did it. Any other gets a new one: to look for what
  // may have been written is to find a list that lags behind, or the key of another order.
  const value = isFinalized || version ? await vault.read(name, version) : undefined;
  if (value) return { value, version };
  if (isFinalized) throw keyless(opened, attempt);
  const fresh = pki.newKey(attempt.identity.keyType);
  return { value: fresh, version: await vault.write(name, 'pending', fresh) };
}

const LISTED_WITHIN_MS = 60 * 60_000;

/** Why there is no key for an order that has its certificate: an order is not given up because a list lags behind. */
function keyless({ order, key, placedAt }: Opened, { ports }: Attempt): CertificateError {
  const age = ports.time.now().getTime() - placedAt.getTime();
  if (key === undefined && age < LISTED_WITHIN_MS)
    return new CertificateError(
      'store-unavailable',
      `the key of order ${order.url} is not listed yet; lists lag behind, so it is tried again`,
    );
  return new CertificateError(
    'certificate-invalid',
    `the key of order ${order.url} is lost, so its certificate is of no use; a new one is ordered`,
  );
}

async function finalized(ready: Order, key: PendingKey, asked: Asked): Promise<Order> {
  if (ready.status === 'valid') return ready;
  const { authority, attempt } = asked;
  const { identity, ports } = attempt;
  if (ready.status === 'processing') return polled(ready, ['processing'], asked);
  // Where nothing was left to prove, nothing was recorded since the key was written.
  await save(attempt, (latest) =>
    latest.order?.key === key.version ? undefined : keyed(latest, key.version),
  );
  const order = await authority.finalize(
    ready,
    await ports.pki.signingRequest(key.value, identity.names),
  );
  return polled(order, ['processing', 'ready'], asked);
}

/** Everything of the attempt that must not outlive it goes; what could not be removed stays recorded for a later tick: a key by its order. */
async function closed(
  attempt: Attempt,
  issued: IssuedCertificate,
  challenges: readonly SavedChallenge[],
): Promise<IssuedCertificate> {
  const [left, isForgotten] = await Promise.all([
    removeChallenges(attempt, challenges),
    forgetKey(attempt),
  ]);
  await save(attempt, (latest) => ({
    ...latest,
    lease: undefined,
    failure: undefined,
    order: isForgotten ? undefined : latest.order,
    challenges: left,
  }));
  return issued;
}

/** Both results, or the first failure, but never before both are over: a clean-up must not overtake a write. */
async function bothSettled<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  const results = await Promise.allSettled([one, other]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return Promise.all([one, other]);
}
