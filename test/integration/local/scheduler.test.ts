import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { CloudSchedulerClient } from '@google-cloud/scheduler';
import { PassThroughClient } from 'google-auth-library';
import { afterEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../../local/clock.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import {
  type Scheduler,
  type SchedulerOptions,
  startScheduler,
} from '../../../local/scheduler/scheduler.ts';
import { memoryStore, type Store } from '../../../local/state.ts';

const START = new Date('2026-03-01T12:10:00Z');
const LOCATION = 'projects/p/locations/l';
const JOB = `${LOCATION}/jobs/tick`;
const MINUTE = 60_000;
const seconds = (n: number) => ({ seconds: n });

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

type Arrival = {
  headers: IncomingHttpHeaders;
  body: string;
  at: Date;
  reply(status: number): void;
};

/** A function whose requests are taken one after the other and answered by the test. */
async function startTarget(clock: { now(): Date }) {
  const arrived: Arrival[] = [];
  const takers: ((arrival: Arrival) => void)[] = [];
  const server = createServer((request, response) => void receive(request, response));
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const { headers } = request;
    const body = (await request.toArray()).join('');
    const reply = (status: number) => response.writeHead(status).end();
    const arrival = { headers, body, at: clock.now(), reply };
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
  return { url, next };
}

async function setUp(differs: Partial<SchedulerOptions> = {}) {
  const clock = manualClock(START);
  const target = await startTarget(clock);
  const identityToken = async (email: string, audience: string) => `${email} for ${audience}`;
  const scheduler = await startScheduler({
    store: memoryStore(),
    clock,
    identityToken,
    ...differs,
  });
  cleanUps.push(scheduler.close);
  const client = new CloudSchedulerClient({
    apiEndpoint: '127.0.0.1',
    port: Number(new URL(scheduler.url).port),
    fallback: true,
    protocol: 'http',
    projectId: 'p',
    authClient: new PassThroughClient(),
  });
  cleanUps.push(() => client.close());
  const settings = { schedule: '0 * * * *', httpTarget: { uri: `${target.url}/reconcile` } };
  const job = (more: object = {}) =>
    client.createJob({ parent: LOCATION, job: { name: JOB, ...settings, ...more } });
  const get = async () => (await client.getJob({ name: JOB }))[0];
  return { clock, target, scheduler, client, job, get };
}

/** Resolves when no attempt is under way. */
const idle = (scheduler: Scheduler) =>
  new Promise<void>((resolve) => {
    if (!scheduler.running()) return resolve();
    const stop = scheduler.onChange(() => {
      if (scheduler.running()) return;
      stop();
      resolve();
    });
  });

const at = (time: string) => ({ seconds: String(Date.parse(time) / 1000) });

describe('a job', () => {
  test('is made with the defaults of the service, listed, patched and deleted', async () => {
    const { client, target, job, get } = await setUp();
    const [created] = await job({ description: 'the tick' });
    expect(created).toMatchObject({
      name: JOB,
      state: 'ENABLED',
      timeZone: 'UTC',
      scheduleTime: at('2026-03-01T13:00:00Z'),
      userUpdateTime: at('2026-03-01T12:10:00Z'),
      attemptDeadline: { seconds: '180' },
      retryConfig: null,
    });
    await expect(job()).rejects.toMatchObject({ code: 6 });
    expect((await client.listJobs({ parent: LOCATION }))[0].map(({ name }) => name)).toEqual([JOB]);
    const [masked] = await client.updateJob({
      job: { name: JOB, schedule: '30 * * * *', description: 'ignored' },
      updateMask: { paths: ['schedule'] },
    });
    expect(masked).toMatchObject({
      schedule: '30 * * * *',
      description: 'the tick',
      scheduleTime: at('2026-03-01T12:30:00Z'),
    });
    const retryConfig = { retryCount: 3, maxDoublings: 2 };
    await client.updateJob({ job: { name: JOB, retryConfig } });
    const [member] = await client.updateJob({
      job: { name: JOB, retryConfig: { retryCount: 4 } },
      updateMask: { paths: ['retry_config.retry_count'] },
    });
    expect(member.retryConfig).toMatchObject({ retryCount: 4, maxDoublings: 2 });
    const [patched] = await client.updateJob({ job: { name: JOB, timeZone: 'Asia/Kolkata' } });
    expect(patched).toMatchObject({
      schedule: '30 * * * *',
      timeZone: 'Asia/Kolkata',
      httpTarget: { uri: `${target.url}/reconcile` },
      scheduleTime: at('2026-03-01T13:00:00Z'),
    });
    expect(await get()).toEqual(patched);
    await client.deleteJob({ name: JOB });
    await expect(client.getJob({ name: JOB })).rejects.toMatchObject({ code: 5 });
    expect((await client.listJobs({ parent: LOCATION }))[0]).toEqual([]);
  });

  test.for<[string, object]>([
    ['a schedule of words', { schedule: 'nonsense' }],
    ['a day that never comes', { schedule: '0 0 31 2 *' }],
    ['a schedule with seconds', { schedule: '0 0 * * * *' }],
    ['a schedule with L', { schedule: '0 0 L * *' }],
    ['an unknown time zone', { timeZone: 'Mars/Olympus' }],
    ['a deadline below 15 seconds', { attemptDeadline: seconds(14) }],
    ['a deadline above 30 minutes', { attemptDeadline: seconds(1801) }],
    ['more than five retries', { retryConfig: { retryCount: 6 } }],
    ['no target', { httpTarget: null }],
    ['a name of another location', { name: 'projects/p/locations/other/jobs/tick' }],
  ])('is refused with %s', async ([, settings]) => {
    const { job } = await setUp();
    await expect(job(settings)).rejects.toMatchObject({ code: 3 });
  });

  test.for<[string, object]>([
    ['an English-like schedule', { schedule: 'every 5 minutes' }],
    ['a Pub/Sub target', { httpTarget: null, pubsubTarget: { topicName: 'projects/p/topics/t' } }],
  ])('with %s is refused as not implemented', async ([, settings]) => {
    const { job } = await setUp();
    await expect(job(settings)).rejects.toMatchObject({ code: 12 });
  });

  test('reaches its target on time, with its headers, body and token', async () => {
    const { clock, target, scheduler, job, get } = await setUp();
    await job({
      timeZone: 'America/New_York',
      httpTarget: {
        uri: `${target.url}/reconcile`,
        body: Buffer.from('{}'),
        oidcToken: { serviceAccountEmail: 'tick@p.test' },
      },
    });
    clock.advance(50 * MINUTE - 1);
    expect(scheduler.running()).toBe(false);
    clock.advance(1);
    expect(scheduler.running()).toBe(true);
    const seen = await target.next();
    expect(seen.body).toBe('{}');
    expect(seen.headers).toMatchObject({
      authorization: `Bearer tick@p.test for ${target.url}/reconcile`,
      'content-type': 'application/octet-stream',
      'user-agent': 'Google-Cloud-Scheduler',
      'x-cloudscheduler': 'true',
      'x-cloudscheduler-jobname': 'tick',
      'x-cloudscheduler-scheduletime': '2026-03-01T08:00:00-05:00',
    });
    seen.reply(200);
    await idle(scheduler);
    expect(await get()).toMatchObject({
      lastAttemptTime: at('2026-03-01T13:00:00Z'),
      scheduleTime: at('2026-03-01T14:00:00Z'),
      status: { code: 0 },
    });
  });

  test('that is paused does not run by itself, but when it is forced', async () => {
    const { clock, client, target, scheduler, job } = await setUp();
    await job();
    expect((await client.resumeJob({ name: JOB }))[0].state).toBe('ENABLED');
    expect((await client.pauseJob({ name: JOB }))[0].state).toBe('PAUSED');
    clock.advance(120 * MINUTE);
    expect(scheduler.running()).toBe(false);
    await client.runJob({ name: JOB });
    expect(scheduler.running()).toBe(true);
    const forced = await target.next();
    expect(forced.headers['x-cloudscheduler-scheduletime']).toBe('2026-03-01T14:10:00Z');
    forced.reply(200);
    await idle(scheduler);
    expect((await client.resumeJob({ name: JOB }))[0]).toMatchObject({
      state: 'ENABLED',
      scheduleTime: at('2026-03-01T15:00:00Z'),
    });
    clock.advance(50 * MINUTE);
    expect((await target.next()).at).toEqual(new Date('2026-03-01T15:00:00Z'));
  });

  test('never has two executions: what falls due meanwhile runs once, after it', async () => {
    const { clock, client, target, scheduler, job } = await setUp();
    await job({ schedule: '* * * * *', attemptDeadline: seconds(1800) });
    clock.advance(MINUTE);
    const first = await target.next();
    clock.advance(3 * MINUTE);
    await client.runJob({ name: JOB });
    expect((await client.getJob({ name: JOB }))[0].lastAttemptTime).toEqual({
      ...at('2026-03-01T12:11:00Z'),
      nanos: 0,
    });
    first.reply(200);
    const forced = await target.next();
    expect(forced.headers['x-cloudscheduler-scheduletime']).toBe('2026-03-01T12:14:00Z');
    forced.reply(200);
    const missed = await target.next();
    expect(missed.headers['x-cloudscheduler-scheduletime']).toBe('2026-03-01T12:12:00Z');
    missed.reply(200);
    await idle(scheduler);
    clock.advance(MINUTE);
    expect((await target.next()).headers['x-cloudscheduler-scheduletime']).toBe(
      '2026-03-01T12:15:00Z',
    );
  });
});

describe('a failed attempt', () => {
  test('is recorded and not tried again before the next run', async () => {
    const { clock, target, scheduler, job, get } = await setUp();
    await job();
    clock.advance(50 * MINUTE);
    (await target.next()).reply(500);
    await idle(scheduler);
    expect(await get()).toMatchObject({
      status: { code: 13 },
      scheduleTime: at('2026-03-01T14:00:00Z'),
    });
  });

  test('is tried again as often as the retry count says, backing off', async () => {
    const { clock, target, scheduler, job, get } = await setUp();
    const [created] = await job({
      retryConfig: { retryCount: 2, minBackoffDuration: seconds(10) },
    });
    expect(created.retryConfig).toMatchObject({
      maxDoublings: 5,
      maxBackoffDuration: { seconds: '3600' },
    });
    clock.advance(50 * MINUTE);
    (await target.next()).reply(503);
    await idle(scheduler);
    expect((await get()).scheduleTime).toMatchObject(at('2026-03-01T13:00:10Z'));
    clock.advance(10_000);
    const second = await target.next();
    expect(second.headers['x-cloudscheduler-scheduletime']).toBe('2026-03-01T13:00:00Z');
    second.reply(503);
    await idle(scheduler);
    clock.advance(20_000);
    const third = await target.next();
    expect(third.at).toEqual(new Date('2026-03-01T13:00:30Z'));
    third.reply(503);
    await idle(scheduler);
    expect((await get()).scheduleTime).toMatchObject(at('2026-03-01T14:00:00Z'));
  });

  test('is given up when the next run by the schedule comes first', async () => {
    const { clock, target, scheduler, job, get } = await setUp();
    const retryConfig = { retryCount: 5, minBackoffDuration: seconds(60) };
    await job({ schedule: '* * * * *', retryConfig });
    clock.advance(MINUTE);
    (await target.next()).reply(500);
    await idle(scheduler);
    clock.advance(MINUTE);
    const next = await target.next();
    expect(next.headers['x-cloudscheduler-scheduletime']).toBe('2026-03-01T12:12:00Z');
    expect((await get()).scheduleTime).toMatchObject(at('2026-03-01T12:13:00Z'));
  });

  test('is one that the deadline ended', async () => {
    const { clock, target, scheduler, job, get } = await setUp();
    await job({ attemptDeadline: seconds(15) });
    clock.advance(50 * MINUTE);
    await target.next();
    clock.advance(14_999);
    expect(scheduler.running()).toBe(true);
    clock.advance(1);
    await idle(scheduler);
    expect((await get()).status?.code).toBe(4);
  });
});

test('the next start with the same store runs at once what nobody answered', async () => {
  let text: string | undefined;
  const store: Store<never> = {
    load: () => (text === undefined ? undefined : JSON.parse(text)),
    save: (state) => {
      text = JSON.stringify(state);
    },
  };
  const first = await setUp({ store });
  await first.job();
  await first.client.runJob({ name: JOB });
  await first.target.next();
  await first.scheduler.close();

  const second = await setUp({ store });
  expect(second.scheduler.running()).toBe(true);
  // The job still points to the first target.
  (await first.target.next()).reply(200);
  await idle(second.scheduler);
  expect((await second.get()).scheduleTime).toMatchObject(at('2026-03-01T13:00:00Z'));
});
