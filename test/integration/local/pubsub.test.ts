import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ManualClock, manualClock } from '../../../local/clock.ts';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import {
  type PubSub,
  type PubSubOptions,
  type PubSubState,
  startPubSub,
} from '../../../local/pubsub/pubsub.ts';
import { memoryStore, type Store } from '../../../local/state.ts';

const START = new Date('2026-11-21T10:00:00Z');
const TOPIC = 'projects/p/topics/events';
const DATA = Buffer.from('hello').toString('base64');

type Body = {
  message: { data?: string; attributes?: Record<string, string>; messageId: string };
  subscription: string;
  deliveryAttempt?: number;
};
type Push = { headers: IncomingHttpHeaders; body: Body; answer(status: number): void };

/** An endpoint that answers nothing by itself; pushes are taken one by one, in the order in which they came. */
async function startTarget() {
  const arrived: Push[] = [];
  const waiting: ((push: Push) => void)[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const push: Push = {
      headers: request.headers,
      body: (await json(request)) as Body,
      answer: (status) => response.writeHead(status, { location: '/elsewhere' }).end(),
    };
    const next = waiting.shift();
    if (next) next(push);
    else arrived.push(push);
  };
  const server = createServer((request, response) => void take(request, response));
  return {
    ...(await listenOnLoopback(server, 0)),
    arrived,
    next: () =>
      new Promise<Push>((resolve) => {
        const push = arrived.shift();
        if (push) resolve(push);
        else waiting.push(resolve);
      }),
  };
}

let clock: ManualClock;
let pubsub: PubSub;
let target: RunningApi & { next(): Promise<Push>; arrived: Push[] };

beforeEach(async () => {
  clock = manualClock(START);
  target = await startTarget();
  await start();
});
afterEach(async () => {
  await pubsub.close();
  await target.close();
});

async function start(options: Partial<PubSubOptions> = {}) {
  pubsub = await startPubSub({
    store: memoryStore(),
    clock,
    identityToken: async (email, audience) => `token of ${email} for ${audience}`,
    ...options,
  });
}

