import type { Clock } from '../clock.ts';
import { type GoogleApiOptions, serveGoogleApi } from '../google-api.ts';
import type { Store } from '../state.ts';
import { createDispatcher } from './dispatcher.ts';
import { routesOf, type Service } from './routes.ts';
import { recovered, remember, type TasksState } from './state.ts';
import type { Task } from './task.ts';

const HOUR_MS = 3_600_000;

export type CloudTasks = Readonly<{
  url: string;
  /** `due`: running or waiting to run now; `later`: scheduled or backed off to a future moment. */
  pending(): Readonly<{ due: number; later: number }>;
  /** The earliest moment for which a task waits. */
  nextDue(): Date | undefined;
  /** Calls `listener` after each change of a task or queue, and returns what ends that. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}>;

export type CloudTasksOptions = Readonly<{
  store: Store<TasksState>;
  clock: Clock;
  identityToken: (email: string, audience: string) => Promise<string>;
  recorder?: GoogleApiOptions['recorder'];
  before?: GoogleApiOptions['before'];
  port?: number;
  /** Dispatches each task twice at once, as at-least-once delivery may; the first answer counts. */
  duplicate?: boolean;
  /** How long the name of a task that is gone stays taken. */
  rememberNamesMs?: number;
}>;

/** Cloud Tasks v2 over REST (https://cloud.google.com/tasks/docs/reference/rest). Only HTTP targets are implemented. */
export async function startCloudTasks(options: CloudTasksOptions): Promise<CloudTasks> {
  const { clock, store } = options;
  const state = recovered(store.load(), clock.now());
  const listeners = new Set<() => void>();
  const changed = () => {
    store.save(state);
    for (const listener of listeners) listener();
  };
  const gone = ({ name, named }: Task) => {
    const until = clock.now().getTime() + (options.rememberNamesMs ?? 24 * HOUR_MS);
    if (named) remember(state, name, new Date(until));
  };
  const sender = { clock, identityToken: options.identityToken };
  const duplicate = options.duplicate ?? false;
  const dispatcher = createDispatcher({ state, sender, duplicate, changed, gone });
  const service = { state, clock, dispatcher, changed, gone };
  const { recorder, before, port = 0 } = options;
  const routes = routesOf(service);
  const api = await serveGoogleApi({ service: 'cloudtasks', routes, recorder, before, port });
  return {
    url: api.url,
    ...watch(service),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      dispatcher.close();
      return api.close();
    },
  };
}

function watch({ state, clock, dispatcher }: Service): Pick<CloudTasks, 'pending' | 'nextDue'> {
  const all = () => Object.values(state.queues).flatMap(({ tasks }) => Object.values(tasks));
  return {
    pending() {
      const now = clock.now().getTime();
      const tasks = all();
      const isDue = (task: Task) =>
        dispatcher.isRunning(task) || Date.parse(task.scheduleTime) <= now;
      const due = tasks.filter(isDue).length;
      return { due, later: tasks.length - due };
    },
    nextDue() {
      const waiting = all().filter((task) => !dispatcher.isRunning(task));
      const times = waiting.map(({ scheduleTime }) => Date.parse(scheduleTime));
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },
  };
}
