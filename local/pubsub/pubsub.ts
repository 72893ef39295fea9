import type { Clock } from '../clock.ts';
import { type Call, type GoogleApiOptions, type Route, serveGoogleApi } from '../google-api.ts';
import type { Store } from '../state.ts';
import { grantedPermissions, noPolicy, type Policy, replacedPolicy } from '../wire/policy.ts';
import { createDeliveries, type Deliveries, unacknowledged } from './deliveries.ts';
import { checkedMessage, enqueue, publishedMessages } from './publish.ts';
import type { IdentityToken } from './push.ts';
import { emptyState, nextChange, type PubSubMessage, type PubSubState, stored } from './state.ts';
import {
  createSubscription,
  deleteSubscription,
  getSubscription,
  listSubscriptions,
  patchSubscription,
  subscriptionName,
} from './subscriptions.ts';
import { createTopic, deleteTopic, getTopic, listTopics, patchTopic, topicName } from './topics.ts';

export type { PubSubMessage, PubSubState } from './state.ts';

export type PubSub = Readonly<{
  url: string;
  /** Publishes as the REST method does; `topic` is `projects/P/topics/T`. Throws NOT_FOUND and INVALID_ARGUMENT as GoogleFault. */
  publish(topic: string, message: PubSubMessage): void;
  /** Messages not acknowledged yet: `due` are being delivered, `later` wait for a retry. Dead-lettered ones do not count. */
  unacknowledged(): { due: number; later: number };
  /** Calls back after each publish, acknowledgement and failed attempt, and each change of a topic or subscription. */
  onChange(listener: () => void): void;
  close(): Promise<void>;
}>;

export type PubSubOptions = Pick<GoogleApiOptions, 'recorder' | 'before' | 'port'> &
  Readonly<{
    store: Store<PubSubState>;
    clock: Clock;
    /** The OIDC token with which a service account signs its pushes. */
    identityToken: IdentityToken;
    /** Delivers every message twice at once, which at-least-once delivery may do at any time. */
    duplicate?: boolean;
  }>;

type Broker = Readonly<{
  state: PubSubState;
  deliveries: Deliveries;
  changed(): void;
  forward(topic: string, message: PubSubMessage): string;
}>;

/**
 * A stand-in for Pub/Sub's REST API v1 with push subscriptions; pulling is refused. Every caller may do everything.
 * A new process starts with every unacknowledged message due at once.
 */
export async function startPubSub(options: PubSubOptions): Promise<PubSub> {
  const { clock } = options;
  const listeners = new Set<() => void>();
  const broker = createBroker(options, () => {
    for (const listener of listeners) listener();
  });
  const { state, deliveries } = broker;
  const api = await serveGoogleApi({ ...options, service: 'pubsub', routes: routes(broker) });
  deliveries.start(Object.values(state.deliveries));
  return {
    url: api.url,
    publish(topic, message) {
      broker.forward(topic, checkedMessage(message));
      broker.changed();
    },
    unacknowledged: () => unacknowledged(state, clock.now().getTime()),
    onChange: (listener) => void listeners.add(listener),
    async close() {
      await deliveries.close();
      await api.close();
    },
  };
}

function createBroker(options: PubSubOptions, tell: () => void): Broker {
  const { store, clock, identityToken, duplicate } = options;
  const state = allDue(store.load() ?? emptyState(), clock.now().getTime());
  const changed = () => {
    store.save(state);
    tell();
  };
  const forward = (topic: string, message: PubSubMessage) => {
    const copies = duplicate ? 2 : 1;
    const { messageId, deliveries: added } = enqueue(state, { topic, message }, { clock, copies });
    deliveries.start(added);
    return messageId;
  };
  const deliveries = createDeliveries({ state, clock, identityToken, changed, forward });
  return { state, deliveries, changed, forward };
}

function allDue(state: PubSubState, now: number): PubSubState {
  for (const delivery of Object.values(state.deliveries))
    state.deliveries[delivery.id] = { ...delivery, dueAt: now };
  return state;
}

const TOPICS = '/v1/projects/{project}/topics';
const TOPIC = `${TOPICS}/{topic}`;
const SUBSCRIPTIONS = '/v1/projects/{project}/subscriptions';
const SUBSCRIPTION = `${SUBSCRIPTIONS}/{subscription}`;

function routes(broker: Broker): Route[] {
  const { state, changed } = broker;
  const read = (handle: (from: PubSubState, call: Call) => unknown) => (call: Call) =>
    handle(state, call);
  const write = (handle: (to: PubSubState, call: Call) => unknown) => (call: Call) => {
    const reply = handle(state, call);
    changed();
    return reply;
  };
  return [
    { method: 'GET', template: TOPICS, handle: read(listTopics) },
    { method: 'PUT', template: TOPIC, handle: write(createTopic) },
    { method: 'GET', template: TOPIC, handle: read(getTopic) },
    { method: 'PATCH', template: TOPIC, handle: write(patchTopic) },
    { method: 'DELETE', template: TOPIC, handle: write(deleteTopic) },
    { method: 'POST', template: `${TOPIC}:publish`, handle: (call) => publish(broker, call) },
    { method: 'GET', template: SUBSCRIPTIONS, handle: read(listSubscriptions) },
    { method: 'PUT', template: SUBSCRIPTION, handle: write(createSubscription) },
    { method: 'GET', template: SUBSCRIPTION, handle: read(getSubscription) },
    { method: 'PATCH', template: SUBSCRIPTION, handle: (call) => repatch(broker, call) },
    { method: 'DELETE', template: SUBSCRIPTION, handle: write(deleteSubscription) },
    ...policyRoutes(broker, TOPIC, ({ path }) => [state.topics, topicName(path)]),
    ...policyRoutes(broker, SUBSCRIPTION, ({ path }) => [
      state.subscriptions,
      subscriptionName(path),
    ]),
  ];
}

function publish({ forward, changed }: Broker, call: Call) {
  const topic = topicName(call.path);
  const messageIds = publishedMessages(call.body).map((message) => forward(topic, message));
  changed();
  return { messageIds };
}

function repatch({ state, deliveries, changed }: Broker, call: Call) {
  const subscription = patchSubscription(state, call);
  changed();
  const kept = Object.values(state.deliveries).filter(
    (delivery) => delivery.subscription === subscription.name,
  );
  deliveries.start(kept);
  return subscription;
}

type Owner = (call: Call) => readonly [Record<string, Readonly<{ policy?: Policy }>>, string];

function policyRoutes({ state, changed }: Broker, template: string, owner: Owner): Route[] {
  const policyOf = (call: Call) => stored(...owner(call)).policy ?? noPolicy;
  return [
    { method: 'GET', template: `${template}:getIamPolicy`, handle: policyOf },
    {
      method: 'POST',
      template: `${template}:setIamPolicy`,
      handle(call) {
        const policy = replacedPolicy(policyOf(call), call.body, nextChange(state));
        const [resources, name] = owner(call);
        resources[name] = { ...resources[name], policy };
        changed();
        return policy;
      },
    },
    {
      method: 'POST',
      template: `${template}:testIamPermissions`,
      handle(call) {
        policyOf(call);
        return grantedPermissions(call.body);
      },
    },
  ];
}