async function call(method: string, name: string, body?: unknown) {
  const response = await fetch(`${pubsub.url}/v1/${name}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const reply = (await response.json()) as Record<string, unknown> & {
    error?: { status: string; message: string };
  };
  return { status: response.status, reply };
}

async function subscribe(id: string, fields: Record<string, unknown> = {}) {
  const name = `projects/p/subscriptions/${id}`;
  const pushConfig = { pushEndpoint: `${target.url}/${id}` };
  const { status, reply } = await call('PUT', name, { topic: TOPIC, pushConfig, ...fields });
  expect([status, reply.error]).toEqual([200, undefined]);
  return name;
}

const publish = (attributes: Record<string, string> = { kind: 'test' }) =>
  pubsub.publish(TOPIC, { data: DATA, attributes });

/** Waits until the stand-in has noticed something, such as an answer. */
const noticed = (until: () => boolean) =>
  new Promise<void>((resolve) => {
    const look = () => until() && resolve();
    pubsub.onChange(look);
    look();
  });
const settled = () => noticed(() => pubsub.unacknowledged().due === 0);
const waitingFor = (later: number) =>
  noticed(() => pubsub.unacknowledged().due === 0 && pubsub.unacknowledged().later === later);

/** Answers as many pushes as wanted with a failure, moving the clock by the wait before each next one. */
async function failTimes(times: number, waitMs: number) {
  for (let attempt = 0; attempt < times; attempt += 1) {
    (await target.next()).answer(503);
    await waitingFor(1);
    if (attempt < times - 1) clock.advance(waitMs);
  }
}

describe('topics', () => {
  test('a topic is created, read, changed, listed and deleted', async () => {
    const created = await call('PUT', TOPIC, { labels: { a: 'b' } });
    expect(created.reply).toEqual({ name: TOPIC, labels: { a: 'b' } });
    await call('PUT', 'projects/p/topics/another', {});
    await call('PUT', 'projects/q/topics/foreign', {});
    const patch = { topic: { labels: { c: 'd' } }, updateMask: 'labels' };
    expect((await call('PATCH', TOPIC, patch)).reply.labels).toEqual({ c: 'd' });
    const first = (await call('GET', 'projects/p/topics?pageSize=1')).reply;
    expect(first.topics).toEqual([{ name: 'projects/p/topics/another' }]);
    const rest = await call('GET', `projects/p/topics?pageSize=1&pageToken=${first.nextPageToken}`);
    expect(rest.reply).toEqual({ topics: [{ name: TOPIC, labels: { c: 'd' } }] });
    expect((await call('DELETE', TOPIC)).reply).toEqual({});
    expect((await call('GET', TOPIC)).status).toBe(404);
  });

  test('a policy is kept, and refused when it was made from an older one', async () => {
    await call('PUT', TOPIC, {});
    const { reply } = await call('GET', `${TOPIC}:getIamPolicy?options.requestedPolicyVersion=3`);
    const bindings = [{ role: 'roles/pubsub.publisher', members: ['user:a@b.test'] }];
    const change = { policy: { bindings, etag: reply.etag } };
    expect((await call('POST', `${TOPIC}:setIamPolicy`, change)).status).toBe(200);
    expect((await call('GET', `${TOPIC}:getIamPolicy`)).reply).toMatchObject({ bindings });
    expect((await call('POST', `${TOPIC}:setIamPolicy`, change)).status).toBe(409);
  });

  test('a message for a topic without subscriptions is dropped', async () => {
    await call('PUT', TOPIC, {});
    const { reply } = await call('POST', `${TOPIC}:publish`, { messages: [{ data: DATA }] });
    expect(reply.messageIds).toHaveLength(1);
    await subscribe('late');
    expect(pubsub.unacknowledged()).toEqual({ due: 0, later: 0 });
  });
});

describe('subscriptions', () => {
  beforeEach(() => call('PUT', TOPIC, {}));

  test('a subscription is created with its defaults, read, changed, listed and deleted', async () => {
    const name = await subscribe('sub', { retryPolicy: {}, labels: { a: 'b' } });
    const expected = {
      name,
      topic: TOPIC,
      pushConfig: { pushEndpoint: `${target.url}/sub` },
      ackDeadlineSeconds: 10,
      messageRetentionDuration: '604800s',
      retryPolicy: { minimumBackoff: '10s', maximumBackoff: '600s' },
      expirationPolicy: { ttl: '2678400s' },
      labels: { a: 'b' },
      state: 'ACTIVE',
    };
    expect((await call('GET', name)).reply).toEqual(expected);
    const subscription = { ackDeadlineSeconds: 600, deadLetterPolicy: null, labels: { c: 'd' } };
    const updateMask = 'ack_deadline_seconds,deadLetterPolicy,bigqueryConfig,retryPolicy';
    const changed = await call('PATCH', name, { subscription, updateMask });
    const { retryPolicy, ...kept } = expected;
    expect(changed.reply).toEqual({ ...kept, ackDeadlineSeconds: 600 });
    expect((await call('GET', 'projects/p/subscriptions')).reply).toEqual({
      subscriptions: [changed.reply],
    });
    const queried = await call('PATCH', `${name}?updateMask=labels`, { subscription });
    expect(queried.reply.labels).toEqual({ c: 'd' });
    await call('DELETE', name);
    expect((await call('GET', name)).status).toBe(404);
  });

  test('a deleted topic leaves the subscription and what it holds', async () => {
    const name = await subscribe('sub');
    publish();
    await call('DELETE', TOPIC);
    expect((await call('GET', name)).reply.topic).toBe('_deleted-topic_');
    (await target.next()).answer(200);
    await settled();
  });

  test('a deleted subscription delivers nothing more', async () => {
    const name = await subscribe('sub');
    publish();
    await failTimes(1, 0);
    await call('DELETE', name);
    expect(pubsub.unacknowledged()).toEqual({ due: 0, later: 0 });
    clock.advance(3_600_000);
    expect(target.arrived).toEqual([]);
  });

  test('a message waits until its subscription gets an endpoint', async () => {
    const name = await subscribe('sub', { pushConfig: {} });
    publish();
    expect(pubsub.unacknowledged()).toEqual({ due: 0, later: 0 });
    const subscription = { pushConfig: { pushEndpoint: target.url } };
    await call('PATCH', name, { subscription, updateMask: 'pushConfig' });
    (await target.next()).answer(200);
    await settled();
  });
});

describe('a push', () => {
  beforeEach(() => call('PUT', TOPIC, {}));

  test('carries the wrapped message and says who sends it', async () => {
    const oidcToken = { serviceAccountEmail: 'push@p.test' };
    const name = await subscribe('sub', {
      pushConfig: { pushEndpoint: `${target.url}/sync`, oidcToken },
    });
    const messages = [{ data: DATA, attributes: { kind: 'test' } }];
    const { reply } = await call('POST', `${TOPIC}:publish`, { messages });
    const { body, headers, answer } = await target.next();
    const [messageId] = reply.messageIds as string[];
    const time = START.toISOString();
    expect(body).toEqual({
      message: {
        data: DATA,
        attributes: { kind: 'test' },
        messageId,
        message_id: messageId,
        publishTime: time,
        publish_time: time,
      },
      subscription: name,
    });
    expect(headers.authorization).toBe(`Bearer token of push@p.test for ${target.url}/sync`);
    answer(204);
    await settled();
  });

  test('is signed for the audience that the subscription names', async () => {
    const oidcToken = { serviceAccountEmail: 'push@p.test', audience: 'https://sync.test' };
    await subscribe('sub', { pushConfig: { pushEndpoint: target.url, oidcToken } });
    publish();
    const { headers, answer } = await target.next();
    expect(headers.authorization).toBe('Bearer token of push@p.test for https://sync.test');
    answer(200);
    await settled();
  });

  test('goes to every subscription of the topic', async () => {
    const names = [await subscribe('one'), await subscribe('two')];
    publish();
    const pushes = [await target.next(), await target.next()];
    expect(pushes.map(({ body }) => body.subscription).sort()).toEqual(names);
    for (const { answer } of pushes) answer(200);
    await settled();
  });

  test.for([200, 201, 202, 204])('is acknowledged by %s', async (status) => {
    await subscribe('sub');
    publish();
    (await target.next()).answer(status);
    await waitingFor(0);
  });

  test.for([203, 302, 400, 404, 429, 500, 503])('is sent again after %s', async (status) => {
    await subscribe('sub');
    publish();
    const first = await target.next();
    first.answer(status);
    await waitingFor(1);
    clock.advance(100);
    const again = await target.next();
    expect(again.body).toEqual(first.body);
    again.answer(200);
    await waitingFor(0);
  });

  test('is sent again when the deadline passes without an answer', async () => {
    await subscribe('sub', { ackDeadlineSeconds: 30 });
    publish();
    await target.next();
    clock.advance(29_999);
    expect(pubsub.unacknowledged()).toEqual({ due: 1, later: 0 });
    clock.advance(1);
    await waitingFor(1);
    clock.advance(100);
    (await target.next()).answer(200);
    await waitingFor(0);
  });

  test('fails when the token cannot be had', async () => {
    await pubsub.close();
    await start({ identityToken: () => Promise.reject(new Error('no such account')) });
    await call('PUT', TOPIC, {});
    const oidcToken = { serviceAccountEmail: 'push@p.test' };
    await subscribe('sub', { pushConfig: { pushEndpoint: target.url, oidcToken } });
    publish();
    await waitingFor(1);
    expect(target.arrived).toEqual([]);
  });

  test('never leaves the machine', async () => {
    await subscribe('sub', { pushConfig: { pushEndpoint: 'http://127.0.0.1.example.test/' } });
    publish();
    await waitingFor(1);
  });

  test('to a slow endpoint does not hold up another', async () => {
    await subscribe('slow');
    for (let count = 0; count < 60; count += 1) publish();
    const held = await Promise.all(Array.from({ length: 50 }, () => target.next()));
    await subscribe('quick', { filter: 'attributes:quick' });
    publish({ quick: 'yes' });
    const quick = await target.next();
    expect(quick.body.subscription).toBe('projects/p/subscriptions/quick');
    expect(target.arrived).toEqual([]);
    quick.answer(200);
    for (const { answer } of held) answer(200);
    for (let count = 0; count < 11; count += 1) (await target.next()).answer(200);
    await settled();
  });
});

describe('retries', () => {
  beforeEach(() => call('PUT', TOPIC, {}));

  test.for<[string, Record<string, unknown>, number[]]>([
    ['without a policy', {}, [100, 200, 400, 800]],
    ['with the policy of the defaults', { retryPolicy: {} }, [10_000, 20_000, 40_000]],
    [
      'with a policy',
      { retryPolicy: { minimumBackoff: '15s', maximumBackoff: '40s' } },
      [15_000, 30_000, 40_000, 40_000],
    ],
  ])('come at growing distances %s', async ([, fields, waits]) => {
    await subscribe('sub', fields);
    publish();
    for (const wait of waits) {
      (await target.next()).answer(500);
      await waitingFor(1);
      clock.advance(wait - 1);
      expect(pubsub.unacknowledged()).toEqual({ due: 0, later: 1 });
      clock.advance(1);
      expect(pubsub.unacknowledged()).toEqual({ due: 1, later: 0 });
    }
    (await target.next()).answer(200);
    await waitingFor(0);
  });

  test('end in the dead letter topic, where the message says where it comes from', async () => {
    const deadLetterTopic = 'projects/p/topics/dead';
    await call('PUT', deadLetterTopic, {});
    await subscribe('dead-sub', { topic: deadLetterTopic });
    await subscribe('sub', { deadLetterPolicy: { deadLetterTopic, maxDeliveryAttempts: 5 } });
    publish();
    const attempts: unknown[] = [];
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const { body, answer } = await target.next();
      attempts.push(body.deliveryAttempt);
      answer(500);
      await waitingFor(attempt < 5 ? 1 : 0);
      clock.advance(60_000);
    }
    expect(attempts).toEqual([1, 2, 3, 4, 5]);
    const { body, answer } = await target.next();
    expect(body.subscription).toBe('projects/p/subscriptions/dead-sub');
    expect(body.message).toMatchObject({
      data: DATA,
      attributes: {
        kind: 'test',
        CloudPubSubDeadLetterSourceDeliveryCount: '5',
        CloudPubSubDeadLetterSourceSubscription: 'sub',
        CloudPubSubDeadLetterSourceSubscriptionProject: 'p',
      },
    });
    expect(pubsub.unacknowledged()).toEqual({ due: 0, later: 0 });
    answer(200);
  });

  test('go on while the dead letter topic is not there', async () => {
    const deadLetterTopic = 'projects/p/topics/dead';
    await subscribe('sub', { deadLetterPolicy: { deadLetterTopic } });
    publish();
    await failTimes(6, 60_000);
  });

  test('end when the message is older than the subscription keeps it', async () => {
    await subscribe('sub', { messageRetentionDuration: '600s' });
    publish();
    await failTimes(1, 0);
    clock.advance(600_000);
    (await target.next()).answer(500);
    await waitingFor(0);
  });
});

describe('a filter', () => {
  const attributes = { kind: 'SECRET_VERSION_ADD', 'a/b': 'c', team: 'web' };
  test.for<[boolean, string]>([
    [true, 'attributes.kind = "SECRET_VERSION_ADD"'],
    [false, 'attributes.kind = "SECRET_CREATE"'],
    [true, 'attributes:kind'],
    [false, 'attributes:none'],
    [true, 'attributes."a/b" = "c"'],
    [true, 'attributes.kind != "SECRET_CREATE"'],
    [true, 'attributes.none != "x"'],
    [true, 'hasPrefix(attributes.kind, "SECRET_VERSION_")'],
    [false, 'hasPrefix(attributes.none, "")'],
    [false, 'hasPrefix(attributes.constructor, "")'],
    [false, 'NOT attributes:kind'],
    [false, '-attributes:kind'],
    [true, 'attributes:kind AND attributes:team AND NOT attributes:none'],
    [true, 'attributes:none OR attributes.team = "web"'],
    [true, 'attributes:kind AND (attributes:none OR attributes:team)'],
    [false, 'NOT (attributes:kind OR attributes:none)'],
    [true, 'attributes.team = "\\u0077eb"'],
  ])('lets the message through: %s, %s', async ([passes, filter]) => {
    await call('PUT', TOPIC, {});
    await subscribe('sub', { filter });
    publish(attributes);
    expect(pubsub.unacknowledged().due).toBe(passes ? 1 : 0);
  });

  test.for([
    'attributes',
    'attributes.kind',
    'attributes.kind = x',
    'attributes.kind > "x"',
    'attributes:a AND attributes:b OR attributes:c',
    '(attributes:a',
    'attributes:a attributes:b',
    'attributes:a)',
    'hasSuffix(attributes.a, "x")',
    'data:x',
    'attributes:"unfinished',
    `attributes:${'x'.repeat(256)}`,
  ])('that cannot be read is refused: %s', async (filter) => {
    await call('PUT', TOPIC, {});
    const { status, reply } = await call('PUT', 'projects/p/subscriptions/sub', {
      topic: TOPIC,
      filter,
    });
    expect([status, reply.error?.status]).toEqual([400, 'INVALID_ARGUMENT']);
  });
});

describe('what is refused', () => {
  const SUB = 'projects/p/subscriptions/sub';
  const NEW = 'projects/p/subscriptions/new';
  const GONE = 'projects/p/topics/gone';
  const sub = (fields: unknown) => ({ topic: TOPIC, ...(fields as object) });
  const mask = (updateMask: string) => ({ subscription: { filter: 'attributes:x' }, updateMask });
  test.for<[string, string, string, unknown, string]>([
    ['a topic that is there', 'PUT', TOPIC, {}, 'ALREADY_EXISTS'],
    ['a topic of two letters', 'PUT', 'projects/p/topics/ab', {}, 'INVALID_ARGUMENT'],
    ['a topic that begins with goog', 'PUT', 'projects/p/topics/google', {}, 'INVALID_ARGUMENT'],
    ['a topic with a schema', 'PUT', GONE, { schemaSettings: { schema: 's' } }, 'UNIMPLEMENTED'],
    ['an unknown topic', 'GET', GONE, undefined, 'NOT_FOUND'],
    ['publishing to it', 'POST', `${GONE}:publish`, { messages: [{ data: DATA }] }, 'NOT_FOUND'],
    ['no message', 'POST', `${TOPIC}:publish`, { messages: [] }, 'INVALID_ARGUMENT'],
    ['an empty message', 'POST', `${TOPIC}:publish`, { messages: [{}] }, 'INVALID_ARGUMENT'],
    [
      'data that is no base64',
      'POST',
      `${TOPIC}:publish`,
      { messages: [{ data: '!' }] },
      'INVALID_ARGUMENT',
    ],
    [
      'a long attribute',
      'POST',
      `${TOPIC}:publish`,
      { messages: [{ attributes: { a: 'x'.repeat(1025) } }] },
      'INVALID_ARGUMENT',
    ],
    [
      'an ordering key',
      'POST',
      `${TOPIC}:publish`,
      { messages: [{ data: DATA, orderingKey: 'k' }] },
      'UNIMPLEMENTED',
    ],
    ['a subscription that is there', 'PUT', SUB, sub({}), 'ALREADY_EXISTS'],
    ['a subscription without topic', 'PUT', NEW, {}, 'INVALID_ARGUMENT'],
    ['a subscription to no topic', 'PUT', NEW, { topic: GONE }, 'NOT_FOUND'],
    ['a field that does not exist', 'PUT', NEW, sub({ pushConfg: {} }), 'INVALID_ARGUMENT'],
    ['a deadline of 9 s', 'PUT', NEW, sub({ ackDeadlineSeconds: 9 }), 'INVALID_ARGUMENT'],
    ['a deadline of 601 s', 'PUT', NEW, sub({ ackDeadlineSeconds: 601 }), 'INVALID_ARGUMENT'],
    [
      'a backoff of 601 s',
      'PUT',
      NEW,
      sub({ retryPolicy: { maximumBackoff: '601s' } }),
      'INVALID_ARGUMENT',
    ],
    [
      'four attempts',
      'PUT',
      NEW,
      sub({ deadLetterPolicy: { deadLetterTopic: TOPIC, maxDeliveryAttempts: 4 } }),
      'INVALID_ARGUMENT',
    ],
    [
      'an endpoint that is no URL',
      'PUT',
      NEW,
      sub({ pushConfig: { pushEndpoint: 'sync' } }),
      'INVALID_ARGUMENT',
    ],
    ['ordering', 'PUT', NEW, sub({ enableMessageOrdering: true }), 'UNIMPLEMENTED'],
    [
      'unwrapped pushes',
      'PUT',
      NEW,
      sub({
        pushConfig: { pushEndpoint: 'http://localhost/', noWrapper: { writeMetadata: true } },
      }),
      'UNIMPLEMENTED',
    ],
    ['a change of the filter', 'PATCH', SUB, mask('filter'), 'INVALID_ARGUMENT'],
    ['a change of nothing', 'PATCH', SUB, mask(''), 'INVALID_ARGUMENT'],
    ['pulling', 'POST', `${SUB}:pull`, { maxMessages: 1 }, 'UNIMPLEMENTED'],
  ])('%s', async ([, method, name, body, status]) => {
    await call('PUT', TOPIC, {});
    await subscribe('sub');
    expect((await call(method, name, body)).reply.error?.status).toBe(status);
  });

  test('a message handed over directly passes the same checks', async () => {
    expect(() => publish()).toThrow('Resource not found (resource=events).');
    await call('PUT', TOPIC, {});
    expect(() => pubsub.publish(TOPIC, {})).toThrow('empty');
  });
});

describe('at least once', () => {
  /** A store of which the saved state can be looked at, and which a second process can load. */
  function keepingStore(): Store<PubSubState> {
    let saved = '';
    return {
      load: () => (saved ? (JSON.parse(saved) as PubSubState) : undefined),
      save: (state) => {
        saved = JSON.stringify(state);
      },
    };
  }

  test('a new process sends all unacknowledged messages at once', async () => {
    const store = keepingStore();
    await pubsub.close();
    await start({ store });
    await call('PUT', TOPIC, {});
    await subscribe('sub', { retryPolicy: {} });
    publish({ number: '1' });
    await failTimes(1, 0);
    publish({ number: '2' });
    await target.next();
    await pubsub.close();
    await start({ store });
    expect(pubsub.unacknowledged()).toEqual({ due: 2, later: 0 });
    const pushes = [await target.next(), await target.next()];
    expect(pushes.map(({ body }) => body.message.attributes?.number).sort()).toEqual(['1', '2']);
    for (const { answer } of pushes) answer(200);
    await waitingFor(0);
    expect(store.load()?.deliveries).toEqual({});
  });

  test('a message is saved before publishing is answered', async () => {
    const store = keepingStore();
    await pubsub.close();
    await start({ store });
    await call('PUT', TOPIC, {});
    await subscribe('sub');
    publish();
    expect(Object.keys(store.load()?.deliveries ?? {})).toHaveLength(1);
  });

  test('on request each message comes twice at once, under one id', async () => {
    await pubsub.close();
    await start({ duplicate: true });
    await call('PUT', TOPIC, {});
    await subscribe('sub');
    publish();
    const [first, second] = [await target.next(), await target.next()];
    expect(first.body).toEqual(second.body);
    first.answer(200);
    await noticed(() => pubsub.unacknowledged().due === 1);
    second.answer(200);
    await settled();
  });
});
