import { randomInt } from 'node:crypto';
import { GoogleFault } from '../google-api.ts';
import { backoffMs } from '../wire/backoff.ts';
import { type HttpTarget, type Outcome, parseHttpTarget } from '../wire/http-target.ts';
import { duration, parseDuration, parseEnum, parseFields, parseTime } from '../wire/json.ts';
import { parseRetryConfig, type Queue, type RetryConfig, retryConfigView } from './queue.ts';

const DAY_MS = 86_400_000;
const FURTHEST_MS = 30 * DAY_MS;
/** A task that is older is deleted, whether it ran or not. */
export const RETENTION_MS = 31 * DAY_MS;
const DEFAULT_DEADLINE_MS = 600_000;
// What the reference of tasks.create says; the body counts decoded.
const LARGEST_TASK_BYTES = 100 * 1024;

type Attempt = Readonly<{
  scheduleTime: string;
  dispatchTime: string;
  responseTime?: string;
  responseStatus?: Readonly<{ code: number; message: string }>;
}>;

/** Times are RFC 3339 texts, so that a task is kept as it is. */
export type Task = Readonly<{
  name: string;
  /** The caller chose the name, which is therefore remembered after the task is gone. */
  named: boolean;
  createTime: string;
  scheduleTime: string;
  dispatchDeadlineMs: number;
  target: HttpTarget;
  /** The task's own, which takes the place of its queue's. */
  retryConfig?: RetryConfig;
  dispatchCount: number;
  responseCount: number;
  /** Replies but those of 5xx, as X-CloudTasks-TaskExecutionCount counts them. */
  executionCount: number;
  previousHttp?: number;
  firstDispatchTime?: string;
  lastAttempt?: Attempt;
}>;

const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);

const SETTINGS = ['name', 'httpRequest', 'scheduleTime', 'dispatchDeadline', 'retryConfig'];
const OUTPUT_ONLY = ['createTime', 'dispatchCount', 'responseCount', 'firstAttempt', 'lastAttempt'];

/** The task of a create request to `queue`. */
export function newTask(body: unknown, queue: Queue, now: Date): Task {
  const known = [...SETTINGS, ...OUTPUT_ONLY, 'view', 'appEngineHttpRequest'];
  const fields = parseFields(body, 'task', known);
  if (fields.appEngineHttpRequest)
    throw new GoogleFault('UNIMPLEMENTED', 'App Engine tasks are not implemented by this stand-in');
  if (!fields.httpRequest) throw invalid('Task.httpRequest is required.');
  const target = parseHttpTarget(fields.httpRequest, 'task.http_request', 'url');
  const { retryConfig } = fields;
  const at = 'task.retry_config';
  const task: Task = {
    name: taskName(fields.name, queue.name),
    named: Boolean(fields.name),
    createTime: `${now.toISOString().slice(0, 19)}Z`,
    scheduleTime: scheduleTime(parseTime(fields.scheduleTime, 'task.schedule_time'), now),
    dispatchDeadlineMs: deadlineMs(fields.dispatchDeadline),
    target: {
      httpMethod: 'POST',
      ...target,
      headers: { ...target.headers, 'User-Agent': 'Google-Cloud-Tasks' },
    },
    ...(retryConfig !== undefined && {
      retryConfig: parseRetryConfig(retryConfig, at, queue.retryConfig),
    }),
    dispatchCount: 0,
    responseCount: 0,
    executionCount: 0,
  };
  if (sizeOf(task) > LARGEST_TASK_BYTES)
    throw invalid(`Task size too large: at most ${LARGEST_TASK_BYTES} bytes are allowed.`);
  return task;
}

function taskName(value: unknown, queue: string): string {
  if (value === undefined || value === '') return `${queue}/tasks/${randomId()}`;
  const parts = /^(projects\/[^/]+\/locations\/[^/]+\/queues\/[^/]+)\/tasks\/([^/]+)$/.exec(
    String(value),
  );
  const [, parent, id = ''] = parts ?? [];
  if (parent === undefined)
    throw invalid(
      'Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>"',
    );
  if (parent !== queue)
    throw invalid(
      `The queue name from request ('${queue}') must be the same as the queue name in the named task ('${parent}').`,
    );
  if (!/^[A-Za-z0-9_-]{1,500}$/.test(id))
    throw invalid(
      `Task ID "${id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or underscores (_). The maximum length is 500 characters.`,
    );
  return String(value);
}

const randomId = () => Array.from({ length: 20 }, () => randomInt(10)).join('');

function scheduleTime(asked: Date | undefined, now: Date): string {
  if (!asked || asked <= now) return now.toISOString();
  if (asked.getTime() > now.getTime() + FURTHEST_MS)
    throw invalid('Task.scheduleTime must be at most 30 days in the future.');
  return asked.toISOString();
}

