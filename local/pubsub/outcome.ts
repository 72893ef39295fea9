import type { Delivery, PubSubMessage, Subscription } from './state.ts';
import { milliseconds } from './subscription-fields.ts';

/** What becomes of a message that was not acknowledged. */
export type Outcome = Readonly<
  | { action: 'retry'; delivery: Delivery }
  | { action: 'dead-letter'; topic: string; message: PubSubMessage }
  | { action: 'expire' }
>;

// Without a policy the service retries as soon as possible, a push endpoint that keeps failing more and more slowly.
const AT_ONCE = { minimumBackoff: '0.1s', maximumBackoff: '60s' };

/** The next step after one more failed attempt; `canDeadLetter` is whether the dead letter topic can be published to. */
export function afterFailure(
  delivery: Delivery,
  subscription: Subscription,
  { now, canDeadLetter }: Readonly<{ now: number; canDeadLetter: boolean }>,
): Outcome {
  const failedAttempts = delivery.failedAttempts + 1;
  const { deadLetterPolicy, messageRetentionDuration, retryPolicy } = subscription;
  if (deadLetterPolicy && canDeadLetter && failedAttempts >= deadLetterPolicy.maxDeliveryAttempts)
    return {
      action: 'dead-letter',
      topic: deadLetterPolicy.deadLetterTopic,
      message: deadLetter(delivery, subscription, failedAttempts),
    };
  if (now >= Date.parse(delivery.message.publishTime) + milliseconds(messageRetentionDuration))
    return { action: 'expire' };
  const dueAt = now + backoffMs(failedAttempts, retryPolicy ?? AT_ONCE);
  return { action: 'retry', delivery: { ...delivery, failedAttempts, dueAt } };
}

function backoffMs(
  failures: number,
  { minimumBackoff, maximumBackoff }: NonNullable<Subscription['retryPolicy']>,
): number {
  return Math.min(milliseconds(maximumBackoff), milliseconds(minimumBackoff) * 2 ** (failures - 1));
}

const SOURCE = 'CloudPubSubDeadLetterSourceSubscription';

function deadLetter(
  { message }: Delivery,
  { name }: Subscription,
  failedAttempts: number,
): PubSubMessage {
  const [, project = '', , id = ''] = name.split('/');
  return {
    ...(message.data && { data: message.data }),
    attributes: {
      ...message.attributes,
      CloudPubSubDeadLetterSourceDeliveryCount: String(failedAttempts),
      [SOURCE]: id,
      [`${SOURCE}Project`]: project,
      CloudPubSubDeadLetterSourceTopicPublishTime: message.publishTime,
    },
  };
}

/** Whether a message came from a dead letter policy. */
export const isDeadLetter = ({ attributes }: PubSubMessage): boolean =>
  attributes !== undefined && Object.hasOwn(attributes, SOURCE);
