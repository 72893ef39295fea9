import pLimit, { type LimitFunction } from 'p-limit';
import type { Clock } from '../clock.ts';
import { afterFailure, isDeadLetter } from './outcome.ts';
import { type IdentityToken, push } from './push.ts';
import type { Delivery, PubSubMessage, PubSubState, PushConfig, Subscription } from './state.ts';

/** Carries the stored deliveries to their endpoints until each is acknowledged, dead-lettered or too old. */
export type Deliveries = Readonly<{
  /** Takes over deliveries that were just stored; those that it has already, or that have no endpoint, it leaves alone. */
  start(deliveries: readonly Delivery[]): void;
  /** Ends every timer and request. What was not acknowledged stays in the state. */
  close(): Promise<void>;
}>;

export type Post = Readonly<{
  state: PubSubState;
  clock: Clock;
  identityToken: IdentityToken;
  /** Saves the state and tells the listeners. */
  changed(): void;
  /** Stores a message for a topic's subscriptions and starts its deliveries, without saving. */
  forward(topic: string, message: PubSubMessage): void;
}>;

const MOST_AT_ONCE = 50;

export function createDeliveries(post: Post): Deliveries {
  const { state, clock } = post;
  const cancels = new Map<string, () => void>();
  const attempts = new Set<Promise<void>>();
  const laneOf = lanes();
  const closing = new AbortController();

  const schedule = (delivery: Delivery) => {
    const { id, dueAt } = delivery;
    if (closing.signal.aborted || cancels.has(id) || !pushed(state, delivery)) return;
    cancels.set(
      id,
      clock.at(new Date(dueAt), () => attempt(delivery)),
    );
  };
  const attempt = ({ id, subscription }: Delivery) => {
    const done = laneOf(subscription)(async () => {
      await deliver(post, id, closing.signal);
      cancels.delete(id);
      const left = state.deliveries[id];
      if (left) schedule(left);
    });
    attempts.add(done);
    void done.finally(() => attempts.delete(done));
  };
  return {
    start: (deliveries) => deliveries.forEach(schedule),
    async close() {
      closing.abort();
      for (const cancel of cancels.values()) cancel();
      await Promise.all(attempts);
    },
  };
}

// Each subscription has its own lane, so that a slow endpoint never holds up another's messages.
function lanes(): (subscription: string) => LimitFunction {
  const known = new Map<string, LimitFunction>();
  return (subscription) => {
    const lane = known.get(subscription) ?? pLimit(MOST_AT_ONCE);
    known.set(subscription, lane);
    return lane;
  };
}

async function deliver(post: Post, id: string, signal: AbortSignal): Promise<void> {
  const { state } = post;
  const delivery = state.deliveries[id];
  const subscription = delivery && pushed(state, delivery);
  if (!subscription || signal.aborted) return;
  const acknowledged = await push(delivery, subscription, { ...post, signal });
  if (signal.aborted || !state.deliveries[id]) return;
  if (acknowledged) delete state.deliveries[id];
  if (!acknowledged) settleFailure(post, delivery);
  post.changed();
}

function settleFailure({ state, clock, forward }: Post, delivery: Delivery): void {
  const subscription = state.subscriptions[delivery.subscription]?.subscription;
  if (!subscription) return;
  const deadLetterTopic = subscription.deadLetterPolicy?.deadLetterTopic ?? '';
  const outcome = afterFailure(delivery, subscription, {
    now: clock.now().getTime(),
    canDeadLetter: state.topics[deadLetterTopic] !== undefined,
  });
  if (outcome.action === 'retry') {
    state.deliveries[delivery.id] = outcome.delivery;
    return;
  }
  delete state.deliveries[delivery.id];
  if (outcome.action === 'dead-letter') forward(outcome.topic, outcome.message);
}

type Pushed = Subscription & Readonly<{ pushConfig: PushConfig }>;

function pushed(state: PubSubState, { subscription }: Delivery): Pushed | undefined {
  const found = state.subscriptions[subscription]?.subscription;
  return found?.pushConfig ? { ...found, pushConfig: found.pushConfig } : undefined;
}

/** How many messages an endpoint has yet to acknowledge, now and after a wait; dead-lettered and merely kept ones do not count. */
export function unacknowledged(
  state: PubSubState,
  now: number,
): Readonly<{ due: number; later: number }> {
  const awaited = Object.values(state.deliveries).filter(
    (delivery) => pushed(state, delivery) && !isDeadLetter(delivery.message),
  );
  const due = awaited.filter(({ dueAt }) => dueAt <= now).length;
  return { due, later: awaited.length - due };
}
