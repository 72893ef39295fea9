import {
  type DatedOrder,
  type IssuedCertificate,
  isAskable,
  type SavedChallenge,
  type StoredRecord,
} from '../domain/record.ts';
import { remembered } from '../domain/record-annotations.ts';
import { CertificateError } from '../errors.ts';
import type { CertificateAuthority, Order } from '../ports.ts';
import type { Sensitive } from '../sensitive.ts';
import {
  type Attempt,
  assertLease,
  forgetKey,
  pendingName,
  removeChallenges,
  save,
} from './attempt.ts';
import { placements } from './placement.ts';
import { type Asked, type Provable, polled, proven, refusedBy } from './proof.ts';

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
  const [ready, key] = await bothSettled(proven(opened, asked), pendingKey(opened, attempt));
  const valid = await finalized(ready, key, asked);
  const bundle = { key, chain: await authority.certificate(valid) };
  const described = ports.pki.verify(bundle, identity.names, ports.time.now());
  await assertLease(attempt);
  const version = opened.added ?? (await ports.writer.add(certificate, bundle, opened.after));
  const done = { version, ...described };
  const { record } = await save(attempt, (latest) => ({ ...latest, issued: done }));
  return closed(attempt, done, record.challenges);
}

/**
 * `after` is the newest version when it was ordered, `added` the one that an earlier attempt made of it; `places` is empty for an
 * order that needs no more proof.
 */
type Opened = Provable &
  Pick<Asked, 'placedAt'> &
  Readonly<{ after: number; added: number | undefined; isNew: boolean }>;

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
  return placed(attempt, authority, record.challenges);
}

async function resumed(order: Order, saved: DatedOrder, attempt: Attempt): Promise<Opened> {
  const { after, at: placedAt } = saved;
  const places = order.status === 'pending' ? await placements(attempt) : [];
  const newest = order.status === 'valid' ? await newestVersion(attempt) : 0;
  const added = newest > after ? newest : undefined;
  return { order, after, placedAt, added, isNew: false, places };
}

/** A new order. Names that cannot be proven are found out before they cost one. */
async function placed(
  attempt: Attempt,
  authority: CertificateAuthority,
  leftovers: readonly SavedChallenge[],
): Promise<Opened> {
  const { ports, identity, certificate } = attempt;
  const places = await placements(attempt);
  const left = remembered(await removeChallenges(attempt, leftovers));
  const after = await newestVersion(attempt);
  await assertLease(attempt);
  const order = await authority.newOrder(identity.names);
  const { url, status } = order;
  const placedAt = ports.time.now();
  const saved = { url, after, at: placedAt, directory: authority.directory };
  await save(attempt, (latest) => ({ ...latest, order: saved, challenges: left }));
  ports.log.info('order placed', { certificate, order: url, status });
  return { order, after, placedAt, added: undefined, isNew: true, places };
}

async function newestVersion({ ports, certificate }: Attempt): Promise<number> {
  const [newest] = await ports.versions.list(certificate);
  return newest?.number ?? 0;
}

const isExpired = ({ status, expires }: Order, now: Date) =>
  status !== 'valid' && expires !== undefined && expires <= now;

/** A key that only this order uses, safe in the vault before the CA may see it. */
async function pendingKey({ order, isNew }: Opened, attempt: Attempt): Promise<Sensitive> {
  const { vault, pki } = attempt.ports;
  const name = pendingName(attempt.settings, attempt.certificate);
  const stored = isNew ? undefined : await vault.read(name);
  if (stored) return stored;
  if (order.status === 'processing' || order.status === 'valid')
    throw new CertificateError(
      'certificate-invalid',
      `the key of order ${order.url} is lost, so its certificate is of no use; a new one is ordered`,
    );
  const key = pki.newKey(attempt.identity.keyType);
  await vault.write(name, 'pending', key);
  return key;
}

async function finalized(ready: Order, key: Sensitive, asked: Asked): Promise<Order> {
  if (ready.status === 'valid') return ready;
  const { authority, attempt } = asked;
  const { identity, ports } = attempt;
  if (ready.status === 'processing') return polled(ready, ['processing'], asked);
  await assertLease(attempt);
  const order = await authority.finalize(
    ready,
    await ports.pki.signingRequest(key, identity.names),
  );
  return polled(order, ['processing', 'ready'], asked);
}

/** Everything of the attempt that must not outlive it goes; what could not be removed stays recorded for a later tick. */
async function closed(
  attempt: Attempt,
  issued: IssuedCertificate,
  challenges: readonly SavedChallenge[],
): Promise<IssuedCertificate> {
  const [left] = await Promise.all([removeChallenges(attempt, challenges), forgetKey(attempt)]);
  await save(attempt, (latest) => ({
    ...latest,
    lease: undefined,
    failure: undefined,
    order: undefined,
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
