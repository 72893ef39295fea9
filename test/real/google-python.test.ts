import { createServer, type Server } from 'node:http';
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
  const server: Server = createServer(async (request, response) => {
    arrived.push(await text(request));
    response.end();
  });
  hook = await listenOnLoopback(server, 0);
});
afterEach(() => hook.close());

const common = { clock: systemClock, identityToken: async () => 'token' };

/** What Google's client library was told by a stand-in, which is ended afterwards. */
async function told(
  service: string,
  standIn: Readonly<{ url: string; close(): Promise<void> }>,
): Promise<unknown> {
  try {
    const { stdout } = await runPython('real/google_clients.py', [service, standIn.url, hook.url]);
    return JSON.parse(stdout);
  } finally {
    await standIn.close();
  }
}
test('x', async () => {
  const store = memoryStore<never>();
  for (const [service, standIn] of [
    ['dns', await startCloudDns({ ...common, store })],
    ['secretmanager', await startSecretManager({ ...common, store, publish: () => {} })],
    ['cloudtasks', await startCloudTasks({ ...common, store })],
    ['cloudscheduler', await startScheduler({ ...common, store })],
    ['pubsub', await startPubSub({ ...common, store })],
  ] as const) {
    try { console.log(service, JSON.stringify(await told(service, standIn), undefined, 1)); } catch (e) { console.log(service, String((e as Error).message).slice(-1500)); }
    console.log(arrived);
  }
});
