import type { CertificateIdentity } from '../domain/certificate.ts';
import { challengeName } from '../domain/challenge.ts';
import type {
  CertificateRecord,
  IssuedCertificate,
  SavedChallenge,
  StoredRecord,
} from '../domain/record.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type {
  Authorization,
  CertificateAuthorities,
  CertificateAuthority,
  CertificateRecords,
  CertificateVersions,
  CertificateWriter,
  IssueQueue,
  KeyVault,
  Log,
  NameLookup,
  Order,
  Pki,
  Time,
  Zones,
} from '../ports.ts';
import type { Sensitive } from '../sensitive.ts';
import { pause } from './pause.ts';
import { type Placement, placements, propagated } from './placement.ts';

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
  holder: string;
  deadline: Date;
  ports: IssuePorts;
  settings: IssueSettings;
}>;

/**
 * From a record under our lease to a stored certificate. What must be known after a crash is recorded before the step that makes it
 * matter: the order's URL before anything is done for it, TXT values before they are written, the key before finalize.
 */
export async function obtain(attempt: Attempt, stored: StoredRecord): Promise<IssuedCertificate> {
  const { ports, identity, certificate } = attempt;
  const authority = ports.authorities(identity.issuer);
  const opened = await openOrder(attempt, authority, stored);
  const [ready, key] = await bothSettled(
    proven(opened, authority, attempt),
    pendingKey(opened, attempt),
  );
  const valid = await finalized(ready, key, authority, attempt);
  const bundle = { key, chain: await authority.certificate(valid) };
  const described = ports.pki.verify(bundle, identity.names, ports.time.now());
  await assertLease(attempt);
  const version = await ports.writer.add(certificate, bundle, opened.after);
  return completed(attempt, { version, ...described });
}

/** `after` is the newest version when it was ordered; `places` is empty for an order that needs no more proof. */
type Opened = Readonly<{
  order: Order;
  after: number;
  isNew: boolean;
  places: readonly Placement[];
}>;

/** The saved order when the CA still has it, else a new one. Names that cannot be proven are found out before they cost an order. */
async function openOrder(
  attempt: Attempt,
  authority: CertificateAuthority,
  { record }: StoredRecord,
): Promise<Opened> {
  const saved = record.order && (await authority.order(record.order.url));
  if (saved?.status === 'invalid') throw await refusedBy(authority, saved);
  if (saved && record.order && !isExpired(saved, attempt.ports.time.now())) {
    const places = saved.status === 'pending' ? await placements(attempt) : [];
    return { order: saved, after: record.order.after, isNew: false, places };
  }
  const places = await placements(attempt);
  await removeChallenges(attempt, record.challenges);
  const [newest] = await attempt.ports.versions.list(attempt.certificate);
  const after = newest?.number ?? 0;
  await assertLease(attempt);
  const order = await authority.newOrder(attempt.identity.names);
  await save(attempt, (latest) => ({
    ...latest,
    order: { url: order.url, after },
    challenges: [],
  }));
  attempt.ports.log.info('order placed', {
    certificate: attempt.certificate,
    order: order.url,
    status: order.status,
  });
  return { order, after, isNew: true, places };
}

const isExpired = ({ status, expires }: Order, now: Date) =>
  status !== 'valid' && expires !== undefined && expires <= now;

/** The order once every authorization is valid: all challenges are answered before the first poll. */
async function proven(
  { order, places }: Opened,
  authority: CertificateAuthority,
  attempt: Attempt,
): Promise<Order> {
  if (order.status !== 'pending') return order;
  const open: Answerable[] = [];
  // One after the other: each reply brings the nonce for the next request.
  for (const url of order.authorizations)
    open.push(...answerable(await authority.authorization(url), order));
  const challenges = open.map(({ name, value }) => savedChallenge(name, value, places));
  if (challenges.length > 0) {
    await save(attempt, (latest) => ({ ...latest, challenges }));
    await attempt.ports.zones.present(challenges);
    await propagated(challenges, places, attempt);
    for (const { url, isAnswered } of open) if (!isAnswered) await authority.respond(url);
  }
  return polled(order, authority, attempt, ['pending']);
}

type Answerable = Readonly<{ name: string; url: string; value: string; isAnswered: boolean }>;

function answerable(
  { name, status, challenge, problem }: Authorization,
  order: Order,
): readonly Answerable[] {
  if (status === 'valid') return [];
  if (status !== 'pending')
    throw new CertificateError(
      'challenge-failed',
      `the CA calls the authorization of ${name} ${status}: ${problem ?? 'no reason given'} (order ${order.url})`,
    );
  if (!challenge)
    throw new CertificateError('ca-rejected', `the CA offers no dns-01 challenge for ${name}`);
  return [
    {
      name,
      url: challenge.url,
      value: challenge.value,
      isAnswered: challenge.status !== 'pending',
    },
  ];
}

function savedChallenge(name: string, value: string, places: readonly Placement[]): SavedChallenge {
  const place = places.find(({ challenge }) => challenge === challengeName(name));
  if (!place)
    throw new CertificateError(
      'ca-rejected',
      `the CA asks for a proof of ${name}, which was not ordered`,
    );
  return { project: place.zone.project, zone: place.zone.zone, owner: place.owner, value };
}

