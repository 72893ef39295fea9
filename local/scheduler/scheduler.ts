import { randomInt } from 'node:crypto';
import type { Clock } from '../clock.ts';
import {
  type Call,
  type GoogleApiOptions,
  GoogleFault,
  type Route,
  serveGoogleApi,
} from '../google-api.ts';
import type { Store } from '../state.ts';
import { page, parseMask } from '../wire/json.ts';
import { type Job, jobView, newJob, parseJobFields, patchedJob } from './job.ts';
import { createRunner, type JobsState, type Runner } from './runner.ts';

export type Scheduler = Readonly<{
  url: string;
  /** Whether an attempt is under way. */
  running(): boolean;
  /** Calls `listener` after each change of a job, and returns what ends that. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}>;

export type SchedulerOptions = Readonly<{
  store: Store<JobsState>;
  clock: Clock;
  identityToken: (email: string, audience: string) => Promise<string>;
  recorder?: GoogleApiOptions['recorder'];
  before?: GoogleApiOptions['before'];
  port?: number;
}>;

type Service = Readonly<{ state: JobsState; clock: Clock; runner: Runner; changed(): void }>;

/** Cloud Scheduler v1 over REST (https://cloud.google.com/scheduler/docs/reference/rest). Only HTTP targets are implemented. */
export async function startScheduler(options: SchedulerOptions): Promise<Scheduler> {
  const { store, clock, identityToken, recorder, before, port = 0 } = options;
  const state = store.load() ?? { jobs: {} };
  const listeners = new Set<() => void>();
  const changed = () => {
    store.save(state);
    for (const listener of listeners) listener();
  };
  const runner = createRunner({ state, sender: { clock, identityToken }, changed });
  const routes = routesOf({ state, clock, runner, changed });
  const api = await serveGoogleApi({ service: 'cloudscheduler', routes, recorder, before, port });
  return {
    url: api.url,
    running: runner.running,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      runner.close();
      return api.close();
    },
  };
}

const JOBS = '/v1/projects/{project}/locations/{location}/jobs';
const JOB = `${JOBS}/{job}`;

const parentOf = ({ path }: Call) => `projects/${path.project}/locations/${path.location}/jobs/`;
const nameOf = (call: Call) => `${parentOf(call)}${call.path.job}`;

function routesOf(service: Service): Route[] {
  return [
    { method: 'POST', template: JOBS, handle: (call) => createJob(service, call) },
    { method: 'GET', template: JOBS, handle: (call) => listJobs(service, call) },
    { method: 'GET', template: JOB, handle: (call) => jobView(jobOf(service, nameOf(call))) },
    { method: 'PATCH', template: JOB, handle: (call) => patchJob(service, call) },
    { method: 'DELETE', template: JOB, handle: (call) => deleteJob(service, call) },
    { method: 'POST', template: `${JOB}:pause`, handle: (call) => pauseJob(service, call) },
    { method: 'POST', template: `${JOB}:resume`, handle: (call) => resumeJob(service, call) },
    { method: 'POST', template: `${JOB}:run`, handle: (call) => runJob(service, call) },
  ];
}

function listJobs({ state }: Service, call: Call) {
  const jobs = Object.values(state.jobs).filter(({ name }) => name.startsWith(parentOf(call)));
  const { items, ...rest } = page(jobs, call.query, 500);
  return { jobs: items.map(jobView), ...rest };
}

function createJob(service: Service, call: Call) {
  const { state, clock } = service;
  const fields = parseJobFields(call.body);
  const name = fields.name ? String(fields.name) : `${parentOf(call)}${randomInt(2 ** 47)}`;
  const id = name.slice(parentOf(call).length);
  if (!name.startsWith(parentOf(call)) || !/^[A-Za-z0-9_-]{1,500}$/.test(id))
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      'Job name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>".',
    );
  if (state.jobs[name]) throw new GoogleFault('ALREADY_EXISTS', `Job ${name} already exists.`);
  state.jobs[name] = newJob(name, fields, clock.now());
  service.runner.reschedule(name);
  return saved(service, name);
}

function patchJob(service: Service, call: Call) {
  const { state, clock, runner } = service;
  const name = nameOf(call);
  const old = jobOf(service, name);
  const fields = parseJobFields(call.body);
  state.jobs[name] = patchedJob(old, { fields, mask: parseMask(call.query) }, clock.now());
  runner.reschedule(name);
  return saved(service, name);
}

function deleteJob(service: Service, call: Call) {
  const { name } = jobOf(service, nameOf(call));
  service.runner.stop(name);
  delete service.state.jobs[name];
  service.changed();
  return {};
}

function pauseJob(service: Service, call: Call) {
  const job = jobOf(service, nameOf(call));
  service.state.jobs[job.name] = { ...job, state: 'PAUSED' };
  service.runner.stop(job.name);
  return saved(service, job.name);
}

// Clients resume a job that was just made, so an enabled job is resumed without a change.
function resumeJob(service: Service, call: Call) {
  const job = jobOf(service, nameOf(call));
  if (job.state === 'ENABLED') return jobView(job);
  service.state.jobs[job.name] = { ...job, state: 'ENABLED' };
  service.runner.reschedule(job.name);
  return saved(service, job.name);
}

function runJob(service: Service, call: Call) {
  const { name } = jobOf(service, nameOf(call));
  service.runner.force(name);
  return saved(service, name);
}

function saved(service: Service, name: string) {
  service.changed();
  return jobView(jobOf(service, name));
}

function jobOf({ state }: Service, name: string): Job {
  const job = state.jobs[name];
  if (!job) throw new GoogleFault('NOT_FOUND', 'Job not found.');
  return job;
}
