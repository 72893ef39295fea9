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
import { isGrantedInCluster, type KubeconfigSecrets, type RoleOf } from './rights.ts';
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
  /** What goes into its kubeconfig secrets, which may be one; absent for an embedded GKE cluster. */
  kubeconfigs: Readonly<{ reader: Kubeconfig; writer: Kubeconfig }> | undefined;
  gke: GkeCluster | undefined;
}>;

/** The text of a kubeconfig and the id of the secret that it belongs into. */
export type Kubeconfig = Readonly<{ secret: string; text: string }>;

/** Paths of the kubeconfigs of a real cluster; one file may be both. */
export type KubeconfigFiles = Readonly<{ reader: string; writer: string }>;

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

/** The ids of the secrets that the clusters of a document will have their kubeconfigs in. */
export function kubeconfigSecrets(
  entries: readonly Entry[],
  real: ReadonlyMap<string, KubeconfigFiles>,
): KubeconfigSecrets {
  const secrets = entries.flatMap((entry) => secretsOf(entry, real.get(entry.name)) ?? []);
  return {
    reader: secrets.map(({ reader }) => reader),
    writer: secrets.map(({ writer }) => writer),
  };
}

type SecretIds = Readonly<{ reader: string; writer: string }>;

function secretsOf(
  { name, gke, kubeconfigSecret }: Entry,
  files: KubeconfigFiles | undefined,
): SecretIds | undefined {
  if (files) return realSecrets(name, files);
  if (typeof gke === 'string') return undefined;
  const { reader, writer } = (
    typeof kubeconfigSecret === 'object' ? (kubeconfigSecret ?? {}) : {}
  ) as Partial<Record<string, unknown>>;
  if (typeof reader === 'string' && typeof writer === 'string') return { reader, writer };
  return both(typeof kubeconfigSecret === 'string' ? kubeconfigSecret : `kubeconfig-${name}`);
}

// No cluster's name has a "_", so that no other cluster's secret is called like this.
const realSecrets = (name: string, { reader, writer }: KubeconfigFiles): SecretIds =>
  reader === writer
    ? both(`kubeconfig-${name}`)
    : { reader: `kubeconfig-${name}_reader`, writer: `kubeconfig-${name}_writer` };

const both = (id: string): SecretIds => ({ reader: id, writer: id });

/** Starts the embedded API servers and reads the kubeconfigs of the real ones. Throws ConfigurationFaults for a kubeconfig that cannot be used. */
export async function startClusters(
  entries: readonly Entry[],
  real: ReadonlyMap<string, KubeconfigFiles>,
  shared: Shared,
): Promise<readonly LocalCluster[]> {
  return Promise.all(
    entries.map(async (entry) => {
      const files = real.get(entry.name);
      return files === undefined ? embedded(entry, shared) : realCluster(entry, files);
    }),
  );
}

async function embedded(
  entry: Entry,
  { keeper, role, clock, trouble }: Shared,
): Promise<LocalCluster> {
  const { name, gke, ingressClasses } = entry;
  const tokens = {
    admin: randomToken(),
    front: randomToken(),
    reconcile: randomToken(),
    sync: randomToken(),
  };
  const users = new Map(Object.entries(tokens).map(([user, token]) => [token, user]));
  const authenticate = (token: string) => users.get(token) ?? role(token);
  const { server, ca } = await keeper.start(`kubernetes-${name}`, (kept) =>
    startKubernetes({
      ...{ ...kept, clock, authenticate },
      authorize: isGrantedInCluster,
      before: (request) => trouble?.(name, request),
    }),
  );
  const text = (token: string) => kubeconfigText(server, ca, token);
  return {
    name,
    isReal: false,
    ingressClasses: classesOf(ingressClasses),
    served: { name, server, ca, token: tokens.front },
    admin: { server, ca, token: tokens.admin },
    kubeconfigs: filled(secretsOf(entry, undefined), {
      reader: text(tokens.reconcile),
      writer: text(tokens.sync),
    }),
    gke: typeof gke === 'string' ? { name: gke, endpoint: new URL(server).host, ca } : undefined,
  };
}

/** Where both have one secret, what is in it must let the writer write. */
function filled(
  secrets: SecretIds | undefined,
  texts: Readonly<{ reader: string; writer: string }>,
): LocalCluster['kubeconfigs'] {
  if (!secrets) return undefined;
  const writer = { secret: secrets.writer, text: texts.writer };
  const isOne = secrets.reader === secrets.writer;
  return { writer, reader: isOne ? writer : { secret: secrets.reader, text: texts.reader } };
}

function realCluster(entry: Entry, files: KubeconfigFiles): LocalCluster {
  const { name, ingressClasses } = entry;
  const reader = checkedKubeconfig(name, files.reader);
  const writer = checkedKubeconfig(name, files.writer);
  const { server, ca = '', credentials } = reader.access;
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
    kubeconfigs: filled(secretsOf(entry, files), { reader: reader.text, writer: writer.text }),
    gke: undefined,
  };
}

function checkedKubeconfig(name: string, path: string) {
  const text = readFileSync(path, 'utf8');
  try {
    return { text, access: parseKubeconfig(text, path) };
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
