import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { CloudTasksClient } from '@google-cloud/tasks';
import { PassThroughClient } from 'google-auth-library';
import { afterEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../../local/clock.ts';
import {
  type CloudTasks,
  type CloudTasksOptions,
  startCloudTasks,
} from '../../../local/cloud-tasks/cloud-tasks.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import { memoryStore, type Store } from '../../../local/state.ts';

const START = new Date('2026-03-01T12:00:00Z');
const LOCATION = 'projects/p/locations/l';
const QUEUE = `${LOCATION}/queues/issue`;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

type Received = { headers: IncomingHttpHeaders; method: string; body: string; at: Date };
type Arrival = Received & { reply(status: number, headers?: Record<string, string>): void };

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A worker whose requests are taken one after the other and answered by the test. */
async function startTarget(clock: { now(): Date }) {
  const arrived: Arrival[] = [];
  const takers: ((arrival: Arrival) => void)[] = [];
  const server = createServer((request, response) => void receive(request, response));
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const { headers, method = '' } = request;
    const body = (await request.toArray()).join('');
    const reply: Arrival['reply'] = (status, more) => response.writeHead(status, more).end('seen');
    const arrival = { headers, method, body, at: clock.now(), reply };
    const taker = takers.shift();
    if (taker) taker(arrival);
    else arrived.push(arrival);
  };

  const { url, close } = await listenOnLoopback(server, 0);
  cleanUps.push(close);
  const next = () =>
    new Promise<Arrival>((resolve) => {
      const first = arrived.shift();
      if (first) resolve(first);
      else takers.push(resolve);
    });
  return { url, next, waiting: () => arrived.length };
}

function clientOf({ url }: { url: string }) {
  const client = new CloudTasksClient({
    apiEndpoint: '127.0.0.1',
    port: Number(new URL(url).port),
    fallback: true,
    protocol: 'http',
    projectId: 'p',
    authClient: new PassThroughClient(),
  });
  cleanUps.push(() => client.close());
  return client;
}

async function setUp(differs: Partial<CloudTasksOptions> = {}) {
  const clock = manualClock(START);
  const target = await startTarget(clock);
  const identityToken = async (email: string, audience: string) =>
    `token of ${email} for ${audience}`;
  const tasks = await startCloudTasks({ store: memoryStore(), clock, identityToken, ...differs });
  cleanUps.push(tasks.close);
  const client = clientOf(tasks);
  const queue = (settings: object = {}) =>
    client.createQueue({ parent: LOCATION, queue: { name: QUEUE, ...settings } });
  const task = (id: string | undefined, settings: object = {}) =>
    client.createTask({
      parent: QUEUE,
      task: {
        ...(id && { name: `${QUEUE}/tasks/${id}` }),
        httpRequest: { url: `${target.url}/work` },
        ...settings,
      },
    });
  return { clock, target, tasks, client, queue, task };
}

