import type { Queue } from './queue.ts';
import { isUnanswered, RETENTION_MS, type Task } from './task.ts';

type Policy = Readonly<{ version?: number; bindings?: readonly unknown[]; etag: string }>;

/** One queue with its tasks by name. Changed in place, by the API and the dispatcher alone. */
export type QueueState = { queue: Queue; policy: Policy; tasks: Record<string, Task> };

export type TasksState = {
  queues: Record<string, QueueState>;
  /** Names that may not be taken again, of tasks and of queues, until a moment (RFC 3339). */
  remembered: Record<string, string>;
};

/** The saved state as a new process finds it: what nobody answered is due at once. */
export function recovered(saved: TasksState | undefined, now: Date): TasksState {
  const state = saved ?? { queues: {}, remembered: {} };
  for (const { tasks } of Object.values(state.queues))
    for (const task of Object.values(tasks))
      if (isUnanswered(task)) tasks[task.name] = { ...task, scheduleTime: now.toISOString() };
  return state;
}

export function remember(state: TasksState, name: string, until: Date): void {
  state.remembered[name] = until.toISOString();
}

export function isRemembered(state: TasksState, name: string, now: Date): boolean {
  const until = state.remembered[name];
  return until !== undefined && Date.parse(until) > now.getTime();
}

/** Drops the names whose time is over. */
export function forget(state: TasksState, now: Date): void {
  for (const [name, until] of Object.entries(state.remembered))
    if (Date.parse(until) <= now.getTime()) delete state.remembered[name];
}

/** Drops the tasks that are older than a queue keeps them, and returns them. */
export function dropExpired({ tasks }: QueueState, now: Date): Task[] {
  const expired = Object.values(tasks).filter(
    ({ createTime }) => Date.parse(createTime) + RETENTION_MS <= now.getTime(),
  );
  for (const { name } of expired) delete tasks[name];
  return expired;
}
