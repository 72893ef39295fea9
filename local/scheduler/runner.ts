import { deliver, type Outcome, type Sender } from '../wire/http-target.ts';
import { type Execution, type Job, jobHeaders, retryTime } from './job.ts';
import { nextRun } from './schedule.ts';

export type JobsState = { jobs: Record<string, Job> };

type RunnerOptions = Readonly<{
  state: JobsState;
  sender: Sender;
  /** Saves the state and tells the listeners. */
  changed(): void;
}>;

export type Runner = Readonly<{
  /** Sets the job's next run by its schedule, counted from now. */
  reschedule(name: string): void;
  /** Runs the job now; when an execution is under way, as soon as that ends. */
  force(name: string): void;
  /** Gives up what a paused or deleted job has still to do; an attempt under way goes on. */
  stop(name: string): void;
  running(): boolean;
  /** Breaks off the attempts under way; the state holds them as unanswered. */
  close(): void;
}>;

type Self = RunnerOptions &
  Readonly<{
    timers: Map<string, () => void>;
    underWay: Set<string>;
    abort: AbortController;
  }>;

/** Runs the jobs of `state`: what fell due or was left unanswered while nothing ran, once and at once. */
export function createRunner(options: RunnerOptions): Runner {
  const self: Self = {
    ...options,
    timers: new Map(),
    underWay: new Set(),
    abort: new AbortController(),
  };
  for (const job of Object.values(options.state.jobs)) resume(self, job);
  return {
    reschedule: (name) => reschedule(self, name),
    force: (name) => force(self, name),
    stop: (name) => stop(self, name),
    running: () => self.underWay.size > 0,
    close() {
      self.abort.abort();
      for (const cancel of self.timers.values()) cancel();
    },
  };
}

const nowOf = ({ sender }: Self) => sender.clock.now();

function update(self: Self, name: string, change: Partial<Job>): Job | undefined {
  const job = self.state.jobs[name];
  if (!job) return undefined;
  const changed = { ...job, ...change };
  self.state.jobs[name] = changed;
  return changed;
}

function without<Key extends keyof Job>(self: Self, name: string, ...keys: Key[]): void {
  const job: Partial<Job> = { ...self.state.jobs[name] };
  for (const key of keys) delete job[key];
  if (self.state.jobs[name]) self.state.jobs[name] = job as Job;
}

function resume(self: Self, job: Job): void {
  if (job.execution && !job.execution.retryTime) void attempt(self, job.name, job.execution);
  else arm(self, job.name);
}

function reschedule(self: Self, name: string): void {
  const job = self.state.jobs[name];
  if (!job) return;
  const next = nextRun(job.schedule, job.timeZone, nowOf(self));
  without(self, name, 'nextRun');
  if (next) update(self, name, { nextRun: next.toISOString() });
  arm(self, name);
}

function stop(self: Self, name: string): void {
  self.timers.get(name)?.();
  self.timers.delete(name);
  without(self, name, 'forced');
  if (!self.underWay.has(name)) without(self, name, 'execution');
}

function force(self: Self, name: string): void {
  if (self.underWay.has(name)) {
    update(self, name, { forced: true });
    return;
  }
  begin(self, name, nowOf(self));
}

/** Waits for what the job does next: a retry, or a run by its schedule. */
function arm(self: Self, name: string): void {
  self.timers.get(name)?.();
  self.timers.delete(name);
  const job = self.state.jobs[name];
  if (!job || self.underWay.has(name) || self.abort.signal.aborted) return;
  const moment = job.execution?.retryTime ?? (job.state === 'ENABLED' ? job.nextRun : undefined);
  if (moment)
    self.timers.set(
      name,
      self.sender.clock.at(new Date(moment), () => due(self, name)),
    );
}

function due(self: Self, name: string): void {
  const job = self.state.jobs[name];
  if (job?.execution?.retryTime) void attempt(self, name, job.execution);
  else if (job?.nextRun) beginScheduled(self, job);
}

// Several runs that were missed, asleep or behind a long execution, become one.
function beginScheduled(self: Self, job: Job): void {
  const scheduledFor = new Date(job.nextRun ?? nowOf(self));
  const next = nextRun(job.schedule, job.timeZone, nowOf(self));
  if (next) update(self, job.name, { nextRun: next.toISOString() });
  begin(self, job.name, scheduledFor);
}

function begin(self: Self, name: string, scheduledFor: Date): void {
  void attempt(self, name, { scheduledFor: scheduledFor.toISOString(), attempts: 0 });
}

async function attempt(self: Self, name: string, { retryTime: _, ...due }: Execution) {
  const now = nowOf(self);
  const started = now.toISOString();
  const execution = {
    ...due,
    firstAttemptTime: due.firstAttemptTime ?? started,
    attempts: due.attempts + 1,
  };
  const job = update(self, name, { execution, lastAttemptTime: started });
  if (!job) return;
  self.timers.get(name)?.();
  self.underWay.add(name);
  self.changed();
  const delivery = {
    target: job.target,
    headers: jobHeaders(job, execution),
    deadline: new Date(now.getTime() + job.attemptDeadlineMs),
    signal: self.abort.signal,
  };
  const outcome = await deliver(delivery, self.sender);
  if (self.abort.signal.aborted) return;
  self.underWay.delete(name);
  conclude(self, name, { execution, outcome });
}

type Conclusion = Readonly<{ execution: Execution; outcome: Outcome }>;

function conclude(self: Self, name: string, { execution, outcome }: Conclusion): void {
  const status = outcome.code === 0 ? {} : { code: outcome.code };
  const job = update(self, name, { status });
  without(self, name, 'execution', 'forced');
  const mayRetry = job && job.state === 'ENABLED' && outcome.code !== 0;
  const again = mayRetry ? retryTime(job, execution, nowOf(self)) : undefined;
  if (again) update(self, name, { execution: { ...execution, retryTime: again.toISOString() } });
  if (job?.forced) begin(self, name, nowOf(self));
  else arm(self, name);
  self.changed();
}