/** Resolves when `condition` holds, which is looked at after each change. */
const until = (tasks: CloudTasks, condition: () => boolean) =>
  new Promise<void>((resolve) => {
    if (condition()) return resolve();
    const stop = tasks.onChange(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });

const seconds = (n: number) => ({ seconds: n });
const idle = (tasks: CloudTasks) => until(tasks, () => tasks.pending().due === 0);

describe('queues', () => {
  test('get the defaults of the service, are listed, patched, paused, resumed, purged and deleted', async () => {
    const { client, queue } = await setUp();
    const [created] = await queue({ rateLimits: { maxConcurrentDispatches: 3 } });
    expect(created).toMatchObject({
      name: QUEUE,
      state: 'RUNNING',
      rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 3 },
      retryConfig: { maxAttempts: 100, maxDoublings: 16, maxBackoff: { seconds: '3600' } },
    });
    const [patched] = await client.updateQueue({
      queue: {
        name: QUEUE,
        rateLimits: { maxDispatchesPerSecond: 2 },
        retryConfig: { maxAttempts: 7 },
      },
      updateMask: { paths: ['rate_limits.max_dispatches_per_second'] },
    });
    expect(patched.rateLimits).toMatchObject({
      maxDispatchesPerSecond: 2,
      maxConcurrentDispatches: 3,
    });
    expect(patched.retryConfig?.maxAttempts).toBe(100);
    expect((await client.pauseQueue({ name: QUEUE }))[0].state).toBe('PAUSED');
    expect((await client.getQueue({ name: QUEUE }))[0].state).toBe('PAUSED');
    expect((await client.resumeQueue({ name: QUEUE }))[0].state).toBe('RUNNING');
    expect((await client.purgeQueue({ name: QUEUE }))[0].purgeTime).toBeTruthy();
    expect((await client.listQueues({ parent: LOCATION }))[0].map(({ name }) => name)).toEqual([
      QUEUE,
    ]);
    await client.deleteQueue({ name: QUEUE });
    await expect(client.getQueue({ name: QUEUE })).rejects.toMatchObject({ code: 5 });
    await expect(queue()).rejects.toMatchObject({
      code: 9,
      message: expect.stringContaining('too recently'),
    });
  });

  test('keep an IAM policy under its etag', async () => {
    const { client, queue } = await setUp();
    await queue();
    const bindings = [{ role: 'roles/cloudtasks.enqueuer', members: ['user:a@b.test'] }];
    const etag = (await client.getIamPolicy({ resource: QUEUE }))[0].etag ?? '';
    await client.setIamPolicy({ resource: QUEUE, policy: { bindings, etag } });
    await expect(
      client.setIamPolicy({ resource: QUEUE, policy: { bindings: [], etag } }),
    ).rejects.toMatchObject({ code: 10 });
    expect((await client.getIamPolicy({ resource: QUEUE }))[0].bindings).toMatchObject(bindings);
  });

  test.for<[string, object]>([
    ['more than 500 dispatches a second', { rateLimits: { maxDispatchesPerSecond: 501 } }],
    ['more than 5000 at once', { rateLimits: { maxConcurrentDispatches: 5001 } }],
    [
      'a least back-off above the greatest',
      { retryConfig: { minBackoff: seconds(9), maxBackoff: seconds(8) } },
    ],
    ['a name of another location', { name: 'projects/p/locations/other/queues/q' }],
  ])('refuse %s', async ([, settings]) => {
    const { queue } = await setUp();
    await expect(queue(settings)).rejects.toMatchObject({ code: 3 });
  });
});

