import type { IncomingMessage } from 'node:http';
import { PassThroughClient } from 'google-auth-library';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../local/clock.ts';
import { type Scheduler, startScheduler } from '../../local/scheduler/scheduler.ts';
import { memoryStore } from '../../local/state.ts';
import { createSchedule } from '../../shared/adapters/scheduler.ts';
import { scheduleContract } from './schedule.ts';
import { refusing } from './secret-manager.ts';
import { startTarget, type WakeTarget } from './target.ts';

const LOCATION = 'projects/p/locations/l';

let scheduler: Scheduler;
let target: WakeTarget;
let script: (request: IncomingMessage) => void;
let jobs = 0;

beforeAll(async () => {
  target = await startTarget();
  scheduler = await startScheduler({
    store: memoryStore(),
    clock: systemClock,
    identityToken: async () => 'token',
    before: (request) => script(request),
  });
});
afterAll(async () => {
  await scheduler.close();
  await target.close();
});
beforeEach(() => {
  script = () => {};
});

const scheduleOf = (job: string) =>
  createSchedule({
    job,
    auth: { client: new PassThroughClient() },
    endpoint: scheduler.url,
  });

async function newJob(): Promise<string> {
  jobs += 1;
  const name = `${LOCATION}/jobs/tick-${jobs}`;
  const response = await fetch(`${scheduler.url}/v1/${LOCATION}/jobs`, {
    method: 'POST',
    body: JSON.stringify({ name, schedule: '7 4 1 1 *', httpTarget: { uri: target.url } }),
  });
  expect(response.status).toBe(200);
  return name;
}

describe('a schedule, on the stand-in', () => {
  scheduleContract(async () => ({
    schedule: scheduleOf(await newJob()),
    woken(status) {
      target.answer(status);
      return target.next();
    },
  }));
});

describe('on a bad day', () => {
  test('a job that is not there is named', async () => {
    await expect(scheduleOf(`${LOCATION}/jobs/none`).state()).rejects.toMatchObject({
      code: 'not-found',
      message: `cannot read ${LOCATION}/jobs/none: it does not exist`,
    });
  });

  test('the permission that is missing to run it is named', async () => {
    script = refusing(/:run/, ['PERMISSION_DENIED', 'no']);
    const job = await newJob();
    await expect(scheduleOf(job).run()).rejects.toMatchObject({
      code: 'not-permitted',
      message: `cannot run ${job}: permission denied; grant cloudscheduler.jobs.run on the project of ${job}`,
    });
  });

  test('a run is not sent twice', async () => {
    let calls = 0;
    const refuse = refusing(/:run/, ['UNAVAILABLE', 'try later']);
    script = (request) => {
      calls += 1;
      refuse(request);
    };
    const schedule = scheduleOf(`${LOCATION}/jobs/tick-1`);
    await expect(schedule.run()).rejects.toMatchObject({ code: 'queue-unavailable' });
    expect(calls).toBe(1);
  });
});
