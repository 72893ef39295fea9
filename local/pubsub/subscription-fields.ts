import { z } from 'zod';
import { type Call, GoogleFault } from '../google-api.ts';
import { parsed } from '../wire/parsed.ts';
import { messageTest } from './filter.ts';
import { patchOf } from './patch.ts';
import type { PushConfig, Subscription } from './state.ts';

const duration = z.string().regex(/^\d+(\.\d{1,9})?s$/, 'a duration such as "10s" is wanted');
const nothing = z.unknown().optional();

const subscriptionSchema = z.strictObject({
  name: z.string().optional(),
  topic: z.string().optional(),
  pushConfig: z
    .strictObject({
      pushEndpoint: z.string().optional(),
      oidcToken: z
        .strictObject({ serviceAccountEmail: z.string(), audience: z.string().optional() })
        .optional(),
      attributes: z.record(z.string(), z.string()).optional(),
      noWrapper: nothing,
      pubsubWrapper: nothing,
    })
    .optional(),
  ackDeadlineSeconds: z.int().optional(),
  messageRetentionDuration: duration.optional(),
  labels: z.record(z.string(), z.string()).optional(),
  filter: z.string().optional(),
  retryPolicy: z
    .strictObject({ minimumBackoff: duration.optional(), maximumBackoff: duration.optional() })
    .optional(),
  deadLetterPolicy: z
    .strictObject({
      deadLetterTopic: z.string().optional(),
      maxDeliveryAttempts: z.int().optional(),
    })
    .optional(),
  expirationPolicy: z.strictObject({ ttl: duration.optional() }).optional(),
  state: nothing,
  bigqueryConfig: nothing,
  bigtableConfig: nothing,
  cloudStorageConfig: nothing,
  detached: nothing,
  enableExactlyOnceDelivery: nothing,
  enableMessageOrdering: nothing,
  messageTransforms: nothing,
  retainAckedMessages: nothing,
  tags: nothing,
});

type SubscriptionBody = z.infer<typeof subscriptionSchema>;

const NOT_IMPLEMENTED = [
  'bigqueryConfig',
  'bigtableConfig',
  'cloudStorageConfig',
  'detached',
  'enableExactlyOnceDelivery',
  'enableMessageOrdering',
  'messageTransforms',
  'retainAckedMessages',
  'tags',
] as const;

const FIXED: readonly string[] = ['name', 'topic', 'filter', 'state'];

/** The subscription in a create request, its defaults filled in. Throws UNIMPLEMENTED for a field that would change what it does. */
export function newSubscription(name: string, body: unknown): Subscription {
  const given = parsed(subscriptionSchema, body);
  for (const field of NOT_IMPLEMENTED) if (isSet(given[field])) throw notImplemented(field);
  return checked(name, given);
}

/** The subscription after a patch request; the mask decides, in snake_case or camelCase. */
export function patchedSubscription(current: Subscription, call: Call): Subscription {
  const { resource, fields } = patchOf('subscription', call);
  const changes = parsed(subscriptionSchema, resource);
  const merged: Record<string, unknown> = { ...current };
  for (const field of fields) {
    if (!(field in subscriptionSchema.shape) || FIXED.includes(field))
      throw invalid(`Invalid update_mask provided in the request (${field} cannot be updated).`);
    merged[field] = changes[field as keyof SubscriptionBody];
  }
  return newSubscription(current.name, merged);
}

function checked(name: string, given: SubscriptionBody): Subscription {
  const { topic, labels, filter, retryPolicy, deadLetterPolicy, expirationPolicy } = given;
  if (!topic) throw invalid('The subscription must have a topic.');
  if (filter) messageTest(filter);
  const pushConfig = checkedPushConfig(given.pushConfig);
  return {
    name,
    topic,
    ackDeadlineSeconds: checkedDeadline(given.ackDeadlineSeconds || 10),
    messageRetentionDuration: given.messageRetentionDuration ?? '604800s',
    ...(pushConfig && { pushConfig }),
    ...(labels && isSet(labels) && { labels }),
    ...(filter && { filter }),
    ...(retryPolicy && { retryPolicy: checkedRetry(retryPolicy) }),
    ...(deadLetterPolicy?.deadLetterTopic && {
      deadLetterPolicy: checkedDeadLetter(deadLetterPolicy),
    }),
    expirationPolicy: expirationPolicy
      ? { ...(expirationPolicy.ttl && { ttl: expirationPolicy.ttl }) }
      : { ttl: '2678400s' },
  };
}

function checkedPushConfig(given: SubscriptionBody['pushConfig']): PushConfig | undefined {
  if (!given?.pushEndpoint) return undefined;
  for (const field of ['noWrapper', 'attributes'] as const)
    if (isSet(given[field])) throw notImplemented(`pushConfig.${field}`);
  if (!URL.canParse(given.pushEndpoint) || !/^https?:$/.test(new URL(given.pushEndpoint).protocol))
    throw invalid(`Invalid push endpoint given (endpoint=${given.pushEndpoint}).`);
  const { oidcToken } = given;
  if (oidcToken && !oidcToken.serviceAccountEmail.includes('@'))
    throw invalid('The OIDC token needs the e-mail address of a service account.');
  return {
    pushEndpoint: given.pushEndpoint,
    ...(oidcToken && {
      oidcToken: {
        serviceAccountEmail: oidcToken.serviceAccountEmail,
        ...(oidcToken.audience && { audience: oidcToken.audience }),
      },
    }),
  };
}

function checkedDeadline(seconds: number): number {
  if (seconds >= 10 && seconds <= 600) return seconds;
  throw invalid(
    `Invalid ack deadline given (ackDeadlineSeconds=${seconds}; 10 to 600 are allowed).`,
  );
}

function checkedRetry({
  minimumBackoff = '10s',
  maximumBackoff = '600s',
}: NonNullable<SubscriptionBody['retryPolicy']>) {
  const [least, most] = [milliseconds(minimumBackoff), milliseconds(maximumBackoff)];
  if (least > 600_000 || most > 600_000 || least > most)
    throw invalid('The retry policy needs 0s <= minimumBackoff <= maximumBackoff <= 600s.');
  return { minimumBackoff, maximumBackoff };
}

function checkedDeadLetter({
  deadLetterTopic = '',
  maxDeliveryAttempts,
}: NonNullable<SubscriptionBody['deadLetterPolicy']>) {
  const attempts = maxDeliveryAttempts || 5;
  if (attempts < 5 || attempts > 100)
    throw invalid('The max_delivery_attempts of a dead letter policy must be between 5 and 100.');
  if (!/^projects\/[^/]+\/topics\/[^/]+$/.test(deadLetterTopic))
    throw invalid(
      `The dead letter topic [${deadLetterTopic}] must have the form projects/*/topics/*.`,
    );
  return { deadLetterTopic, maxDeliveryAttempts: attempts };
}

/** The milliseconds of a duration such as `3.5s`. */
export const milliseconds = (text: string): number => Number(text.slice(0, -1)) * 1000;

// What proto3 JSON may spell out although it is the default.
function isSet(value: unknown): boolean {
  if (!value) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);
const notImplemented = (field: string) =>
  new GoogleFault(
    'UNIMPLEMENTED',
    `The field ${field} of a subscription is not implemented by this stand-in`,
  );
