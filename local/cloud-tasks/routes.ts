import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Call, GoogleFault, type Route } from '../google-api.ts';
import { type Fields, page, parseFields, parseMask } from '../wire/json.ts';
import type { Dispatcher } from './dispatcher.ts';
import { newQueue, parseQueueFields, patchedQueue, queueView } from './queue.ts';
import { forget, isRemembered, type QueueState, remember, type TasksState } from './state.ts';
import { newTask, type Task, taskView } from './task.ts';

const QUEUE_NAME_REST_MS = 72 * 3_600_000;

/** What the routes work on. `changed` saves and tells; `gone` is told of each task that left. */
export type Service = Readonly<{
  state: TasksState;
  clock: Clock;
  dispatcher: Dispatcher;
  changed(): void;
  gone(task: Task): void;
}>;

const LOCATION = '/v2/projects/{project}/locations/{location}';
const QUEUE = `${LOCATION}/queues/{queue}`;
const TASK = `${QUEUE}/tasks/{task}`;

const locationName = ({ path }: Call) => `projects/${path.project}/locations/${path.location}`;
const queueName = (call: Call) => `${locationName(call)}/queues/${call.path.queue}`;
const taskName = (call: Call) => `${queueName(call)}/tasks/${call.path.task}`;

/** Every method of the API that is implemented; what is left out is answered with UNIMPLEMENTED. */
export const routesOf = (service: Service): Route[] => [
  ...queueRoutes(service),
  ...policyRoutes(service),
  ...taskRoutes(service),
];

function queueRoutes(service: Service): Route[] {
  const { state } = service;
  const setState = (call: Call, to: 'RUNNING' | 'PAUSED') => {
    const found = queueOf(service, call);
    found.queue = { ...found.queue, state: to };
    return saved(service, found);
  };
  return [
    {
      method: 'POST',
      template: `${LOCATION}/queues`,
      handle: (call) => createQueue(service, call),
    },
    {
      method: 'GET',
      template: `${LOCATION}/queues`,
      handle: (call) => {
        if (call.query.get('filter')) throw unimplemented('The filter of queues.list');
        const prefix = `${locationName(call)}/queues/`;
        const names = Object.keys(state.queues).filter((name) => name.startsWith(prefix));
        const { items, ...rest } = page(names.sort(), call.query, 9800);
        return { queues: items.map((name) => queueView(existing(state, name).queue)), ...rest };
      },
    },
    { method: 'GET', template: QUEUE, handle: (call) => queueView(queueOf(service, call).queue) },
    { method: 'PATCH', template: QUEUE, handle: (call) => patchQueue(service, call) },
    { method: 'DELETE', template: QUEUE, handle: (call) => deleteQueue(service, call) },
    { method: 'POST', template: `${QUEUE}:pause`, handle: (call) => setState(call, 'PAUSED') },
    { method: 'POST', template: `${QUEUE}:resume`, handle: (call) => setState(call, 'RUNNING') },
    { method: 'POST', template: `${QUEUE}:purge`, handle: (call) => purgeQueue(service, call) },
  ];
}

function createQueue(service: Service, call: Call) {
  const fields = parseQueueFields(call.body);
  const name = String(fields.name ?? '');
  const prefix = `${locationName(call)}/queues/`;
  if (!name.startsWith(prefix) || !isQueueId(name.slice(prefix.length)))
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      'Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".',
    );
  if (service.state.queues[name]) throw new GoogleFault('ALREADY_EXISTS', 'Queue already exists');
  return saved(service, addQueue(service, name, fields));
}

const isQueueId = (id: string) => /^[A-Za-z0-9-]{1,100}$/.test(id);

function addQueue({ state, clock }: Service, name: string, fields: Fields) {
  if (isRemembered(state, name, clock.now()))
    throw new GoogleFault(
      'FAILED_PRECONDITION',
      'The queue cannot be created because a queue with this name existed too recently.',
    );
  const added = { queue: newQueue(name, fields), policy: { etag: 'ACAB' }, tasks: {} };
  state.queues[name] = added;
  return added;
}

function patchQueue(service: Service, call: Call) {
  const name = queueName(call);
  const fields = parseQueueFields(call.body);
  const found = service.state.queues[name];
  if (!found) return saved(service, addQueue(service, name, fields));
  found.queue = patchedQueue(found.queue, fields, parseMask(call.query));
  return saved(service, found);
}

