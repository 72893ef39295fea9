import type { CloudSchedulerClient, protos } from '@google-cloud/scheduler';
import type { Schedule } from '../ports.ts';
import { toAccount } from './account.ts';
import {
  attempted,
  clientOptions,
  type GoogleApiOptions,
  ONCE,
  once,
  REPEATABLE,
} from './google-client.ts';

type Client = Pick<CloudSchedulerClient, 'runJob' | 'getJob'>;
type Job = protos.google.cloud.scheduler.v1.IJob;

export type ScheduleOptions = GoogleApiOptions &
  Readonly<{
    /** `projects/P/locations/L/jobs/J` */
    job: string;
  }>;

/** One job of Cloud Scheduler v1 over REST (https://cloud.google.com/scheduler/docs/reference/rest). */
export function createSchedule(options: ScheduleOptions): Schedule {
  const { job } = options;
  const client = once(() => createClient(options));
  return {
    async run() {
      await attempted(job, attempt('run', 'cloudscheduler.jobs.run', options), async () =>
        (await client()).runJob({ name: job }, ONCE),
      );
    },
    async state() {
      const [found] = await attempted(
        job,
        attempt('read', 'cloudscheduler.jobs.get', options),
        async () => (await client()).getJob({ name: job }, REPEATABLE),
      );
      return scheduleState(found);
    },
  };
}

async function createClient(options: GoogleApiOptions): Promise<Client> {
  // The package's own entry also loads the beta client.
  const { CloudSchedulerClient } = await import('@google-cloud/scheduler/build/src/v1/index.js');
  return new CloudSchedulerClient(clientOptions(options));
}

const attempt = (doing: string, permission: string, { job, auth }: ScheduleOptions) =>
  ({
    code: 'queue-unavailable',
    doing,
    get grant() {
      return `${permission} on the project of ${job}${toAccount(auth.client)}`;
    },
  }) as const;

const scheduleState = ({ state, lastAttemptTime, scheduleTime, status }: Job) => ({
  state: String(state),
  lastRunAt: dateOf(lastAttemptTime),
  lastResult: lastAttemptTime ? resultOf(status) : 'never ran',
  nextRunAt: dateOf(scheduleTime),
});

function resultOf(status: Job['status']): string {
  if (!status?.code) return 'ok';
  return `failed with status ${status.code}${status.message ? `: ${status.message}` : ''}`;
}

function dateOf(time: Job['scheduleTime']): Date | undefined {
  if (!time) return undefined;
  return new Date(Number(time.seconds ?? 0) * 1000 + Math.floor((time.nanos ?? 0) / 1e6));
}
