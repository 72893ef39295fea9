import { GoogleFault } from '../google-api.ts';
import { backoffMs } from '../wire/backoff.ts';
import { type HttpTarget, parseHttpTarget } from '../wire/http-target.ts';
import {
  duration,
  type Fields,
  parseDuration,
  parseFields,
  parseInteger,
  parseText,
} from '../wire/json.ts';
import { checkSchedule, zonedTime } from './schedule.ts';

/** One run of a job, with its retries. */
export type Execution = Readonly<{
  scheduledFor: string;
  firstAttemptTime?: string;
  attempts: number;
  /** When the next attempt is due; absent while one is under way. */
  retryTime?: string;
}>;

/** Times are RFC 3339 texts, so that a job is kept as it is. */
export type Job = Readonly<{
  name: string;
  description?: string;
  schedule: string;
  timeZone: string;
  target: HttpTarget;
  /** Left out when nobody set one: the service then shows none and never retries. */
  retry?: Retry;
  attemptDeadlineMs: number;
  state: 'ENABLED' | 'PAUSED';
  userUpdateTime: string;
  /** The next run by the schedule. */
  nextRun?: string;
  lastAttemptTime?: string;
  status?: Readonly<{ code?: number }>;
  execution?: Execution;
  /** A forced run that waits for the execution under way to end. */
  forced?: boolean;
}>;

type Retry = Readonly<{
  retryCount: number;
  maxRetryDurationMs: number;
  minMs: number;
  maxMs: number;
  maxDoublings: number;
}>;

const SETTINGS = [
  'description',
  'schedule',
  'timeZone',
  'httpTarget',
  'retryConfig',
  'attemptDeadline',
] as const;
const REFUSED = ['pubsubTarget', 'appEngineHttpTarget'];
const OUTPUT_ONLY = [
  'name',
  'state',
  'status',
  'userUpdateTime',
  'scheduleTime',
  'lastAttemptTime',
  'satisfiesPzs',
];

const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);

export function parseJobFields(body: unknown): Fields {
  const fields = parseFields(body, 'job', [...SETTINGS, ...REFUSED, ...OUTPUT_ONLY]);
  for (const name of REFUSED)
    if (fields[name] !== undefined)
      throw new GoogleFault('UNIMPLEMENTED', `job.${name} is not implemented by this stand-in`);
  return fields;
}

/** A job from its settings; the runner adds when it runs next. */
export function newJob(name: string, fields: Fields, now: Date): Job {
  const schedule = parseText(fields.schedule, 'job.schedule');
  const timeZone = parseText(fields.timeZone, 'job.time_zone') || 'UTC';
  const description = parseText(fields.description, 'job.description');
  if (!schedule) throw invalid('Job.schedule is required.');
  checkSchedule(schedule, timeZone, now);
  if (description && description.length > 500)
    throw invalid('Job.description must not contain more than 500 characters.');
  if (!fields.httpTarget) throw invalid('Job.target is required.');
  return {
    name,
    ...(description && { description }),
    schedule,
    timeZone,
    target: parseTarget(fields.httpTarget),
    ...(fields.retryConfig !== undefined && { retry: parseRetry(fields.retryConfig) }),
    attemptDeadlineMs: parseDeadline(fields.attemptDeadline),
    state: 'ENABLED',
    userUpdateTime: now.toISOString(),
  };
}

/** The job with the settings of `mask` taken from `fields`; without a mask, with all that `fields` has. */
export function patchedJob(
  old: Job,
  { fields, mask }: Readonly<{ fields: Fields; mask: readonly string[] | undefined }>,
  now: Date,
): Job {
  const merged: Record<string, unknown> = settingsOf(old);
  for (const path of mask ?? SETTINGS.filter((name) => fields[name] !== undefined)) {
    const [setting = '', member, ...deeper] = path.split('.');
    if (!SETTINGS.some((known) => known === setting) || deeper.length > 0)
      throw invalid(`Invalid update mask: the field "${path}" cannot be updated.`);
    const given = fields[setting];
    if (member === undefined) merged[setting] = given;
    else merged[setting] = { ...Object(merged[setting]), [member]: Object(given)[member] };
  }
  const { state, lastAttemptTime, status, execution, forced } = old;
  return {
    ...newJob(old.name, merged, now),
    state,
    ...(lastAttemptTime && { lastAttemptTime }),
    ...(status && { status }),
    ...(execution && { execution }),
    ...(forced && { forced }),
  };
}