describe('tasks', () => {
  test('are sent with their method, body, token and headers, and are gone after a 2xx', async () => {
    const { client, target, tasks, queue, task } = await setUp();
    await queue();
    const [created] = await task('one', {
      httpRequest: {
        url: `${target.url}/work`,
        httpMethod: 'PUT',
        headers: { 'Content-Type': 'application/json', 'X-Google-Own': 'dropped' },
        body: Buffer.from('{"a":1}'),
        oidcToken: { serviceAccountEmail: 'queue@p.test', audience: 'us' },
      },
    });
    expect(created).toMatchObject({ view: 'BASIC', dispatchDeadline: { seconds: '600' } });
    expect(created.httpRequest?.body).toHaveLength(0);
    const seen = await target.next();
    expect(seen).toMatchObject({ method: 'PUT', body: '{"a":1}' });
    expect(seen.headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Bearer token of queue@p.test for us',
      'user-agent': 'Google-Cloud-Tasks',
      'x-cloudtasks-queuename': 'issue',
      'x-cloudtasks-taskname': 'one',
      'x-cloudtasks-taskretrycount': '0',
      'x-cloudtasks-taskexecutioncount': '0',
      'x-cloudtasks-tasketa': String(START.getTime() / 1000),
    });
    expect(seen.headers).not.toHaveProperty('x-google-own');
    const [full] = await client.getTask({ name: `${QUEUE}/tasks/one`, responseView: 'FULL' });
    expect(String(full.httpRequest?.body)).toBe('{"a":1}');
    expect(tasks.pending()).toEqual({ due: 1, later: 0 });
    seen.reply(204);
    await idle(tasks);
    await expect(client.getTask({ name: `${QUEUE}/tasks/one` })).rejects.toMatchObject({ code: 5 });
  });

  test('keep their name for a day after they are gone, and only so long', async () => {
    const { clock, target, tasks, queue, task } = await setUp();
    await queue();
    await task('one');
    await expect(task('one')).rejects.toMatchObject({ code: 6 });
    (await target.next()).reply(200);
    await idle(tasks);
    clock.advance(24 * HOUR - 1);
    await expect(task('one')).rejects.toMatchObject({ code: 6 });
    clock.advance(1);
    await task('one');
    expect((await target.next()).headers['x-cloudtasks-taskname']).toBe('one');
  });

  test('get a name of their own when they have none', async () => {
    const { target, queue, task } = await setUp();
    await queue();
    const [first] = await task(undefined);
    const [second] = await task(undefined);
    expect(first.name).toMatch(/\/tasks\/\d{20}$/);
    expect(second.name).not.toBe(first.name);
    (await target.next()).reply(200);
    (await target.next()).reply(200);
  });

  test('wait for their schedule time', async () => {
    const { clock, target, tasks, queue, task } = await setUp();
    await queue();
    await task('late', { scheduleTime: seconds(START.getTime() / 1000 + 3600) });
    expect(tasks.nextDue()).toEqual(new Date('2026-03-01T13:00:00Z'));
    clock.advance(HOUR - 1);
    expect(tasks.pending()).toEqual({ due: 0, later: 1 });
    clock.advance(1);
    expect((await target.next()).at).toEqual(new Date('2026-03-01T13:00:00Z'));
  });

  const scheduled = (days: number, more = 0) => ({
    scheduleTime: seconds(START.getTime() / 1000 + days * 86_400 + more),
  });
  test.for<[string, object]>([
    ['a schedule time more than 30 days ahead', scheduled(30, 1)],
    ['a deadline below 15 seconds', { dispatchDeadline: { seconds: 14, nanos: 999_000_000 } }],
    ['a deadline above 30 minutes', { dispatchDeadline: seconds(1801) }],
    ['a URL that is not http', { httpRequest: { url: 'ftp://a.test/' } }],
    ['no target', { httpRequest: null }],
    [
      'a body with GET',
      { httpRequest: { url: 'http://a.test/', httpMethod: 'GET', body: Buffer.from('x') } },
    ],
    [
      'a task above 100 KB',
      { httpRequest: { url: 'http://a.test/', body: Buffer.alloc(102_400) } },
    ],
    ['a name of another queue', { name: `${LOCATION}/queues/other/tasks/one` }],
    ['a name with a dot', { name: `${QUEUE}/tasks/a.b` }],
  ])('are refused with %s', async ([, settings]) => {
    const { queue, task } = await setUp();
    await queue();
    await expect(task('one', settings)).rejects.toMatchObject({ code: 3 });
  });

  test.for<[string, object]>([
    ['a schedule time 30 days ahead', scheduled(30)],
    ['a deadline of 15 seconds', { ...scheduled(1), dispatchDeadline: seconds(15) }],
    ['a deadline of 30 minutes', { ...scheduled(1), dispatchDeadline: seconds(1800) }],
  ])('are accepted with %s', async ([, settings]) => {
    const { tasks, queue, task } = await setUp();
    await queue();
    await task('one', settings);
    expect(tasks.pending()).toEqual({ due: 0, later: 1 });
  });

  test.for<[string, object]>([
    ['for App Engine', { httpRequest: null, appEngineHttpRequest: { relativeUri: '/' } }],
    [
      'with an OAuth token',
      { httpRequest: { url: 'http://a.test/', oauthToken: { serviceAccountEmail: 'a@b.test' } } },
    ],
  ])('%s are refused as not implemented', async ([, settings]) => {
    const { queue, task } = await setUp();
    await queue();
    await expect(task('one', settings)).rejects.toMatchObject({ code: 12 });
  });

  test('of a queue that is not there are refused', async () => {
    const { task } = await setUp();
    await expect(task('one')).rejects.toMatchObject({ code: 5 });
  });
});

