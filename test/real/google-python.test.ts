import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../local/clock.ts';
import { startCloudDns } from '../../local/cloud-dns/cloud-dns.ts';
import { startCloudTasks } from '../../local/cloud-tasks/cloud-tasks.ts';
import { listenOnLoopback, type RunningApi } from '../../local/google-api.ts';
import { startPubSub } from '../../local/pubsub/pubsub.ts';
import { startScheduler } from '../../local/scheduler/scheduler.ts';
import { startSecretManager } from '../../local/secret-manager/secret-manager.ts';
import { memoryStore } from '../../local/state.ts';
import { runPython } from './parts/python.ts';

/** Where tasks, jobs and messages arrive. */
let hook: RunningApi;
let arrived: string[];

beforeEach(async () => {
  arrived = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      arrived.push(body);
      response.end();
    });
  });
  hook = await listenOnLoopback(server, 0);
});
afterEach(() => hook.close());

const common = { clock: systemClock, identityToken: async () => 'token' };
const store = () => memoryStore<never>();
const LOCATION = 'projects/p/locations/europe-west1';

type Case = Readonly<{
  start: () => Promise<Readonly<{ url: string; close(): Promise<void> }>>;
  /** By step, in the order of the steps; the values may leave fields out. */
  told: object;
  arrived: readonly string[];
}>;

test.for<[string, Case]>([
  [
    'dns',
    {
      start: () => startCloudDns({ ...common, store: store() }),
      told: {
        created: { name: 'shop', dnsName: 'shop.test.', visibility: 'public' },
        'created again': '409 alreadyExists',
        'record added': { status: 'done', additions: [{ type: 'TXT', rrdatas: ['"one"'] }] },
        'record added again': '409 alreadyExists',
        'record removed that differs': '412 conditionNotMet',
        'record removed that is absent': '404 notFound',
        'half of a change refused': '412 conditionNotMet',
        'after the refused change': [],
        'record replaced': 'done',
        'after the replacement': [['"one"', '"two"']],
        'name outside the zone': '400 invalid',
        pages: [4, 2],
        'deleted while in use': '400 containerNotEmpty',
        deleted: '{}',
        'read when absent': '404 notFound',
      },
      arrived: [],
    },
  ],
  [
    'secretmanager',
    {
      start: () => startSecretManager({ ...common, store: store(), publish: () => {} }),
      told: {
        created: { labels: { app: 'web' }, replication: { automatic: {} } },
        'created again': '409 ALREADY_EXISTS',
        added: [
          expect.stringMatching('/secrets/web/versions/1$'),
          expect.stringMatching('/secrets/web/versions/2$'),
        ],
        'added with a wrong checksum': '400 INVALID_ARGUMENT',
        accessed: ['first', 'second', '404 NOT_FOUND'],
        patched: { a: 'b' },
        'patched with an old etag': '400 FAILED_PRECONDITION',
        'alias of a version': [{ current: '1' }, 'first'],
        'alias of no version': '400 INVALID_ARGUMENT',
        disabled: ['DISABLED', '400 FAILED_PRECONDITION', '400 FAILED_PRECONDITION'],
        enabled: ['ENABLED', 'second'],
        destroyed: ['DESTROYED', '400 FAILED_PRECONDITION', '400 FAILED_PRECONDITION'],
        versions: ['DESTROYED', 'ENABLED'],
        pages: [2, 2, 1],
        'filtered by a label that all have, and none': [5, 0],
        deleted: [{}, '404 NOT_FOUND', '404 NOT_FOUND'],
      },
      arrived: [],
    },
  ],
  [
    'cloudtasks',
    {
      start: () => startCloudTasks({ ...common, store: store() }),
      told: {
        queue: 'RUNNING',
        'queue again': '409 ALREADY_EXISTS',
        'too far away': '400 INVALID_ARGUMENT',
        paused: 'PAUSED',
        task: `${LOCATION}/queues/issue/tasks/one`,
        'task again': '409 ALREADY_EXISTS',
        'no address': '400 INVALID_ARGUMENT',
        pages: [2, 1],
        deleted: {},
        'read when deleted': '404 NOT_FOUND',
        'the name of what is gone': '409 ALREADY_EXISTS',
        'run although paused': `${LOCATION}/queues/issue/tasks/three`,
        resumed: 'RUNNING',
        'in no queue': '404 NOT_FOUND',
      },
      arrived: ['four', 'three'],
    },
  ],
  [
    'cloudscheduler',
    {
      start: () => startScheduler({ ...common, store: store() }),
      told: {
        'no schedule': '400 INVALID_ARGUMENT',
        created: { state: 'ENABLED', schedule: '17 * * * *', timeZone: 'Etc/UTC' },
        'created again': '409 ALREADY_EXISTS',
        paused: 'PAUSED',
        resumed: 'ENABLED',
        run: `${LOCATION}/jobs/tick`,
        patched: '5 4 * * *',
        list: [`${LOCATION}/jobs/tick`],
        deleted: {},
        'read when absent': '404 NOT_FOUND',
        'run when absent': '404 NOT_FOUND',
      },
      arrived: ['tick'],
    },
  ],
  [
    'pubsub',
    {
      start: () => startPubSub({ ...common, store: store() }),
      told: {
        topic: { name: 'projects/p/topics/versions' },
        'topic again': '409 ALREADY_EXISTS',
        subscription: 'attributes.kind = "wanted"',
        'subscription again': '409 ALREADY_EXISTS',
        'subscription to no topic': '404 NOT_FOUND',
        'bad filter': '400 INVALID_ARGUMENT',
        published: 2,
        'published to no topic': '404 NOT_FOUND',
        'published nothing': '400 INVALID_ARGUMENT',
        pages: [3, 1],
        'no such subscription deleted': '404 NOT_FOUND',
        deleted: [{}, '404 NOT_FOUND'],
      },
      arrived: [expect.stringContaining('"attributes":{"kind":"wanted"}')],
    },
  ],
])("Google's own client library is told by %s what it expects", async ([service, expected]) => {
  const standIn = await expected.start();
  try {
    const args = [service, standIn.url, hook.url];
    const { stdout } = await runPython('real/google_clients.py', args);
    const told = JSON.parse(stdout) as object;
    expect(Object.keys(told)).toEqual(Object.keys(expected.told));
    expect(told).toMatchObject(expected.told);
    await expect.poll(() => [...arrived].sort()).toEqual(expected.arrived);
  } finally {
    await standIn.close();
  }
});
