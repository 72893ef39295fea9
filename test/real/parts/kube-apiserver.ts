import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Agent, fetch } from 'undici';
import { loopbackIdentity } from '../../../local/tls.ts';

export type RunningApiServer = Readonly<{
  /** `https://127.0.0.1:PORT` */
  server: string;
  /** PEM of the authority behind the server's certificate. */
  ca: string;
  /** Bearer token of a cluster admin. */
  token: string;
  /** Bearer token of a user who may get, list and watch everything. */
  readOnlyToken: string;
  /** Bearer token of a user who may get and patch Secrets, and nothing else. */
  patchOnlyToken: string;
  /** Bearer token of a user who is known and may do nothing. */
  strangerToken: string;
  close(): Promise<void>;
}>;

const ADMIN_TOKEN = 'admin-token';
const READER_TOKEN = 'reader-token';
const PATCHER_TOKEN = 'patcher-token';
const STRANGER_TOKEN = 'stranger-token';
const READY_WITHIN_MS = 60_000;

/**
 * Starts etcd and kube-apiserver from the folder that KUBEBUILDER_ASSETS names (the convention of
 * `setup-envtest`), with a data folder of their own. Throws a sentence when one of them is missing.
 */
export async function startKubeApiserver(): Promise<RunningApiServer> {
  const [etcd, apiserver] = [binary('etcd'), binary('kube-apiserver')];
  const folder = mkdtempSync(join(tmpdir(), 'kube-apiserver-'));
  const [client, peer, port] = await freePorts();
  const ca = await writeIdentity(folder);
  const processes = [
    start(etcd, etcdFlags(folder, client, peer)),
    start(apiserver, apiserverFlags(folder, client, port)),
  ];
  const close = async () => {
    await Promise.all(processes.reverse().map(({ stop }) => stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  const api = createApi(`https://127.0.0.1:${port}`, ca);
  try {
    await ready(api, processes);
    await grant(api, 'reader', { resources: ['*'], verbs: ['get', 'list', 'watch'] });
    await grant(api, 'patcher', { resources: ['secrets'], verbs: ['get', 'patch'] });
  } catch (error) {
    await close();
    throw error;
  } finally {
    await api.close();
  }
  const tokens = {
    token: ADMIN_TOKEN,
    readOnlyToken: READER_TOKEN,
    patchOnlyToken: PATCHER_TOKEN,
    strangerToken: STRANGER_TOKEN,
  };
  return { server: api.server, ca, ...tokens, close };
}

function binary(name: string): string {
  const folder = process.env.KUBEBUILDER_ASSETS;
  const path = join(folder ?? '', name);
  if (folder && existsSync(path)) return path;
  throw new Error(
    `${name} is missing: set KUBEBUILDER_ASSETS to the folder of kube-apiserver and etcd, as \`setup-envtest use 1.36\` prints it`,
  );
}

async function writeIdentity(folder: string): Promise<string> {
  const identity = await loopbackIdentity('kube-apiserver for tests');
  const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const files = {
    'tls.crt': identity.certificate,
    'tls.key': identity.key,
    'ca.crt': identity.ca,
    'accounts.key': accounts.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'tokens.csv': [
      `${ADMIN_TOKEN},admin,1,system:masters`,
      `${READER_TOKEN},reader,2`,
      `${PATCHER_TOKEN},patcher,3`,
      `${STRANGER_TOKEN},stranger,4`,
    ].join('\n'),
  };
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  return identity.ca;
}

const etcdFlags = (folder: string, client: number, peer: number) => [
  `--data-dir=${join(folder, 'etcd')}`,
  '--unsafe-no-fsync',
  '--log-level=error',
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
];

const apiserverFlags = (folder: string, etcd: number, port: number) => [
  `--etcd-servers=http://127.0.0.1:${etcd}`,
  `--secure-port=${port}`,
  '--bind-address=127.0.0.1',
  `--tls-cert-file=${join(folder, 'tls.crt')}`,
  `--tls-private-key-file=${join(folder, 'tls.key')}`,
  `--client-ca-file=${join(folder, 'ca.crt')}`,
  `--token-auth-file=${join(folder, 'tokens.csv')}`,
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${join(folder, 'accounts.key')}`,
  `--service-account-signing-key-file=${join(folder, 'accounts.key')}`,
  '--authorization-mode=RBAC',
  '--service-cluster-ip-range=10.96.0.0/24',
  '--disable-admission-plugins=ServiceAccount',
];

type Part = Readonly<{ said(): string; ended(): boolean; stop(): Promise<void> }>;

function start(path: string, flags: readonly string[]): Part {
  const child: ChildProcess = spawn(path, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    said: () => said,
    ended: hasEnded,
    async stop() {
      if (hasEnded()) return;
      // Nothing of its data is kept, so the minute that a graceful end can take is spared.
      child.kill('SIGKILL');
      await ended;
    },
  };
}

type Api = Readonly<{
  server: string;
  /** The status of a request, undefined when nobody answered. */
  send(
    method: string,
    path: string,
    sent?: { body?: unknown; token?: string },
  ): Promise<number | undefined>;
  close(): Promise<void>;
}>;

function createApi(server: string, ca: string): Api {
  const dispatcher = new Agent({ connect: { ca } });
  return {
    server,
    async send(method, path, { body, token = ADMIN_TOKEN } = {}) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const content = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await fetch(server + path, { method, dispatcher, headers, ...content }).catch(
        () => undefined,
      );
      await answer?.text();
      return answer?.status;
    },
    close: () => dispatcher.close(),
  };
}

async function ready(api: Api, parts: readonly Part[]): Promise<void> {
  const isReady = async () => {
    const dead = parts.find((part) => part.ended());
    if (dead) throw new Error(`a part ended while starting: ${dead.said()}`);
    return (await api.send('GET', '/readyz')) === 200;
  };
  await eventually(isReady, () => `kube-apiserver was not ready: ${parts[1]?.said()}`);
}

type Rule = Readonly<{ resources: readonly string[]; verbs: readonly string[] }>;

async function grant(api: Api, user: string, rule: Rule): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const metadata = { name: `test-${user}` };
  const rules = [{ apiGroups: ['*'], ...rule }];
  await api.send('POST', `${rbac}/clusterroles`, { body: { metadata, rules } });
  const apiGroup = 'rbac.authorization.k8s.io';
  const roleRef = { apiGroup, kind: 'ClusterRole', name: metadata.name };
  const subjects = [{ apiGroup, kind: 'User', name: user }];
  await api.send('POST', `${rbac}/clusterrolebindings`, { body: { metadata, roleRef, subjects } });
  const probe = '/api/v1/namespaces/default/secrets/none';
  const isGranted = async () => (await api.send('GET', probe, { token: `${user}-token` })) === 404;
  await eventually(isGranted, () => `the rights of ${user} took no effect`);
}

async function eventually(holds: () => Promise<boolean>, failure: () => string): Promise<void> {
  const until = Date.now() + READY_WITHIN_MS;
  while (Date.now() < until) {
    if (await holds()) return;
    await wait(50);
  }
  throw new Error(failure());
}

/** Three ports that were free a moment ago, all different. */
async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()];
  for (const server of servers)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports as [number, number, number];
}