describe('a failed attempt', () => {
  test('is tried again after a back-off that doubles, then grows evenly, then stays', async () => {
    const { clock, target, tasks, queue, task } = await setUp();
    const retryConfig = { minBackoff: seconds(10), maxBackoff: seconds(300), maxDoublings: 3 };
    await queue({ retryConfig });
    await task('one');
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const seen = await target.next();
      expect(seen.headers['x-cloudtasks-taskretrycount']).toBe(String(attempt));
      seen.reply(500);
      await idle(tasks);
      const wait = (tasks.nextDue()?.getTime() ?? 0) - clock.now().getTime();
      waits.push(wait / 1000);
      clock.advance(wait);
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 240, 300, 300]);
  });

  test('is recorded, and the next one says so in its headers', async () => {
    const { client, clock, target, tasks, queue, task } = await setUp();
    await queue({ retryConfig: { minBackoff: seconds(1) } });
    await task('one');
    for (const status of [500, 404]) {
      (await target.next()).reply(status);
      await idle(tasks);
      clock.advance(2000);
    }
    const third = await target.next();
    expect(third.headers).toMatchObject({
      'x-cloudtasks-taskretrycount': '2',
      'x-cloudtasks-taskexecutioncount': '1',
      'x-cloudtasks-taskpreviousresponse': '404',
    });
    third.reply(404);
    await idle(tasks);
    const [failed] = await client.getTask({ name: `${QUEUE}/tasks/one` });
    expect(failed).toMatchObject({ dispatchCount: 3, responseCount: 3 });
    expect(failed.lastAttempt?.responseStatus).toMatchObject({
      code: 5,
      message: 'NOT_FOUND(5): HTTP status code 404',
    });
  });

  test('is the last one when the attempts are used up', async () => {
    const { clock, target, tasks, queue, task } = await setUp();
    await queue({ retryConfig: { maxAttempts: 2, minBackoff: seconds(1) } });
    await task('one');
    (await target.next()).reply(500);
    await idle(tasks);
    expect(tasks.pending().later).toBe(1);
    clock.advance(1000);
    (await target.next()).reply(500);
    await idle(tasks);
    expect(tasks.pending()).toEqual({ due: 0, later: 0 });
  });

  test('is not the last one while the retry duration lasts', async () => {
    const { clock, target, tasks, queue, task } = await setUp();
    await queue({
      retryConfig: { maxAttempts: 1, maxRetryDuration: seconds(5), minBackoff: seconds(5) },
    });
    await task('one');
    (await target.next()).reply(500);
    await idle(tasks);
    expect(tasks.pending().later).toBe(1);
    clock.advance(5000);
    (await target.next()).reply(500);
    await idle(tasks);
    expect(tasks.pending().later).toBe(0);
  });

  test('is one that the deadline ended', async () => {
    const { client, clock, target, tasks, queue, task } = await setUp();
    await queue();
    await task('slow', { dispatchDeadline: seconds(15) });
    await target.next();
    clock.advance(14_999);
    expect(tasks.pending()).toEqual({ due: 1, later: 0 });
    clock.advance(1);
    await idle(tasks);
    const [failed] = await client.getTask({ name: `${QUEUE}/tasks/slow` });
    expect(failed).toMatchObject({ dispatchCount: 1, responseCount: 0 });
    expect(failed.lastAttempt?.responseStatus?.code).toBe(4);
  });

  test('is one that met a closed port', async () => {
    const { client, tasks, queue, task } = await setUp();
    await queue({ retryConfig: { minBackoff: seconds(60) } });
    await task('lost', { httpRequest: { url: 'http://127.0.0.1:1/' } });
    await until(tasks, () => tasks.pending().later === 1);
    const [failed] = await client.getTask({ name: `${QUEUE}/tasks/lost` });
    expect(failed.lastAttempt?.responseStatus?.code).toBe(14);
  });

  test('with 429 or 503 makes the whole queue rest, as long as Retry-After says', async () => {
    const { client, clock, target, tasks, queue, task } = await setUp();
    await queue();
    await task('busy');
    (await target.next()).reply(503, { 'retry-after': '7' });
    await idle(tasks);
    expect(tasks.nextDue()).toEqual(new Date(START.getTime() + 7000));
    await task('other');
    clock.advance(6999);
    const other = { name: `${QUEUE}/tasks/other` };
    expect((await client.getTask(other))[0].dispatchCount).toBe(0);
    expect(tasks.pending()).toEqual({ due: 1, later: 1 });
    clock.advance(1);
    const names = [await target.next(), await target.next()].map(
      ({ headers }) => headers['x-cloudtasks-taskname'],
    );
    expect(names.sort()).toEqual(['busy', 'other']);
  });
});