function deleteQueue(service: Service, call: Call) {
  const { state, clock } = service;
  const name = queueName(call);
  if (!state.queues[name]) throw new GoogleFault('NOT_FOUND', 'Requested entity was not found.');
  delete state.queues[name];
  remember(state, name, new Date(clock.now().getTime() + QUEUE_NAME_REST_MS));
  service.changed();
  return {};
}

function purgeQueue(service: Service, call: Call) {
  const found = queueOf(service, call);
  for (const task of Object.values(found.tasks)) service.gone(task);
  found.tasks = {};
  found.queue = { ...found.queue, purgeTime: service.clock.now().toISOString() };
  return saved(service, found);
}

function saved(service: Service, { queue }: QueueState) {
  service.changed();
  service.dispatcher.look(queue.name);
  return queueView(queue);
}

function policyRoutes(service: Service): Route[] {
  return [
    {
      method: 'POST',
      template: `${QUEUE}:getIamPolicy`,
      handle: (call) => queueOf(service, call).policy,
    },
    {
      method: 'POST',
      template: `${QUEUE}:setIamPolicy`,
      handle: (call) => {
        const found = queueOf(service, call);
        const body = parseFields(call.body, 'request', ['policy']);
        const policy = parseFields(body.policy, 'policy', ['version', 'bindings', 'etag']);
        if (policy.etag && policy.etag !== found.policy.etag)
          throw new GoogleFault(
            'ABORTED',
            'There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.',
          );
        found.policy = { ...policy, etag: randomBytes(8).toString('base64') };
        service.changed();
        return found.policy;
      },
    },
  ];
}

function taskRoutes(service: Service): Route[] {
  const view = (call: Call) => call.query.get('responseView');
  return [
    { method: 'POST', template: `${QUEUE}/tasks`, handle: (call) => createTask(service, call) },
    {
      method: 'GET',
      template: `${QUEUE}/tasks`,
      handle: (call) => {
        const tasks = Object.values(queueOf(service, call).tasks);
        const { items, ...rest } = page(tasks, call.query, 1000);
        return { tasks: items.map((task) => taskView(task, view(call))), ...rest };
      },
    },
    {
      method: 'GET',
      template: TASK,
      handle: (call) => taskView(taskOf(service, call), view(call)),
    },
    {
      method: 'DELETE',
      template: TASK,
      handle: (call) => {
        const task = taskOf(service, call);
        delete queueOf(service, call).tasks[task.name];
        service.gone(task);
        service.changed();
        return {};
      },
    },
    {
      method: 'POST',
      template: `${TASK}:run`,
      handle: (call) => {
        const body = parseFields(call.body, 'request', ['responseView']);
        service.dispatcher.force(taskOf(service, call));
        return taskView(taskOf(service, call), body.responseView);
      },
    },
  ];
}

function createTask(service: Service, call: Call) {
  const { state, clock } = service;
  const { queue, tasks } = queueOf(service, call);
  const body = parseFields(call.body, 'request', ['task', 'responseView']);
  const task = newTask(body.task, queue, clock.now());
  if (tasks[task.name]) throw new GoogleFault('ALREADY_EXISTS', 'Requested entity already exists');
  forget(state, clock.now());
  if (isRemembered(state, task.name, clock.now()))
    throw new GoogleFault(
      'ALREADY_EXISTS',
      'The task cannot be created because a task with this name existed too recently. For more information about task de-duplication see https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task.',
    );
  tasks[task.name] = task;
  service.changed();
  service.dispatcher.look(queue.name);
  return taskView(task, body.responseView);
}

function taskOf({ state, clock }: Service, call: Call): Task {
  const name = taskName(call);
  const task = state.queues[queueName(call)]?.tasks[name];
  if (task) return task;
  throw new GoogleFault(
    'NOT_FOUND',
    isRemembered(state, name, clock.now())
      ? 'The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted.'
      : 'Requested entity was not found.',
  );
}

const queueOf = ({ state }: Service, call: Call) => existing(state, queueName(call));

function existing(state: TasksState, name: string): QueueState {
  const found = state.queues[name];
  if (!found)
    throw new GoogleFault(
      'NOT_FOUND',
      'Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.',
    );
  return found;
}

const unimplemented = (what: string) =>
  new GoogleFault('UNIMPLEMENTED', `${what} is not implemented by this stand-in`);
