import { z } from 'zod';
import { type Call, GoogleFault } from '../google-api.ts';
import { parsed } from '../wire/parsed.ts';
import { pageOf } from './list.ts';
import { patchOf } from './patch.ts';
import { checkNewName, type PubSubState, stored, type Topic } from './state.ts';

const nothing = z.unknown().optional();
const topicSchema = z.strictObject({
  name: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  messageRetentionDuration: z
    .string()
    .regex(/^\d+s$/, 'a duration such as "600s" is wanted')
    .optional(),
  state: nothing,
  satisfiesPzs: nothing,
  ingestionDataSourceSettings: nothing,
  kmsKeyName: nothing,
  messageStoragePolicy: nothing,
  messageTransforms: nothing,
  schemaSettings: nothing,
  tags: nothing,
});

const NOT_IMPLEMENTED = [
  'ingestionDataSourceSettings',
  'kmsKeyName',
  'messageStoragePolicy',
  'messageTransforms',
  'schemaSettings',
  'tags',
] as const;

/** projects.topics.create */
export function createTopic(state: PubSubState, { path, body }: Call): Topic {
  const name = topicName(path);
  checkNewName(state.topics, name);
  const topic = checkedTopic(name, body);
  state.topics[name] = { topic };
  return topic;
}

/** projects.topics.get */
export function getTopic(state: PubSubState, { path }: Call): Topic {
  return stored(state.topics, topicName(path)).topic;
}

/** projects.topics.patch; labels and messageRetentionDuration can change. */
export function patchTopic(state: PubSubState, call: Call): Topic {
  const current = stored(state.topics, topicName(call.path));
  const { resource, fields } = patchOf('topic', call);
  const known: readonly string[] = ['labels', 'messageRetentionDuration', ...NOT_IMPLEMENTED];
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown)
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      `Invalid update_mask provided in the request (${unknown} cannot be updated).`,
    );
  const values = Object.fromEntries(fields.map((field) => [field, resource[field]]));
  const topic = checkedTopic(current.topic.name, { ...current.topic, ...values });
  state.topics[topic.name] = { ...current, topic };
  return topic;
}

/** projects.topics.delete. Its subscriptions stay, with what they hold, and point to `_deleted-topic_`. */
export function deleteTopic(state: PubSubState, { path }: Call): Record<string, never> {
  const name = topicName(path);
  stored(state.topics, name);
  delete state.topics[name];
  for (const [id, kept] of Object.entries(state.subscriptions))
    if (kept.subscription.topic === name)
      state.subscriptions[id] = {
        ...kept,
        subscription: { ...kept.subscription, topic: '_deleted-topic_' },
      };
  return {};
}

/** projects.topics.list */
export function listTopics(state: PubSubState, { path, query }: Call) {
  const all = Object.values(state.topics).map(({ topic }) => topic);
  const { items, ...next } = pageOf(
    all.filter(({ name }) => name.startsWith(`projects/${path.project}/`)),
    query,
  );
  return { topics: items, ...next };
}

/** The full name of the topic in a call's path. */
export const topicName = (path: Call['path']): string =>
  `projects/${path.project}/topics/${path.topic}`;

function checkedTopic(name: string, body: unknown): Topic {
  const given = parsed(topicSchema, body);
  for (const field of NOT_IMPLEMENTED)
    if (given[field] && Object.keys(given[field]).length > 0)
      throw new GoogleFault(
        'UNIMPLEMENTED',
        `The field ${field} of a topic is not implemented by this stand-in`,
      );
  const { labels = {}, messageRetentionDuration } = given;
  return {
    name,
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(messageRetentionDuration && { messageRetentionDuration }),
  };
}
