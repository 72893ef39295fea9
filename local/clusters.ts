import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseKubeconfig } from '../shared/adapters/kubernetes/kubeconfig.ts';
import { messageOf } from '../shared/errors.ts';
import type { Clock } from './clock.ts';
import type { GkeCluster } from './container.ts';
import { ConfigurationFaults } from './document.ts';
import type { Cluster as ServedCluster } from './front/cluster-api.ts';
import type { Keeper } from './keeper.ts';
import { startKubernetes } from './kubernetes/kubernetes.ts';
import { isGrantedInCluster, type RoleOf } from './rights.ts';
import type { Trouble } from './services.ts';

/** A cluster of the document, embedded or real, with what this machine needs to reach it. */
export type LocalCluster = Readonly<{
  name: string;
  isReal: boolean;
  ingressClasses: readonly string[] | undefined;
  /** As the front reaches it. */
  served: ServedCluster;
  /** As whoever loads manifests reaches it; only an embedded one can be loaded. */
  admin: Readonly<{ server: string; ca: string; token: string }> | undefined;
  /** What goes into its kubeconfig secret; absent for an embedded GKE cluster. */
  kubeconfig: Readonly<{ secret: string; text: string }> | undefined;
  gke: GkeCluster | undefined;
}>;

type Entry = Readonly<{
  name: string;
  gke?: unknown;
  kubeconfigSecret?: unknown;
  ingressClasses?: unknown;
}>;

/** What every embedded cluster is started with. */
type Shared = Readonly<{
  keeper: Keeper;
  role: RoleOf;
  clock: Clock;
  trouble: Trouble['kubernetes'];
}>;

/** Starts the embedded API servers and reads the kubeconfigs of the real ones. Throws ConfigurationFaults for a kubeconfig that cannot be used. */
export async function startClusters(
  entries: readonly Entry[],
  real: ReadonlyMap<string, string>,
  shared: Shared,
): Promise<readonly LocalCluster[]> {
  return Promise.all(
    entries.map(async (entry) => {
      const path = real.get(entry.name);
      return path === undefined ? embedded(entry, shared) : realCluster(entry, path);
    }),
  );
}

async function embedded(
  { name, gke, kubeconfigSecret, ingressClasses }: Entry,
  { keeper, role, clock, trouble }: Shared,
): Promise<LocalCluster> {
  const tokens = { admin: randomToken(), front: randomToken(), sync: randomToken() };
  const users = new Map(Object.entries(tokens).map(([user, token]) => [token, user]));
  const authenticate = (token: string) => users.get(token) ?? role(token);
  const { server, ca } = await keeper.start(`kubernetes-${name}`, (kept) =>
    startKubernetes({
      ...{ ...kept, clock, authenticate },
      authorize: isGrantedInCluster,
      before: (request) => trouble?.(name, request),
    }),
  );
  const isGke = typeof gke === 'string';
  const secret = typeof kubeconfigSecret === 'string' ? kubeconfigSecret : `kubeconfig-${name}`;
  return {
    name,
    isReal: false,
    ingressClasses: classesOf(ingressClasses),
    served: { name, server, ca, token: tokens.front },
    admin: { server, ca, token: tokens.admin },
    kubeconfig: isGke ? undefined : { secret, text: kubeconfigText(server, ca, tokens.sync) },
    gke: isGke ? { name: gke, endpoint: new URL(server).host, ca } : undefined,
  };
}

function realCluster({ name, ingressClasses }: Entry, path: string): LocalCluster {
  const text = readFileSync(path, 'utf8');
  const { server, ca = '', credentials } = checkedKubeconfig(name, text, path);
  return {
    name,
    isReal: true,
    ingressClasses: classesOf(ingressClasses),
    served: {
      name,
      server,
      ca,
      ...(credentials.kind === 'token' ? { token: credentials.token.reveal() } : {}),
      ...(credentials.kind === 'certificate'
        ? { clientCertificate: { cert: credentials.certificate, key: credentials.key.reveal() } }
        : {}),
    },
    admin: undefined,
    kubeconfig: { secret: `kubeconfig-${name}`, text },
    gke: undefined,
  };
}

function checkedKubeconfig(name: string, text: string, path: string) {
  try {
    return parseKubeconfig(text, path);
  } catch (error) {
    throw new ConfigurationFaults([`--cluster ${name}=…: ${messageOf(error)}`]);
  }
}

const classesOf = (value: unknown) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;

const randomToken = () => randomBytes(24).toString('base64url');

function kubeconfigText(server: string, ca: string, token: string): string {
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'embedded', cluster }],
    users: [{ name: 'certherd', user: { token } }],
    contexts: [{ name: 'embedded', context: { cluster: 'embedded', user: 'certherd' } }],
    'current-context': 'embedded',
  });
}
