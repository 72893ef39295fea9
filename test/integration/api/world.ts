import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { PassThroughClient } from 'google-auth-library';
import { apiFunction } from '../../../functions/api.ts';
import { apiDependencies } from '../../../functions/dependencies.ts';
import { systemClock } from '../../../local/clock.ts';
import { startCloudTasks } from '../../../local/cloud-tasks/cloud-tasks.ts';
import { underFramework } from '../../../local/functions.ts';
import { GoogleFault, listenOnLoopback } from '../../../local/google-api.ts';
import { type Metadata, startMetadata } from '../../../local/metadata/metadata.ts';
import { startScheduler } from '../../../local/scheduler/scheduler.ts';
import { startSecretManager } from '../../../local/secret-manager/secret-manager.ts';
import { memoryStore } from '../../../local/state.ts';
import { createSecrets } from '../../../shared/adapters/secret-manager/secrets.ts';
import { parseConfig } from '../../../shared/config.ts';
import type { IssueTask } from '../../../shared/domain/task.ts';
import { createLog, type LogEntry } from '../../../shared/log.ts';
import type { CertificateRecords } from '../../../shared/ports.ts';

const AUDIENCE = 'certherd-api';
const LOCATION = 'projects/p/locations/europe-west1';

/** What a caller got: the JSON document, or the text of what is none. */
type Answer = Readonly<{
  status: number;
  headers: Headers;
  text: string;
  body: Record<string, unknown>;
}>;

export type World = Readonly<{
  url: string;
  records: CertificateRecords;
  /** One request in a member's name; without one, without a token. */
  ask: (who: string | undefined, request: string, init?: RequestInit) => Promise<Answer>;
  token: (email: string, audience?: string) => Promise<string>;
  /** What Identity-Aware Proxy puts before the api on behalf of somebody. */
  assertion: Metadata['assertion'];
  /** What reconcile answers to `/look` and `/plan`; a number is a bare status. */
  answers: Record<string, unknown>;
  /** What the other functions were woken with. */
  woken: { reconcile: unknown[]; issue: IssueTask[] };
  /** What a worker makes of a task; nothing at first. */
  worker: { work: (task: IssueTask) => Promise<void> };
  log: LogEntry[];
  /** From now on Cloud Scheduler lets nobody in. */
  forbidScheduler: () => void;
  close: () => Promise<void>;
}>;

/** Set where Identity-Aware Proxy stands before the api. */
type Proxy = Readonly<{ iapAudience?: string }>;

/** The api function as it is deployed, over stand-ins; reconcile and issue are played by the test. */
export async function startWorld({ iapAudience }: Proxy = {}): Promise<World> {
  const clock = systemClock;
  const metadata = await startMetadata({ store: memoryStore(), clock, project: 'p' });
  const { identityToken } = metadata;
  let schedulerIsForbidden = false;
  const parts = {
    tasks: await startCloudTasks({ store: memoryStore(), clock, identityToken }),
    scheduler: await startScheduler({
      store: memoryStore(),
      clock,
      identityToken,
      before() {
        if (schedulerIsForbidden) throw new GoogleFault('PERMISSION_DENIED', 'not for you');
      },
    }),
    secretManager: await startSecretManager({ store: memoryStore(), clock, publish: () => {} }),
  };
  const players = await startPlayers();
  const config = configOf({
    reconcileUrl: `${players.url}/reconcile`,
    issueUrl: `${players.url}/issue`,
    iapAudience,
    endpoints: {
      metadata: metadata.urlFor('api@p.iam.gserviceaccount.com'),
      tasks: parts.tasks.url,
      scheduler: parts.scheduler.url,
      secretManager: parts.secretManager.url,
    },
  });
  await post(`${parts.tasks.url}/v2/${LOCATION}/queues`, { name: `${LOCATION}/queues/issue` });
  await post(`${parts.scheduler.url}/v1/${LOCATION}/jobs`, {
    name: `${LOCATION}/jobs/tick`,
    schedule: '0 * * * *',
    httpTarget: { uri: `${players.url}/reconcile` },
  });
  const log: LogEntry[] = [];
  const handler = apiFunction(
    apiDependencies(config, { log: createLog((entry) => log.push(entry)) }),
  );
  const api = await listenOnLoopback(createServer(underFramework('api', handler)), 0);
  const token = (email: string, audience = AUDIENCE) => identityToken(email, audience);
  return {
    ...players,
    url: api.url,
    records: createSecrets({
      replicas: [],
      project: 'p',
      installation: config.installation,
      topic: config.runtime.topic,
      auth: { client: new PassThroughClient() },
      endpoint: parts.secretManager.url,
    }).records,
    token,
    assertion: metadata.assertion,
    ask: async (who, request, init = {}) =>
      answer(await fetch(...requestOf(api.url, request, init, who && (await token(who))))),
    log,
    forbidScheduler: () => {
      schedulerIsForbidden = true;
    },
    async close() {
      const all = [api, players, ...Object.values(parts), metadata];
      await Promise.all(all.map((part) => part.close()));
    },
  };
}

/** Stands for reconcile and issue. */
async function startPlayers() {
  const answers: World['answers'] = {};
  const woken: World['woken'] = { reconcile: [], issue: [] };
  const worker: World['worker'] = { work: async () => {} };
  const play = async (request: IncomingMessage, response: ServerResponse) => {
    const body = (await request.toArray()).join('');
    const path = (request.url ?? '').replace('/reconcile', '');
    if (request.url === '/issue') {
      const task = JSON.parse(body) as IssueTask;
      woken.issue.push(task);
      await worker.work(task);
      return response.end('{}');
    }
    if (path === '') woken.reconcile.push(body);
    const reply = answers[path] ?? {};
    if (typeof reply === 'number') return response.writeHead(reply).end();
    return response.end(JSON.stringify(reply));
  };
  const server = createServer((request, response) => void play(request, response));
  const { url, close } = await listenOnLoopback(server, 0);
  return { url, close, answers, woken, worker };
}

function configOf({
  endpoints,
  ...runtime
}: Readonly<{
  reconcileUrl: string;
  issueUrl: string;
  iapAudience: string | undefined;
  endpoints: Record<string, string>;
}>) {
  const parsed = parseConfig({
    project: 'p',
    issuers: { staging: { directory: 'https://ca.test/directory' } },
    clusters: [
      {
        name: 'prod',
        kubeconfigSecret: 'k',
        allow: [{ namespaces: ['shop'], names: ['a.test'] }],
      },
    ],
    access: {
      viewers: ['user:viewer@a.test'],
      operators: ['user:operator@a.test'],
      admins: ['serviceAccount:ci@p.iam.gserviceaccount.com'],
    },
    runtime: {
      ...runtime,
      queues: { staging: 'issue' },
      topic: 'projects/p/topics/events',
      schedulerJob: 'tick',
      audience: AUDIENCE,
      invoker: 'queue@p.iam.gserviceaccount.com',
    },
    endpoints,
  });
  if ('config' in parsed) return parsed.config;
  throw new Error(parsed.faults.join('\n'));
}

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
}

function requestOf(
  base: string,
  request: string,
  init: RequestInit,
  token: string | undefined,
): [string, RequestInit] {
  const [method = '', path = ''] = request.split(' ');
  const headers = new Headers(init.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  if (typeof init.body === 'string' && !headers.has('content-type'))
    headers.set('content-type', 'application/json');
  return [`${base}${path}`, { ...init, method, headers }];
}

async function answer(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  const isJson = /json/.test(headers.get('content-type') ?? '');
  return { status, headers, text, body: isJson && text ? JSON.parse(text) : {} };
}
