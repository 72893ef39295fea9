import type { CloudTasksClient } from '@google-cloud/tasks';
import type { IssueTask } from '../domain/task.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type { IssueQueue, QueueStatus } from '../ports.ts';
import { toAccount } from './account.ts';
import {
  attempted,
  clientOptions,
  type GoogleApiOptions,
  once,
  REPEATABLE,
  STATUS,
  statusOf,
  translated,
} from './google-client.ts';

const DAY_MS = 86_400_000;
// The service takes at most 30 days by its own clock, so a minute is left to the difference.
const FURTHEST_MS = 30 * DAY_MS - 60_000;
const DISPATCH_SECONDS = 100;

/** `projects/P/locations/L/queues/Q` of each issuer. */
type Queues = Readonly<Record<string, string>>;
type Client = Pick<CloudTasksClient, 'createTask' | 'getQueue'>;

export type CloudTasksOptions = GoogleApiOptions & Readonly<{ queues: Queues }>;

export type IssueQueueOptions = CloudTasksOptions &
  Readonly<{
    /** The issue function's, which is also the audience of its tokens. */
    url: string;
    /** E-mail of the account whose ID tokens open that function. */
    invoker: string;
    now?: (() => Date) | undefined;
  }>;

/** Cloud Tasks v2 over REST (https://cloud.google.com/tasks/docs/reference/rest): one queue an issuer, one task a certificate. */
export function createIssueQueue(options: IssueQueueOptions): IssueQueue {
  const client = once(() => createClient(options));
  return {
    async enqueue(name, task, at) {
      const queue = queueOf(options.queues, task.identity.issuer);
      const request = {
        parent: queue,
        task: cloudTask(options, `${queue}/tasks/${name}`, { task, at }),
      };
      try {
        // Repeatable: the name is taken once, whatever becomes of the replies.
        await (await client()).createTask(request, REPEATABLE);
        return 'enqueued';
      } catch (error) {
        if (statusOf(error) === STATUS.ALREADY_EXISTS) return 'exists';
        throw notEnqueued(error, queue, options);
      }
    },
  };
}

// The package has no way in that leaves the beta clients out.
async function createClient(options: GoogleApiOptions): Promise<Client> {
  const { CloudTasksClient } = await import('@google-cloud/tasks');
  return new CloudTasksClient(clientOptions(options));
}

function queueOf(queues: Queues, issuer: string): string {
  const queue = queues[issuer];
  if (queue) return queue;
  throw new CertificateError(
    'config-invalid',
    `issuer ${issuer} has no queue; name one in runtime.queues`,
  );
}

type Planned = Readonly<{ task: IssueTask; at: Date | undefined }>;

function cloudTask({ url, invoker, now }: IssueQueueOptions, name: string, { task, at }: Planned) {
  return {
    name,
    httpRequest: {
      httpMethod: 'POST' as const,
      url,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(task)).toString('base64'),
      oidcToken: { serviceAccountEmail: invoker, audience: url },
    },
    ...scheduled(at, now?.() ?? new Date()),
    dispatchDeadline: { seconds: DISPATCH_SECONDS },
  };
}

// A moment that has passed means now, which the service calls no schedule time at all.
function scheduled(at: Date | undefined, now: Date) {
  if (!at || at <= now) return {};
  const ms = Math.min(at.getTime(), now.getTime() + FURTHEST_MS);
  return { scheduleTime: { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 } };
}

// Who holds a right on the queue itself is told of a queue that is not there as of one that is forbidden.
const OR_ABSENT = '; the same is answered when there is no such queue';

function notEnqueued(
  error: unknown,
  queue: string,
  { invoker, auth }: IssueQueueOptions,
): CertificateError {
  if (statusOf(error) === STATUS.NOT_FOUND)
    return new CertificateError(
      'queue-unavailable',
      `cannot add a task to ${queue}: there is no such queue; create it, or correct runtime.queues`,
    );
  return translated(error, queue, {
    code: 'queue-unavailable',
    doing: 'add a task to',
    grant: `cloudtasks.tasks.create on ${queue} and iam.serviceAccounts.actAs on ${invoker}${toAccount(auth.client)}${OR_ABSENT}`,
  });
}

/** Asks for the state of every queue; one that cannot be read does not hide the others. */
export function createQueueStates(
  options: CloudTasksOptions,
): () => Promise<readonly QueueStatus[]> {
  const client = once(() => createClient(options));
  return () =>
    Promise.all(
      Object.entries(options.queues).map(async ([issuer, queue]) => ({
        issuer,
        queue,
        ...(await queueState(client, queue, () => toAccount(options.auth.client)).then(
          (state) => ({ state, problem: undefined }),
          (error) => ({ state: 'UNREADABLE', problem: messageOf(error) }),
        )),
      })),
    );
}

async function queueState(
  client: () => Promise<Client>,
  queue: string,
  grantee: () => string,
): Promise<string> {
  const [{ state }] = await attempted(
    queue,
    {
      code: 'queue-unavailable',
      doing: 'read',
      get grant() {
        return `cloudtasks.queues.get on ${queue}${grantee()}${OR_ABSENT}`;
      },
    },
    async () => (await client()).getQueue({ name: queue }, REPEATABLE),
  );
  return String(state);
}
