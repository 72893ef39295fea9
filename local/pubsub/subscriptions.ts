import type { Call } from '../google-api.ts';
import { pageOf } from './list.ts';
import { checkNewName, type PubSubState, type Subscription, stored } from './state.ts';
import { newSubscription, patchedSubscription } from './subscription-fields.ts';

/** A subscription as replies show it. */
type Shown = Subscription & Readonly<{ state: 'ACTIVE' }>;

/** projects.subscriptions.create. It gets what is published from now on. */
export function createSubscription(state: PubSubState, { path, body }: Call): Shown {
  const name = subscriptionName(path);
  checkNewName(state.subscriptions, name);
  const subscription = newSubscription(name, body);
  stored(state.topics, subscription.topic);
  state.subscriptions[name] = { subscription };
  return shown(subscription);
}

/** projects.subscriptions.get */
export function getSubscription(state: PubSubState, { path }: Call): Shown {
  return shown(stored(state.subscriptions, subscriptionName(path)).subscription);
}

/** projects.subscriptions.patch. What it holds goes on under the new settings. */
export function patchSubscription(state: PubSubState, call: Call): Shown {
  const current = stored(state.subscriptions, subscriptionName(call.path));
  const subscription = patchedSubscription(current.subscription, call);
  state.subscriptions[subscription.name] = { ...current, subscription };
  return shown(subscription);
}

/** projects.subscriptions.delete, with every message it holds. */
export function deleteSubscription(state: PubSubState, { path }: Call): Record<string, never> {
  const name = subscriptionName(path);
  stored(state.subscriptions, name);
  delete state.subscriptions[name];
  for (const { id, subscription } of Object.values(state.deliveries))
    if (subscription === name) delete state.deliveries[id];
  return {};
}

/** projects.subscriptions.list */
export function listSubscriptions(state: PubSubState, { path, query }: Call) {
  const all = Object.values(state.subscriptions).map(({ subscription }) => shown(subscription));
  const { items, ...next } = pageOf(
    all.filter(({ name }) => name.startsWith(`projects/${path.project}/`)),
    query,
  );
  return { subscriptions: items, ...next };
}

/** The full name of the subscription in a call's path. */
export const subscriptionName = (path: Call['path']): string =>
  `projects/${path.project}/subscriptions/${path.subscription}`;

const shown = (subscription: Subscription): Shown => ({ ...subscription, state: 'ACTIVE' });
