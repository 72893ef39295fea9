import type { IncomingMessage } from 'node:http';
import { PassThroughClient } from 'google-auth-library';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../local/clock.ts';
import { type CloudTasks, startCloudTasks } from '../../local/cloud-tasks/cloud-tasks.ts';
import { memoryStore } from '../../local/state.ts';
import {
  createIssueQueue,
  createQueueStates,
  type IssueQueueOptions,
} from '../../shared/adapters/cloud-tasks.ts';
import { issueQueueContract, issueTask } from './issue-queue.ts';
import { refusing } from './secret-manager.ts';
import { startTarget, type WakeTarget } from './target.ts';

const LOCATION = 'projects/p/locations/l';
const QUEUE = `${LOCATION}/queues/production`;
const INVOKER = 'invoker@p.iam.gserviceaccount.com';
const START = new Date('2026-11-21T10:00:00Z');

let tasks: CloudTasks;
let target: WakeTarget;
let script: (request: IncomingMessage) => void;

beforeAll(async () => {
  target = await startTarget();
  tasks = await startCloudTasks({
    store: memoryStore(),
    clock: systemClock,
    identityToken: async (email, audience) => `${email} for ${audience}`,
    before: (request) => script(request),
  });
  script = () => {};
  for (const name of [QUEUE, `${LOCATION}/queues/paused`])
    await call('POST', `${LOCATION}/queues`, { name });
  await call('POST', `${LOCATION}/queues/paused:pause`, {});
});
afterAll(async () => {
  await tasks.close();
  await target.close();
});
beforeEach(() => {
  script = () => {};
});

async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(`${tasks.url}/v2/${path}`, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

const options = (differs: Partial<IssueQueueOptions> = {}): IssueQueueOptions => ({
  queues: { production: QUEUE, held: `${LOCATION}/queues/paused`, lost: `${LOCATION}/queues/none` },
  url: target.url,
  invoker: INVOKER,
  auth: { client: new PassThroughClient() },
  endpoint: tasks.url,
  ...differs,
});

const of = (issuer: string) => issueTask({ identity: { ...issueTask().identity, issuer } });

describe('a queue, on the stand-in', () => {
  issueQueueContract(() => ({
    queue: createIssueQueue(options()),
    next: async () => (await target.next()).body,
  }));
});

describe('a task of Cloud Tasks', () => {
  const held = (id: string) =>
    call('GET', `${LOCATION}/queues/paused/tasks/${id}?responseView=FULL`);

  test("is a POST of JSON in the name of the invoker, in its issuer's queue", async () => {
    await createIssueQueue(options()).enqueue('signed', issueTask(), undefined);
    const { headers } = await target.next();
    expect(headers).toMatchObject({
      authorization: `Bearer ${INVOKER} for ${target.url}`,
      'content-type': 'application/json',
      'x-cloudtasks-queuename': 'production',
      'x-cloudtasks-taskname': 'signed',
    });
  });

  test("has the worker's deadline", async () => {
    await createIssueQueue(options()).enqueue('deadline', of('held'), undefined);
    expect(await held('deadline')).toMatchObject({ dispatchDeadline: '100s' });
  });

  test.for<[string, number, string | undefined]>([
    ['nothing when the moment is now', 0, undefined],
    ['nothing when the moment has passed', -1, undefined],
    ['a moment to the millisecond', 3_600_123, '2026-11-21T11:00:00.123Z'],
    ['the furthest moment there is', 30 * 86_400_000 - 60_000, '2026-12-21T09:59:00.000Z'],
    ['what is further as the furthest', 30 * 86_400_000 - 59_999, '2026-12-21T09:59:00.000Z'],
    ['a year as the furthest', 365 * 86_400_000, '2026-12-21T09:59:00.000Z'],
  ])('is scheduled for %s', async ([title, afterMs, expected]) => {
    const bodies: string[] = [];
    const recording = await startCloudTasks({
      store: memoryStore(),
      clock: { now: () => START, at: () => () => {} },
      identityToken: async () => 'token',
      recorder: ({ request }) => bodies.push(JSON.stringify(request)),
    });
    try {
      await fetch(`${recording.url}/v2/${LOCATION}/queues`, {
        method: 'POST',
        body: JSON.stringify({ name: QUEUE }),
      });
      const queue = createIssueQueue(options({ endpoint: recording.url, now: () => START }));
      await queue.enqueue(title.replaceAll(' ', '-'), issueTask(), new Date(+START + afterMs));
      const { task } = JSON.parse(bodies[1] ?? '{}');
      expect(task.scheduleTime && new Date(task.scheduleTime).toISOString()).toBe(expected);
    } finally {
      await recording.close();
    }
  });
});

describe('on a bad day', () => {
  test('a queue that is not there is named', async () => {
    const enqueued = createIssueQueue(options()).enqueue('x', of('lost'), undefined);
    await expect(enqueued).rejects.toMatchObject({
      code: 'queue-unavailable',
      message: `cannot add a task to ${LOCATION}/queues/none: there is no such queue; create it, or correct runtime.queues`,
    });
  });

  test('an issuer without a queue is named', async () => {
    const enqueued = createIssueQueue(options()).enqueue('x', of('staging'), undefined);
    await expect(enqueued).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('issuer staging'),
    });
  });

  test('both permissions that may be missing are named', async () => {
    script = refusing(/^POST/, ['PERMISSION_DENIED', 'no']);
    const enqueued = createIssueQueue(options()).enqueue('x', issueTask(), undefined);
    await expect(enqueued).rejects.toMatchObject({
      code: 'not-permitted',
      message: `cannot add a task to ${QUEUE}: permission denied; grant cloudtasks.tasks.create on ${QUEUE} and iam.serviceAccounts.actAs on ${INVOKER}; the same is answered when there is no such queue`,
    });
  });

  test('a service that is unavailable for a moment is asked again', async () => {
    script = refusing(/^POST/, ['UNAVAILABLE', 'try later'], 2);
    const queue = createIssueQueue(options());
    expect(await queue.enqueue('moment', issueTask(), undefined)).toBe('enqueued');
    await target.next();
  });
});

test('the state of each queue is told, and why one has none', async () => {
  expect(await createQueueStates(options())()).toEqual([
    { issuer: 'production', queue: QUEUE, state: 'RUNNING', problem: undefined },
    { issuer: 'held', queue: `${LOCATION}/queues/paused`, state: 'PAUSED', problem: undefined },
    {
      issuer: 'lost',
      queue: `${LOCATION}/queues/none`,
      state: 'UNREADABLE',
      problem: `cannot read ${LOCATION}/queues/none: it does not exist`,
    },
  ]);
});
