import { Agent, fetch } from 'undici';
import { onTestFinished } from 'vitest';
import { createKeeper } from '../../../local/keeper.ts';
import { applyManifests } from '../../../local/kubernetes/manifests.ts';
import type { KubernetesObject } from '../../../local/kubernetes/object.ts';
import type { Trouble } from '../../../local/services.ts';
import { settled } from '../../../local/settling.ts';
import { type System, startSystem } from '../../../local/system.ts';
import type { PlanEntry } from '../../../shared/domain/plan.ts';
import type { StoredRecord, VersionState } from '../../../shared/domain/record.ts';
import { survey } from '../../../shared/jobs/survey.ts';
import { createLog, type LogEntry } from '../../../shared/log.ts';
import { type ShiftedClock, shiftedClock } from './shifted-clock.ts';

/** What a test states; the rest is a healthy system with one cluster and one zone, a.test. */
export type Circumstances = Readonly<{
  document?: Readonly<Record<string, unknown>>;
  zones?: readonly string[];
  manifests?: Readonly<Record<string, readonly KubernetesObject[]>>;
  /** API servers that are running already, by the cluster's name. */
  realClusters?: Parameters<typeof startSystem>[0]['realClusters'];
  trouble?: Trouble;
  state?: string;
  /** By how much the pauses of the jobs are shortened; default 5. */
  haste?: number;
  /** A file for every call to the stand-ins. */
  record?: string;
}>;

/** A running system and eyes on it. */
export type Running = Readonly<{
  system: System;
  clock: ShiftedClock;
  log: readonly LogEntry[];
  /** The same lines, with the function that wrote each. */
  lines: readonly Readonly<{ by: string; entry: LogEntry }>[];
  /** One Scheduler run, and everything that follows from it at once. */
  tick(): Promise<void>;
  /** Until no engine has anything to do now. */
  settle(): Promise<void>;
  apply(cluster: string, ...objects: readonly KubernetesObject[]): Promise<void>;
  records(): Promise<readonly StoredRecord[]>;
  versions(id: string): Promise<readonly VersionState[]>;
  plan(): Promise<readonly PlanEntry[]>;
  /** A Secret as the API server has it, data included; undefined when it is absent. */
  secret(cluster: string, namespace: string, name: string): Promise<KubernetesObject | undefined>;
  request(
    cluster: string,
    method: string,
    path: string,
    body?: unknown,
    type?: string,
  ): Promise<Response>;
  stop(): Promise<void>;
}>;

const DOCUMENT = {
  project: 'p',
  issuers: { test: { directory: 'https://ca.test/directory' } },
  clusters: [{ name: 'one' }],
};

/** Starts the system on embedded parts, without fronts; it ends with the test. */
export async function running(circumstances: Circumstances = {}): Promise<Running> {
  const one = await started(circumstances);
  onTestFinished(one.stop);
  return one;
}

/** Starts the system for several tests; whoever starts it stops it. */
export async function started(circumstances: Circumstances = {}): Promise<Running> {
  const {
    document = {},
    haste = 5,
    zones = ['a.test'],
    manifests = {},
    realClusters = new Map(),
    trouble,
    state,
    record,
  } = circumstances;
  const clock = shiftedClock();
  const lines: { by: string; entry: LogEntry }[] = [];
  const log: LogEntry[] = [];
  const keeper = createKeeper(state);
  const time = {
    now: clock.now,
    sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / haste)),
  };
  const system = await startSystem({
    document: { ...DOCUMENT, ...document },
    ...{
      zones,
      records: [],
      realClusters,
      acme: undefined,
      dnsPort: 0,
      port: 0,
      record,
    },
    ...{ keeper, clock, ...(trouble ? { trouble } : {}) },
    surroundings: (by) => ({
      log: createLog((entry) => {
        log.push(entry);
        lines.push({ by, entry });
      }),
      time,
    }),
  });
  const one: Running = { ...eyes(system), system, clock, log, lines, stop: () => keeper.close() };
  for (const [cluster, objects] of Object.entries(manifests)) await one.apply(cluster, ...objects);
  return one;
}

function eyes(system: System): Omit<Running, 'system' | 'clock' | 'log' | 'lines' | 'stop'> {
  const { reconcile, sync } = system.functions;
  // What the test itself looks at is no part of the system's log.
  const log = createLog(() => {});
  const agents = new Map<string, Agent>();
  const adminOf = (name: string) => {
    const admin = system.clusters.find((cluster) => cluster.name === name)?.admin;
    if (!admin) throw new Error(`there is no embedded cluster ${name}`);
    return admin;
  };
  const request: Running['request'] = async (
    cluster,
    method,
    path,
    body,
    type = 'application/json',
  ) => {
    const { server, ca, token } = adminOf(cluster);
    const dispatcher = agents.get(cluster) ?? new Agent({ connect: { ca }, allowH2: false });
    agents.set(cluster, dispatcher);
    const response = await fetch(`${server}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      dispatcher,
    });
    return response as unknown as Response;
  };
  return {
    request,
    async tick() {
      await system.tick();
      await settled(system.services);
    },
    settle: () => settled(system.services),
    async apply(cluster, ...objects) {
      const { faults } = await applyManifests(objects, adminOf(cluster));
      if (faults.length > 0) throw new Error(JSON.stringify(faults));
    },
    records: async () =>
      (await reconcile.ports()).records.list((id, problem) => {
        throw new Error(`${id} ${problem}`);
      }),
    versions: async (id) => (await sync.ports()).versions.list(id),
    plan: async () =>
      (await survey({ ...(await reconcile.ports()), log }, reconcile.settings)).plan,
    async secret(cluster, namespace, name) {
      const response = await request(
        cluster,
        'GET',
        `/api/v1/namespaces/${namespace}/secrets/${name}`,
      );
      return response.status === 404 ? undefined : ((await response.json()) as KubernetesObject);
    },
  };
}

/** An Ingress that opts in; each case states only what differs. */
export function ingress(
  name: string,
  hosts: readonly string[],
  secretName: string,
  differs: Readonly<{
    namespace?: string;
    annotations?: Record<string, string>;
    className?: string;
  }> = {},
): KubernetesObject {
  const {
    namespace = 'web',
    annotations = { 'kubernetes.io/tls-acme': 'true' },
    className,
  } = differs;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace, annotations },
    spec: {
      ...(className ? { ingressClassName: className } : {}),
      tls: [{ hosts, secretName }],
      rules: hosts.map((host) => ({
        host,
        http: {
          paths: [
            {
              path: '/',
              pathType: 'Prefix',
              backend: { service: { name: 'web', port: { number: 80 } } },
            },
          ],
        },
      })),
    },
  } as unknown as KubernetesObject;
}