function deadlineMs(value: unknown): number {
  const ms = parseDuration(value, 'task.dispatch_deadline') ?? DEFAULT_DEADLINE_MS;
  if (ms < 15_000 || ms > 1_800_000)
    throw invalid('Task.dispatchDeadline must be between [15s, 30m].');
  return ms;
}

function sizeOf({ target }: Task): number {
  const headers = Object.entries(target.headers).flat().join('');
  return Buffer.byteLength(target.url + headers) + Buffer.byteLength(target.body ?? '', 'base64');
}

/** The headers that Cloud Tasks adds to an attempt that is about to start. */
export function taskHeaders(task: Task): Record<string, string> {
  const [, queue = '', id = ''] = /\/queues\/([^/]+)\/tasks\/([^/]+)$/.exec(task.name) ?? [];
  return {
    'User-Agent': 'Google-Cloud-Tasks',
    'X-CloudTasks-QueueName': queue,
    'X-CloudTasks-TaskName': id,
    'X-CloudTasks-TaskRetryCount': String(task.dispatchCount),
    'X-CloudTasks-TaskExecutionCount': String(task.executionCount),
    'X-CloudTasks-TaskETA': String(Date.parse(task.scheduleTime) / 1000),
    ...(task.previousHttp !== undefined && {
      'X-CloudTasks-TaskPreviousResponse': String(task.previousHttp),
    }),
  };
}

export function dispatched(task: Task, now: Date): Task {
  const dispatchTime = now.toISOString();
  return {
    ...task,
    dispatchCount: task.dispatchCount + 1,
    firstDispatchTime: task.firstDispatchTime ?? dispatchTime,
    lastAttempt: { scheduleTime: task.scheduleTime, dispatchTime },
  };
}

/** An attempt was under way when the state was saved: nobody will ever hear its answer. */
export const isUnanswered = ({ lastAttempt }: Task): boolean =>
  lastAttempt !== undefined && lastAttempt.responseTime === undefined;

/** The task after a failed attempt, waiting for its next one; undefined when there will be none. */
export function afterFailure(
  task: Task,
  outcome: Outcome,
  { queue, now }: Readonly<{ queue: Queue; now: Date }>,
): Task | undefined {
  const config = task.retryConfig ?? queue.retryConfig;
  if (isExhausted(task, config, now)) return undefined;
  const { minBackoffMs: minMs, maxBackoffMs: maxMs, maxDoublings } = config;
  const wait = backoffMs({ minMs, maxMs, maxDoublings }, task.dispatchCount);
  const next = now.getTime() + Math.max(wait, outcome.retryAfterMs ?? 0);
  const { code, message, http } = outcome;
  const executed = http !== undefined && http < 500;
  return {
    ...task,
    scheduleTime: new Date(next).toISOString(),
    responseCount: task.responseCount + (http === undefined ? 0 : 1),
    executionCount: task.executionCount + (executed ? 1 : 0),
    ...(http !== undefined && { previousHttp: http }),
    ...(task.lastAttempt && {
      lastAttempt: {
        ...task.lastAttempt,
        responseTime: now.toISOString(),
        responseStatus: { code, message },
      },
    }),
  };
}

// Both limits must be reached; one that is not set does not count.
function isExhausted(task: Task, config: RetryConfig, now: Date): boolean {
  const { maxAttempts, maxRetryDurationMs } = config;
  const age = now.getTime() - Date.parse(task.firstDispatchTime ?? task.createTime);
  const old = maxRetryDurationMs === 0 || age >= maxRetryDurationMs;
  return maxAttempts === -1
    ? maxRetryDurationMs > 0 && old
    : task.dispatchCount >= maxAttempts && old;
}

const VIEWS = ['VIEW_UNSPECIFIED', 'BASIC', 'FULL'] as const;

/** The task as the API answers it; only the view FULL shows the body. */
export function taskView(task: Task, asked: unknown) {
  const view = parseEnum(asked ?? undefined, 'response_view', VIEWS) === 'FULL' ? 'FULL' : 'BASIC';
  const { body, ...request } = task.target;
  const { firstDispatchTime, lastAttempt } = task;
  return {
    name: task.name,
    httpRequest: { ...request, ...(view === 'FULL' && body && { body }) },
    scheduleTime: task.scheduleTime,
    createTime: task.createTime,
    dispatchDeadline: duration(task.dispatchDeadlineMs),
    ...(task.retryConfig && { retryConfig: retryConfigView(task.retryConfig) }),
    ...(task.dispatchCount > 0 && { dispatchCount: task.dispatchCount }),
    ...(task.responseCount > 0 && { responseCount: task.responseCount }),
    ...(firstDispatchTime && { firstAttempt: { dispatchTime: firstDispatchTime } }),
    ...(lastAttempt && { lastAttempt }),
    view,
  };
}
