import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { GoogleFault } from '../google-api.ts';
import { parsed } from '../wire/parsed.ts';
import { messageTest } from './filter.ts';
import {
  type Delivery,
  nextChange,
  type PublishedMessage,
  type PubSubMessage,
  type PubSubState,
  stored,
} from './state.ts';

const requestSchema = z.strictObject({
  messages: z
    .array(
      z.strictObject({
        data: z
          .string()
          .regex(/^[A-Za-z0-9+/_-]*={0,2}$/, 'base64 is wanted')
          .optional(),
        attributes: z.record(z.string(), z.string()).optional(),
        messageId: z.unknown().optional(),
        publishTime: z.unknown().optional(),
        orderingKey: z.string().optional(),
      }),
    )
    .min(1)
    .max(1000),
});

const MESSAGE_BYTES = 10_000_000;

/** The messages in a publish request. Throws INVALID_ARGUMENT. */
export function publishedMessages(body: unknown): PubSubMessage[] {
  return parsed(requestSchema, body).messages.map(({ data, attributes, orderingKey }) => {
    if (orderingKey)
      throw new GoogleFault('UNIMPLEMENTED', 'Ordering keys are not implemented by this stand-in');
    return checkedMessage({ ...(data && { data }), ...(attributes && { attributes }) });
  });
}

export type Publishing = Readonly<{
  clock: Clock /** How often each subscription gets each message. */;
  copies: number;
}>;

/**
 * Puts one delivery into the state for each subscription whose filter lets the message through, and gives the
 * message its id. A topic without subscriptions drops it. Throws NOT_FOUND.
 */
export function enqueue(
  state: PubSubState,
  { topic, message }: Readonly<{ topic: string; message: PubSubMessage }>,
  { clock, copies }: Publishing,
): Readonly<{ messageId: string; deliveries: readonly Delivery[] }> {
  stored(state.topics, topic);
  const now = clock.now();
  const messageId = String(FIRST_MESSAGE_ID + nextChange(state));
  const published: PublishedMessage = { ...message, messageId, publishTime: now.toISOString() };
  const deliveries = subscribers(state, topic, message)
    .flatMap((subscription) => Array.from({ length: copies }, () => subscription))
    .map((subscription) => ({
      id: String(nextChange(state)),
      subscription,
      message: published,
      failedAttempts: 0,
      dueAt: now.getTime(),
    }));
  for (const delivery of deliveries) state.deliveries[delivery.id] = delivery;
  return { messageId, deliveries };
}

const FIRST_MESSAGE_ID = 10_000_000_000_000;

function subscribers(state: PubSubState, topic: string, { attributes }: PubSubMessage): string[] {
  return Object.values(state.subscriptions)
    .map(({ subscription }) => subscription)
    .filter((subscription) => subscription.topic === topic)
    .filter(({ filter }) => messageTest(filter ?? '')(attributes ?? {}))
    .map(({ name }) => name);
}

/** The message, unless it is empty or too large: INVALID_ARGUMENT. */
export function checkedMessage(message: PubSubMessage): PubSubMessage {
  const { data = '', attributes = {} } = message;
  const entries = Object.entries(attributes);
  if (data === '' && entries.length === 0)
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      'One or more messages in the publish request is empty. Each message must contain either non-empty data, or at least one attribute.',
    );
  if (Buffer.byteLength(data, 'base64') > MESSAGE_BYTES)
    throw new GoogleFault('INVALID_ARGUMENT', 'The value for message_size is too large.');
  const fits = ([key, value]: [string, string]) =>
    key !== '' &&
    !key.startsWith('goog') &&
    Buffer.byteLength(key) <= 256 &&
    Buffer.byteLength(value) <= 1024;
  if (entries.length > 100 || !entries.every(fits))
    throw new GoogleFault('INVALID_ARGUMENT', 'One of the message attributes is not valid.');
  return message;
}
