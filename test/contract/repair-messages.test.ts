import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PushedMessage } from '../../functions/sync-message.ts';
import { systemClock } from '../../local/clock.ts';
import { type PubSub, startPubSub } from '../../local/pubsub/pubsub.ts';
import { memoryStore } from '../../local/state.ts';
import { createRepairMessages } from '../../shared/adapters/pubsub.ts';
import { repairMessagesContract } from './repair-messages.ts';
import { refusing } from './secret-manager.ts';
import { startTarget, type WakeTarget } from './target.ts';

const TOPIC = 'projects/p/topics/events';

let pubsub: PubSub;
let target: WakeTarget;
let script: (request: IncomingMessage) => void = () => {};

beforeAll(async () => {
  target = await startTarget();
  pubsub = await startPubSub({
    store: memoryStore(),
    clock: systemClock,
    identityToken: async () => 'token',
    before: (request) => script(request),
  });
  await put(TOPIC, {});
  await put('projects/p/subscriptions/sync', {
    topic: TOPIC,
    pushConfig: { pushEndpoint: target.url },
    filter: 'attributes.eventType = "CERTHERD_REPAIR"',
  });
});
afterAll(async () => {
  await pubsub.close();
  await target.close();
});
beforeEach(() => {
  script = () => {};
});

async function put(name: string, body: unknown) {
  const init = { method: 'PUT', body: JSON.stringify(body) };
  expect((await fetch(`${pubsub.url}/v1/${name}`, init)).status).toBe(200);
}

const repairs = (topic = TOPIC, accessToken = async () => 'a-token', endpoint = pubsub.url) =>
  createRepairMessages({ topic, auth: { accessToken }, endpoint });

const publish = (messages: ReturnType<typeof repairs>) =>
  messages.publish('a', { reason: 'drift', targets: [] });

describe('repairs, on the stand-in', () => {
  repairMessagesContract(() => ({
    repairs: repairs(),
    next: async () => ((await target.next()).body as { message: PushedMessage }).message,
  }));
});

test('a message is published with our access token', async () => {
  const seen: unknown[] = [];
  script = ({ headers }) => seen.push(headers.authorization);
  await publish(repairs());
  await target.next();
  expect(seen).toEqual(['Bearer a-token']);
});

describe('on a bad day', () => {
  test('a topic that is not there is named', async () => {
    await expect(publish(repairs('projects/p/topics/none'))).rejects.toMatchObject({
      code: 'queue-unavailable',
      message:
        'cannot publish to projects/p/topics/none: there is no such topic; create it, or correct runtime.topic',
    });
  });

  test('the permission that is missing is named', async () => {
    script = refusing(/:publish/, ['PERMISSION_DENIED', 'no']);
    await expect(publish(repairs())).rejects.toMatchObject({
      message: `cannot publish to ${TOPIC}: permission denied; grant pubsub.topics.publish on ${TOPIC}`,
    });
  });

  test('a service that is not there is named with its reason', async () => {
    await expect(publish(repairs(TOPIC, undefined, 'http://127.0.0.1:9'))).rejects.toMatchObject({
      code: 'queue-unavailable',
      message: expect.stringContaining(TOPIC),
    });
  });

  test('without a token nothing is sent', async () => {
    const token = async () => {
      throw new Error('no credentials');
    };
    await expect(publish(repairs(TOPIC, token))).rejects.toMatchObject({
      code: 'queue-unavailable',
      message: `cannot publish to ${TOPIC}: no credentials`,
    });
  });
});