// Most CAs validate within a second and say nothing about when to look; a Retry-After goes before this ladder.
const POLL_MS = [100, 400, 1000, 2000] as const;
const SHORTEST_POLL_MS = 20;
// ZeroSSL has been seen to ask for a day on an order that is ready in seconds.
const LONGEST_POLL_MS = 300_000;

/** The order once it left the given states. */
async function polled(
  order: Order,
  authority: CertificateAuthority,
  attempt: Attempt,
  states: readonly Order['status'][],
): Promise<Order> {
  let latest = order;
  for (let poll = 0; states.includes(latest.status); poll += 1) {
    const { retryAfterMs = POLL_MS[poll] ?? 3000 } = latest;
    await pause(
      attempt,
      Math.min(LONGEST_POLL_MS, Math.max(SHORTEST_POLL_MS, retryAfterMs)),
      `the CA to leave "${latest.status}" of order ${order.url}`,
    );
    const read = await authority.order(order.url);
    if (!read)
      throw new CertificateError('ca-rejected', `the CA does not know order ${order.url} any more`);
    latest = read;
  }
  if (latest.status === 'invalid') throw await refusedBy(authority, latest);
  return latest;
}

/** Why an order became invalid, in the CA's own words; the reason stands in the authorization that failed. */
async function refusedBy(authority: CertificateAuthority, order: Order): Promise<CertificateError> {
  for (const url of order.authorizations) {
    const { name, problem } = await authority.authorization(url);
    if (problem)
      return new CertificateError(
        'challenge-failed',
        `the CA could not validate ${name}: ${problem}`,
      );
  }
  return new CertificateError(
    'ca-rejected',
    `the CA made order ${order.url} invalid: ${order.problem ?? 'no reason given'}`,
  );
}

/** A key that only this order uses, safe in the vault before the CA may see it. */
async function pendingKey({ order, isNew }: Opened, attempt: Attempt): Promise<Sensitive> {
  const { vault, pki } = attempt.ports;
  const name = pendingName(attempt);
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

const pendingName = ({ settings, certificate }: Attempt) =>
  `${settings.installation}-pending-${certificate}`;

async function finalized(
  ready: Order,
  key: Sensitive,
  authority: CertificateAuthority,
  attempt: Attempt,
): Promise<Order> {
  if (ready.status === 'valid') return ready;
  const { identity, ports } = attempt;
  if (ready.status === 'processing') return polled(ready, authority, attempt, ['processing']);
  await assertLease(attempt);
  const order = await authority.finalize(
    ready,
    await ports.pki.signingRequest(key, identity.names),
  );
  return polled(order, authority, attempt, ['processing', 'ready']);
}

/** Everything of the attempt that must not outlive it goes; what could not be removed stays recorded for a later tick. */
async function completed(attempt: Attempt, issued: IssuedCertificate): Promise<IssuedCertificate> {
  const { ports, certificate } = attempt;
  const stored = await ports.records.read(certificate);
  const [removed, destroyed] = await Promise.allSettled([
    removeChallenges(attempt, stored?.record.challenges ?? []),
    ports.vault.destroy(pendingName(attempt)),
  ]);
  for (const result of [removed, destroyed])
    if (result.status === 'rejected')
      ports.log.warn('clean-up failed', { certificate, reason: messageOf(result.reason) });
  await save(attempt, (latest) => ({
    ...latest,
    issued,
    lease: undefined,
    failure: undefined,
    order: undefined,
    challenges: removed.status === 'fulfilled' ? [] : latest.challenges,
  }));
  return issued;
}

/** Takes our values out of DNS. Nothing of ours there is fine. */
export async function removeChallenges(
  { ports }: Attempt,
  challenges: readonly SavedChallenge[],
): Promise<void> {
  if (challenges.length > 0) await ports.zones.remove(challenges);
}

/** A write that only whoever holds the lease may make; a lost lease stops the attempt. */
export async function save(
  attempt: Attempt,
  change: (record: CertificateRecord) => CertificateRecord,
): Promise<void> {
  await attempt.ports.records.update(attempt.certificate, (latest) => {
    requireLease(latest, attempt);
    return change(latest);
  });
}

// A request that timed out keeps running: before each step that cannot be taken back the lease is read again.
async function assertLease(attempt: Attempt): Promise<void> {
  const stored = await attempt.ports.records.read(attempt.certificate);
  requireLease(stored?.record, attempt);
}

function requireLease(
  record: CertificateRecord | undefined,
  { certificate, holder, ports }: Attempt,
): void {
  const lease = record?.lease;
  if (lease?.holder === holder && lease.until > ports.time.now()) return;
  throw new CertificateError(
    'lease-lost',
    `the lease on certificate ${certificate} is lost; its new holder goes on`,
  );
}

/** Both results, or the first failure, but never before both are over: a clean-up must not overtake a write. */
async function bothSettled<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  const results = await Promise.allSettled([one, other]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return Promise.all([one, other]);
}