describe('a queue', () => {
  /** How often each task that is still there was dispatched. */
  async function dispatches(client: CloudTasksClient) {
    const [listed] = await client.listTasks({ parent: QUEUE });
    return listed.map(({ dispatchCount }) => dispatchCount);
  }

  test('dispatches no more at once than it may', async () => {
    const { client, target, tasks, queue, task } = await setUp();
    await queue({ rateLimits: { maxConcurrentDispatches: 2 } });
    for (const id of ['a', 'b', 'c']) await task(id);
    const first = await target.next();
    await target.next();
    expect(await dispatches(client)).toEqual([1, 1, 0]);
    first.reply(200);
    expect((await target.next()).headers['x-cloudtasks-taskname']).toBe('c');
    expect(tasks.pending()).toEqual({ due: 2, later: 0 });
  });

  test('dispatches a burst, then at its rate', async () => {
    const { client, clock, target, tasks, queue, task } = await setUp();
    await queue({ rateLimits: { maxDispatchesPerSecond: 0.5 } });
    for (let n = 0; n < 12; n += 1) await task(`t${n}`);
    for (let n = 0; n < 10; n += 1) (await target.next()).reply(200);
    await until(tasks, () => tasks.pending().due === 2);
    clock.advance(1999);
    expect(await dispatches(client)).toEqual([0, 0]);
    clock.advance(1);
    (await target.next()).reply(200);
    await until(tasks, () => tasks.pending().due === 1);
    clock.advance(1999);
    expect(await dispatches(client)).toEqual([0]);
    clock.advance(1);
    await target.next();
    expect(await dispatches(client)).toEqual([1]);
  });

  test('holds its tasks while it is paused, but one that is forced', async () => {
    const { client, target, tasks, queue, task } = await setUp();
    await queue();
    await client.pauseQueue({ name: QUEUE });
    await task('held');
    await task('forced');
    const [forced] = await client.runTask({ name: `${QUEUE}/tasks/forced` });
    expect(forced.dispatchCount).toBe(1);
    const seen = await target.next();
    expect(seen.headers['x-cloudtasks-taskname']).toBe('forced');
    seen.reply(200);
    await until(tasks, () => tasks.pending().due === 1);
    await client.resumeQueue({ name: QUEUE });
    expect((await target.next()).headers['x-cloudtasks-taskname']).toBe('held');
  });

  test('forgets a task that is deleted, and all when it is purged', async () => {
    const { client, tasks, queue, task } = await setUp();
    await queue();
    await client.pauseQueue({ name: QUEUE });
    for (const id of ['a', 'b', 'c']) await task(id);
    await client.deleteTask({ name: `${QUEUE}/tasks/a` });
    expect(tasks.pending().due).toBe(2);
    await client.purgeQueue({ name: QUEUE });
    expect(tasks.pending().due).toBe(0);
    await expect(task('b')).rejects.toMatchObject({ code: 6 });
  });

  test('keeps a task for 31 days and no longer', async () => {
    const { client, clock, target, tasks, queue, task } = await setUp();
    await queue();
    await client.pauseQueue({ name: QUEUE });
    await task('old');
    clock.advance(24 * HOUR);
    await task('young');
    clock.advance(30 * 24 * HOUR);
    await client.resumeQueue({ name: QUEUE });
    await until(tasks, () => tasks.pending().due === 1);
    expect((await target.next()).headers['x-cloudtasks-taskname']).toBe('young');
    await expect(client.getTask({ name: `${QUEUE}/tasks/old` })).rejects.toMatchObject({ code: 5 });
  });

  test('may deliver a task twice at once', async () => {
    const { target, tasks, queue, task } = await setUp({ duplicate: true });
    await queue();
    await task('one');
    const pair = [await target.next(), await target.next()];
    expect(pair.map(({ headers }) => headers['x-cloudtasks-taskname'])).toEqual(['one', 'one']);
    for (const { reply } of pair) reply(200);
    await idle(tasks);
    expect(tasks.pending()).toEqual({ due: 0, later: 0 });
  });
});

describe('the next start with the same store', () => {
  /** Keeps what was saved last as text, as a disk would. */
  function textStore<State>(): Store<State> {
    let text: string | undefined;
    return {
      load: () => (text === undefined ? undefined : JSON.parse(text)),
      save: (state) => {
        text = JSON.stringify(state);
      },
    };
  }

  test('dispatches at once what nobody answered, and remembers names', async () => {
    const store = textStore<never>();
    const first = await setUp({ store });
    await first.queue();
    await first.task('answered');
    (await first.target.next()).reply(200);
    await idle(first.tasks);
    await first.task('unanswered');
    await first.target.next();
    const future = { scheduleTime: seconds(START.getTime() / 1000 + 60) };
    await first.task('later', future);
    await first.task('forced', future);
    await first.client.runTask({ name: `${QUEUE}/tasks/forced` });
    await first.target.next();
    await first.tasks.close();

    const second = await setUp({ store });
    expect(second.tasks.pending()).toEqual({ due: 2, later: 1 });
    // The tasks still point to the first target.
    const again = [await first.target.next(), await first.target.next()].map(({ headers }) => [
      headers['x-cloudtasks-taskname'],
      headers['x-cloudtasks-taskretrycount'],
    ]);
    expect(again.sort()).toEqual([
      ['forced', '1'],
      ['unanswered', '1'],
    ]);
    await expect(second.task('answered')).rejects.toMatchObject({ code: 6 });
  });
});