function parseTarget(value: unknown): HttpTarget {
  const target = parseHttpTarget(value, 'job.http_target', 'uri');
  const typed = Object.keys(target.headers).some((name) => /^content-type$/i.test(name));
  return {
    ...target,
    headers: {
      ...(target.body && !typed && { 'Content-Type': 'application/octet-stream' }),
      ...target.headers,
      'User-Agent': 'Google-Cloud-Scheduler',
    },
  };
}

const RETRY_FIELDS = [
  'retryCount',
  'maxRetryDuration',
  'minBackoffDuration',
  'maxBackoffDuration',
  'maxDoublings',
];

function parseRetry(value: unknown): Retry {
  const at = 'job.retry_config';
  const fields = parseFields(value, at, RETRY_FIELDS);
  const retry = {
    retryCount: parseInteger(fields.retryCount, at) ?? 0,
    maxRetryDurationMs: parseDuration(fields.maxRetryDuration, at) ?? 0,
    minMs: parseDuration(fields.minBackoffDuration, at) ?? 5000,
    maxMs: parseDuration(fields.maxBackoffDuration, at) ?? 3_600_000,
    maxDoublings: parseInteger(fields.maxDoublings, at) ?? 5,
  };
  if (retry.retryCount < 0 || retry.retryCount > 5)
    throw invalid('RetryConfig.retryCount must be between 0 and 5.');
  if (retry.minMs < 0 || retry.maxRetryDurationMs < 0 || retry.maxDoublings < 0)
    throw invalid('RetryConfig must not hold negative values.');
  if (retry.minMs > retry.maxMs)
    throw invalid('RetryConfig.minBackoffDuration must not be greater than maxBackoffDuration.');
  return retry;
}

function parseDeadline(value: unknown): number {
  const ms = parseDuration(value, 'job.attempt_deadline') ?? 180_000;
  if (ms < 15_000 || ms > 1_800_000)
    throw invalid('Job.attemptDeadline must be between [15s, 30m].');
  return ms;
}

/** The headers that Cloud Scheduler adds to each attempt. */
export function jobHeaders(job: Job, { scheduledFor }: Execution): Record<string, string> {
  return {
    'User-Agent': 'Google-Cloud-Scheduler',
    'X-CloudScheduler': 'true',
    'X-CloudScheduler-JobName': job.name.slice(job.name.lastIndexOf('/') + 1),
    'X-CloudScheduler-ScheduleTime': zonedTime(new Date(scheduledFor), job.timeZone),
  };
}

/** When the execution that just failed is tried again; undefined when it is over. */
export function retryTime(job: Job, execution: Execution, now: Date): Date | undefined {
  if (!job.retry || job.retry.retryCount === 0) return undefined;
  const { retryCount, maxRetryDurationMs } = job.retry;
  const age = now.getTime() - Date.parse(execution.firstAttemptTime ?? now.toISOString());
  const countLeft = execution.attempts <= retryCount;
  if (!countLeft && (maxRetryDurationMs === 0 || age >= maxRetryDurationMs)) return undefined;
  const time = new Date(now.getTime() + backoffMs(job.retry, execution.attempts));
  // The next run by the schedule ends the retries of this one.
  return job.nextRun && time.toISOString() >= job.nextRun ? undefined : time;
}

function settingsOf(job: Job) {
  const { url, ...target } = job.target;
  return {
    ...(job.description && { description: job.description }),
    schedule: job.schedule,
    timeZone: job.timeZone,
    httpTarget: { uri: url, ...target },
    ...(job.retry && { retryConfig: retryView(job.retry) }),
    attemptDeadline: duration(job.attemptDeadlineMs),
  };
}

const retryView = ({ retryCount, maxRetryDurationMs, minMs, maxMs, maxDoublings }: Retry) => ({
  ...(retryCount > 0 && { retryCount }),
  maxRetryDuration: duration(maxRetryDurationMs),
  minBackoffDuration: duration(minMs),
  maxBackoffDuration: duration(maxMs),
  maxDoublings,
});

/** The job as the API answers it. */
export function jobView(job: Job) {
  const scheduleTime = job.execution?.retryTime ?? job.nextRun;
  return {
    name: job.name,
    ...settingsOf(job),
    state: job.state,
    userUpdateTime: job.userUpdateTime,
    ...(scheduleTime && { scheduleTime }),
    ...(job.lastAttemptTime && { lastAttemptTime: job.lastAttemptTime }),
    ...(job.status && { status: job.status }),
  };
}
