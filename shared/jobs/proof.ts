import { challengeName } from '../domain/challenge.ts';
import { keyed, type SavedChallenge } from '../domain/record.ts';
import { CertificateError } from '../errors.ts';
import type { Authorization, CertificateAuthority, Order } from '../ports.ts';
import type { Sensitive } from '../sensitive.ts';
import { type Attempt, save } from './attempt.ts';
import { type Placement, propagated } from './placement.ts';

/** An order, where the TXT of each of its names belongs, and the key that is written meanwhile. */
export type Provable = Readonly<{
  order: Order;
  places: readonly Placement[];
  key: Promise<PendingKey>;
}>;

/** The key of an order, and its version in the vault as far as the record knows it. */
export type PendingKey = Readonly<{ value: Sensitive; version: number | undefined }>;

/** Whom an attempt asks, and since when. */
export type Asked = Readonly<{
  authority: CertificateAuthority;
  attempt: Attempt;
  placedAt: Date;
}>;

/** The order once every authorization is valid: all challenges are answered before the first poll. The key is recorded with them. */
export async function proven({ order, places, key }: Provable, asked: Asked): Promise<Order> {
  const { authority, attempt } = asked;
  if (order.status !== 'pending') return order;
  const inTime = <T>(request: () => Promise<T>) => {
    const now = attempt.ports.time.now();
    if (now >= attempt.deadline) throw outlasted(order, now, asked);
    return request();
  };
  const open = (
    await inTurn(order.authorizations, async (url) =>
      answerable(await inTime(() => authority.authorization(url)), order),
    )
  ).flat();
  const challenges = open.map(({ name, value }) => savedChallenge(name, value, places));
  if (challenges.length > 0) {
    const { version } = await key;
    await save(attempt, (latest) =>
      keyed({ ...latest, challenges: union(latest.challenges, challenges) }, version),
    );
    await attempt.ports.zones.present(challenges);
    await propagated(challenges, places, attempt);
    const unanswered = open.filter(({ isAnswered }) => !isAnswered);
    await inTurn(unanswered, async ({ url }) => inTime(() => authority.respond(url)));
  }
  return polled(order, ['pending'], asked);
}

const FEW = 10;
const AT_ONCE = 8;

/**
 * A few requests one after the other, for each reply brings the nonce of the next; many in batches, so that a slow CA leaves time for the
 * rest. Nothing is under way any more when it throws.
 */
async function inTurn<T, R>(
  items: readonly T[],
  request: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const size = items.length > FEW ? AT_ONCE : 1;
  const results: R[] = [];
  for (let start = 0; start < items.length; start += size) {
    const batch = items.slice(start, start + size).map((item) => request(item));
    for (const result of await Promise.allSettled(batch)) {
      if (result.status === 'rejected') throw result.reason;
      results.push(result.value);
    }
  }
  return results;
}

// What an attempt before this one proved already is still in DNS, and recorded here alone.
const union = (recorded: readonly SavedChallenge[], more: readonly SavedChallenge[]) => [
  ...recorded,
  ...more.filter(
    (one) => !recorded.some(({ owner, value }) => owner === one.owner && value === one.value),
  ),
];

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

// A SHA-256 in base64url (RFC 8555 section 8.4).
const VALUE = 'x'.repeat(43);

/** As large as the TXT values of an order for these names will be. */
export const challengesLike = (
  names: readonly string[],
  places: readonly Placement[],
): readonly SavedChallenge[] => names.map((name) => savedChallenge(name, VALUE, places));

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
const POLL_MS = [100, 250, 500, 1000, 2000] as const;
const SHORTEST_POLL_MS = 20;
// ZeroSSL has been seen to ask for a day on an order that is ready in seconds.
const LONGEST_POLL_MS = 300_000;

/** The order once it left the given states. */
export async function polled(
  order: Order,
  states: readonly Order['status'][],
  asked: Asked,
): Promise<Order> {
  const { authority, attempt } = asked;
  const { time } = attempt.ports;
  let latest = order;
  for (let poll = 0; states.includes(latest.status); poll += 1) {
    const { retryAfterMs = POLL_MS[poll] ?? 3000 } = latest;
    const ms = Math.min(LONGEST_POLL_MS, Math.max(SHORTEST_POLL_MS, retryAfterMs));
    const next = new Date(time.now().getTime() + ms);
    if (next >= attempt.deadline) throw outlasted(latest, next, asked);
    await time.sleep(ms);
    const read = await authority.order(order.url);
    if (!read)
      throw new CertificateError('ca-rejected', `the CA does not know order ${order.url} any more`);
    latest = read;
  }
  if (latest.status === 'invalid') throw await refusedBy(latest, asked);
  return latest;
}

const PATIENCE_MS = 15 * 60_000;

/** An order that outlasts the attempt: the next attempt goes on at once, until that is no longer likely to help. */
function outlasted({ url, status }: Order, retryAt: Date, asked: Asked): CertificateError {
  const { attempt, placedAt } = asked;
  const now = attempt.ports.time.now().getTime();
  if (now - placedAt.getTime() < PATIENCE_MS)
    return new CertificateError(
      'unfinished',
      `still waiting for the CA to leave "${status}" of order ${url}`,
      { retryAt },
    );
  return new CertificateError(
    'ca-unavailable',
    `the CA has left order ${url} in "${status}" since ${placedAt.toISOString()}; it is asked again, and its status page may say more`,
    { retryAt },
  );
}

/** Why an order became invalid, in the CA's own words; the reason stands in the authorization that failed. */
export async function refusedBy(
  order: Order,
  { authority, attempt }: Omit<Asked, 'placedAt'>,
): Promise<CertificateError> {
  for (const url of order.authorizations) {
    if (attempt.ports.time.now() >= attempt.deadline) break;
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
