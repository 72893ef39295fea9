import type { Clock } from '../clock.ts';
import { deliver, type Outcome, type Sender } from '../wire/http-target.ts';
import { dropExpired, type QueueState, type TasksState } from './state.ts';
import { afterFailure, dispatched, type Task, taskHeaders } from './task.ts';
import { createThrottle, type Throttle } from './throttle.ts';

type DispatcherOptions = Readonly<{
  state: TasksState;
  sender: Sender;
  duplicate: boolean;
  /** Saves the state and tells the listeners. */
  changed(): void;
  /** A task is gone for good: it succeeded or has no attempt left. */
  gone(task: Task): void;
}>;

export type Dispatcher = Readonly<{
  /** Looks at the queue again, on the next turn of the event loop: its tasks or its settings changed. */
  look(queue: string): void;
  /** Dispatches now, whatever the limits, the schedule and the queue's state say. */
  force(task: Task): void;
  isRunning(task: Task): boolean;
  /** Breaks off what is under way; its tasks stay unanswered in the state. */
  close(): void;
}>;

/** What the dispatcher knows of a queue beyond its state. */
type Lane = { throttle: Throttle; running: Map<string, number>; cancel: () => void };

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const lanes = new Map<string, Lane>();
  const abort = new AbortController();
  const self = { ...options, clock: options.sender.clock, lanes, abort };
  for (const name of Object.keys(options.state.queues)) look(self, name);
  return {
    look: (queue) => look(self, queue),
    force: (task) => void attempt(self, task),
    isRunning: (task) => isRunning(laneOf(self, queueOf(task)), task),
    close() {
      abort.abort();
      for (const lane of lanes.values()) lane.cancel();
    },
  };
}

type Self = DispatcherOptions &
  Readonly<{ clock: Clock; lanes: Map<string, Lane>; abort: AbortController }>;

const queueOf = ({ name }: Task) => name.slice(0, name.indexOf('/tasks/'));

const isRunning = (lane: Lane, { name }: Task) => lane.running.has(name);

function laneOf({ lanes }: Self, queue: string): Lane {
  const lane = lanes.get(queue) ?? {
    throttle: createThrottle(),
    running: new Map(),
    cancel: () => {},
  };
  lanes.set(queue, lane);
  return lane;
}

function look(self: Self, queue: string): void {
  arm(self, queue, self.clock.now());
}

function arm(self: Self, queue: string, moment: Date): void {
  if (self.abort.signal.aborted) return;
  const lane = laneOf(self, queue);
  lane.cancel();
  lane.cancel = self.clock.at(moment, () => dispatchDue(self, queue));
}

/** Dispatches what may run now and arms the timer for what comes next. */
function dispatchDue(self: Self, name: string): void {
  const state = self.state.queues[name];
  if (!state || state.queue.state === 'PAUSED') return;
  const lane = laneOf(self, name);
  const { rateLimits } = state.queue;
  const expired = dropExpired(state, self.clock.now());
  for (const task of expired) self.gone(task);
  if (expired.length > 0) self.changed();
  for (const task of waiting(state, lane)) {
    if (concurrency(lane) >= rateLimits.maxConcurrentDispatches) return;
    const now = self.clock.now();
    const ready = lane.throttle.readyAt(rateLimits, now);
    const moment = Math.max(Date.parse(task.scheduleTime), ready);
    if (moment > now.getTime()) {
      arm(self, name, new Date(moment));
      return;
    }
    lane.throttle.take(rateLimits, now);
    void attempt(self, task);
  }
}

// All schedule times are written by toISOString, so that their texts sort as they do.
const waiting = ({ tasks }: QueueState, lane: Lane) =>
  Object.values(tasks)
    .filter((task) => !isRunning(lane, task))
    .sort((a, b) => (a.scheduleTime < b.scheduleTime ? -1 : 1));

const concurrency = ({ running }: Lane) => running.values().reduce((sum, n) => sum + n, 0);

async function attempt(self: Self, task: Task): Promise<void> {
  const { clock, sender, abort, duplicate } = self;
  const name = queueOf(task);
  const lane = laneOf(self, name);
  const delivery = {
    target: task.target,
    headers: taskHeaders(task),
    deadline: new Date(clock.now().getTime() + task.dispatchDeadlineMs),
    signal: abort.signal,
  };
  const tasks = self.state.queues[name]?.tasks;
  if (tasks) tasks[task.name] = dispatched(task, clock.now());
  lane.running.set(task.name, (lane.running.get(task.name) ?? 0) + 1);
  self.changed();
  const [outcome] = await Promise.all(
    Array.from({ length: duplicate ? 2 : 1 }, () => deliver(delivery, sender)),
  );
  if (abort.signal.aborted || !outcome) return;
  const others = (lane.running.get(task.name) ?? 1) - 1;
  if (others > 0) lane.running.set(task.name, others);
  else lane.running.delete(task.name);
  settle(self, task, outcome);
  look(self, name);
}

function settle(self: Self, attempted: Task, outcome: Outcome): void {
  const now = self.clock.now();
  const name = queueOf(attempted);
  if (outcome.http === 429 || outcome.http === 503)
    laneOf(self, name).throttle.rest(outcome.retryAfterMs, now);
  const state = self.state.queues[name];
  const task = state?.tasks[attempted.name];
  // Deleted, or deleted and made again, while the attempt ran: its answer concerns nobody.
  if (state && task?.createTime === attempted.createTime) conclude(self, { state, task, outcome });
  self.changed();
}

type Conclusion = Readonly<{ state: QueueState; task: Task; outcome: Outcome }>;

function conclude({ clock, gone }: Self, { state, task, outcome }: Conclusion): void {
  const { queue, tasks } = state;
  const next =
    outcome.code === 0 ? undefined : afterFailure(task, outcome, { queue, now: clock.now() });
  if (next) {
    tasks[task.name] = next;
    return;
  }
  delete tasks[task.name];
  gone(task);
}
