import { challengeName } from '../domain/challenge.ts';
import type { SavedChallenge } from '../domain/record.ts';
import { CertificateError } from '../errors.ts';
import type { Authorization, CertificateAuthority, Order } from '../ports.ts';
import { type Attempt, pause, save } from './attempt.ts';
import { type Placement, propagated } from './placement.ts';

/** An order, and where the TXT of each of its names belongs. */
export type Provable = Readonly<{ order: Order; places: readonly Placement[] }>;

/** The order once every authorization is valid: all challenges are answered before the first poll. */
export async function proven(
  { order, places }: Provable,
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
    await save(attempt, (latest) => ({
      ...latest,
      challenges: union(latest.challenges, challenges),
    }));
    await attempt.ports.zones.present(challenges);
    await propagated(challenges, places, attempt);
    for (const { url, isAnswered } of open) if (!isAnswered) await authority.respond(url);
  }
  return polled(order, authority, attempt, ['pending']);
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
export async function refusedBy(
  authority: CertificateAuthority,
  order: Order,
): Promise<CertificateError> {
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
