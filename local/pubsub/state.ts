import { GoogleFault } from '../google-api.ts';
import type { Policy } from '../wire/policy.ts';

/** A topic as the API shows it. */
export type Topic = Readonly<{
  name: string;
  labels?: Readonly<Record<string, string>>;
  messageRetentionDuration?: string;
}>;

/** A subscription as the API shows it; durations are texts like `10s`. Without a push endpoint it only keeps its messages. */
export type Subscription = Readonly<{
  name: string;
  topic: string;
  ackDeadlineSeconds: number;
  messageRetentionDuration: string;
  pushConfig?: PushConfig;
  labels?: Readonly<Record<string, string>>;
  filter?: string;
  retryPolicy?: Readonly<{ minimumBackoff: string; maximumBackoff: string }>;
  deadLetterPolicy?: Readonly<{ deadLetterTopic: string; maxDeliveryAttempts: number }>;
  expirationPolicy?: Readonly<{ ttl?: string }>;
}>;

export type PushConfig = Readonly<{
  pushEndpoint: string;
  oidcToken?: Readonly<{ serviceAccountEmail: string; audience?: string }>;
}>;

/** What a publisher hands over. `data` is base64. */
export type PubSubMessage = Readonly<{ data?: string; attributes?: Record<string, string> }>;

export type PublishedMessage = PubSubMessage & Readonly<{ messageId: string; publishTime: string }>;

/** One message on its way to one subscription. `dueAt` is in milliseconds since 1970. */
export type Delivery = Readonly<{
  id: string;
  subscription: string;
  message: PublishedMessage;
  failedAttempts: number;
  dueAt: number;
}>;

/** Everything the stand-in remembers, as JSON; each record goes by full name, or by the delivery's id. */
export type PubSubState = {
  changes: number;
  topics: Record<string, Readonly<{ topic: Topic; policy?: Policy }>>;
  subscriptions: Record<string, Readonly<{ subscription: Subscription; policy?: Policy }>>;
  deliveries: Record<string, Delivery>;
};

export const emptyState = (): PubSubState => ({
  changes: 0,
  topics: {},
  subscriptions: {},
  deliveries: {},
});

/** A number that was never given before. */
export function nextChange(state: PubSubState): number {
  state.changes += 1;
  return state.changes;
}

/** The stored resource; throws NOT_FOUND. */
export function stored<Resource>(resources: Record<string, Resource>, name: string): Resource {
  const found = resources[name];
  if (!found)
    throw new GoogleFault('NOT_FOUND', `Resource not found (resource=${lastPart(name)}).`);
  return found;
}

/** Throws ALREADY_EXISTS for a taken name, INVALID_ARGUMENT for one that may not be. */
export function checkNewName(resources: Record<string, unknown>, name: string): void {
  const id = lastPart(name);
  if (!/^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$/.test(id) || id.toLowerCase().startsWith('goog'))
    throw new GoogleFault('INVALID_ARGUMENT', `Invalid resource name given (name=${name}).`);
  if (resources[name])
    throw new GoogleFault(
      'ALREADY_EXISTS',
      `Resource already exists in the project (resource=${id}).`,
    );
}

const lastPart = (name: string) => name.slice(name.lastIndexOf('/') + 1);
