import type { SecretMetadata } from '../../domain/delivery.ts';
import type { Target } from '../../domain/record.ts';
import type { Ingress } from '../../domain/request.ts';
import { CertificateError } from '../../errors.ts';
import type { ClusterWriter } from '../../ports.ts';
import {
  type ApiCall,
  type ApiClient,
  type ApiReply,
  type ClientOptions,
  createClient,
} from './client.ts';
import { type IngressResource, ingressOf } from './ingress.ts';
import { type SecretTable, secretMetadata, tlsSecret, type Writing } from './secret.ts';

export type ClusterOptions = ClientOptions &
  Readonly<{
    /** The label, the field manager and the prefix of the annotations that are ours. */
    installation: string;
    /** Keys of annotations of Ingresses that are kept besides our own and the legacy class. */
    annotations: readonly string[];
    /**
     * Secrets are read from the API server's own cache, which may lag some moments behind: whoever only plans spares etcd a thousand reads
     * (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
     */
    cached?: boolean | undefined;
    /** Ingresses per call; 500 by default. */
    pageSize?: number | undefined;
  }>;

type Cluster = ClusterOptions & Readonly<{ call: ApiClient }>;

const LEGACY_CLASS = 'kubernetes.io/ingress.class';
const PAGE_SIZE = 500;
const JSON_TYPE = 'application/json';
const APPLY_TYPE = 'application/apply-patch+yaml';
// A Table's row has the type, which metadata alone does not, and neither has the data.
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
// Spares the way back to a private key that we just sent.
const METADATA = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';

/**
 * One cluster's Kubernetes API. Needs `list` on ingresses, and in each namespace that is written to `get`, `create` and
 * `patch` on secrets, never `list`; to be asked for a namespace, `get` on that. Throws `cluster-forbidden`,
 * `cluster-unreachable` and, for a Secret that the cluster will not take from us, `secret-refused`.
 */
export function createCluster(options: ClusterOptions): ClusterWriter {
  const cluster: Cluster = { ...options, call: createClient(options) };
  return {
    ingresses: (namespace) => ingresses(cluster, namespace),
    secret: (namespace, name) => secret(cluster, namespace, name),
    namespace: (name) => namespaceState(cluster, name),
    apply: (target, delivered, over) => {
      const writing = { target, delivered, installation: options.installation, over };
      return over ? applied(cluster, writing, over) : created(cluster, writing);
    },
  };
}

async function ingresses(cluster: Cluster, namespace?: string): Promise<readonly Ingress[]> {
  const first = await allPages(cluster, namespace);
  // The list is older than the server remembers: what was read does not fit what would follow.
  const all = first ?? (await allPages(cluster, namespace));
  if (all) return all;
  throw unreachable(cluster, 'cannot hold a list of ingresses until it is read; try again later');
}

async function allPages(cluster: Cluster, namespace?: string): Promise<Ingress[] | undefined> {
  const keep = keptAnnotation(cluster);
  const all: Ingress[] = [];
  for (let next: string | undefined = ''; next !== undefined; ) {
    const { status, body } = await cluster.call(listCall(cluster, namespace, next));
    if (status === 410) return undefined;
    const page = status === 200 ? pageOf(body) : undefined;
    if (!page) throw unreachable(cluster, `answers HTTP ${status} and no list of ingresses`);
    for (const item of page.items) all.push(ingressOf(item, keep));
    const following = page.metadata?.continue || undefined;
    if (following === next) throw unreachable(cluster, 'sends the same page of ingresses forever');
    next = following;
  }
  return all;
}

function listCall({ pageSize }: Cluster, namespace: string | undefined, next: string): ApiCall {
  const scope = namespace === undefined ? '' : `namespaces/${segment(namespace)}/`;
  const query = new URLSearchParams({ limit: String(pageSize ?? PAGE_SIZE) });
  if (next) query.set('continue', next);
  return {
    method: 'GET',
    path: `/apis/networking.k8s.io/v1/${scope}ingresses?${query}`,
    accept: JSON_TYPE,
    right: { verb: 'list', resource: 'ingresses.networking.k8s.io', namespace },
  };
}

type Page = Readonly<{ items: readonly IngressResource[]; metadata?: { continue?: string } }>;

function pageOf(body: unknown): Page | undefined {
  const page = body as Partial<Page> | null;
  return Array.isArray(page?.items) ? (page as Page) : undefined;
}

function keptAnnotation({ installation, annotations }: Cluster): (key: string) => boolean {
  const exact = new Set([LEGACY_CLASS, ...annotations]);
  return (key) => exact.has(key) || key.startsWith(`${installation}/`);
}

async function secret(
  cluster: Cluster,
  namespace: string,
  name: string,
): Promise<SecretMetadata | undefined> {
  const { status, body } = await cluster.call({
    method: 'GET',
    path: `${secretsPath(namespace)}/${segment(name)}?includeObject=Metadata${cluster.cached ? '&resourceVersion=0' : ''}`,
    accept: TABLE,
    right: { verb: 'get', resource: 'secrets', namespace },
  });
  if (status === 404) return undefined;
  const metadata =
    status === 200 ? secretMetadata(body as Partial<SecretTable>, cluster.installation) : undefined;
  if (metadata) return metadata;
  throw unreachable(
    cluster,
    `answers HTTP ${status} and no metadata of secret ${namespace}/${name}`,
  );
}

async function namespaceState(cluster: Cluster, name: string) {
  const { status, body } = await cluster.call({
    method: 'GET',
    path: namespacePath(name),
    accept: METADATA,
    right: { verb: 'get', resource: 'namespaces', namespace: name },
  });
  if (status === 404) return undefined;
  const { metadata } = (body ?? {}) as { metadata?: { deletionTimestamp?: string } };
  if (status !== 200 || !metadata)
    throw unreachable(cluster, `answers HTTP ${status} and no namespace ${name}`);
  return metadata.deletionTimestamp === undefined ? 'active' : 'terminating';
}

// An apply cannot say "it must not exist"; over a Secret without managed fields it would even be silent. A create can.
async function created(cluster: Cluster, writing: Writing): Promise<'applied' | 'changed'> {
  const { namespace } = writing.target;
  const reply = await cluster.call({
    method: 'POST',
    path: `${secretsPath(namespace)}?fieldManager=${cluster.installation}`,
    accept: METADATA,
    body: { type: JSON_TYPE, value: tlsSecret(writing) },
    right: { verb: 'create', resource: 'secrets', namespace },
  });
  return outcome(cluster, writing.target, reply);
}

async function applied(
  cluster: Cluster,
  writing: Writing,
  over: SecretMetadata,
): Promise<'applied' | 'changed'> {
  const { namespace, secret: name } = writing.target;
  const force = over.installation === cluster.installation;
  const reply = await cluster.call({
    method: 'PATCH',
    path: `${secretsPath(namespace)}/${segment(name)}?fieldManager=${cluster.installation}&force=${force}`,
    accept: METADATA,
    body: { type: APPLY_TYPE, value: tlsSecret(writing) },
    right: { verb: 'patch', resource: 'secrets', namespace },
  });
  return outcome(cluster, writing.target, reply);
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/; its messages may quote the object. */
type Cause = Readonly<{ field?: string; reason?: string }>;

function outcome(
  cluster: Cluster,
  target: Target,
  { status, body }: ApiReply,
): 'applied' | 'changed' {
  if (status === 200 || status === 201) return 'applied';
  const causes = causesOf(body);
  const isConflict = causes.some(({ reason }) => reason === 'FieldManagerConflict');
  if (status === 409 && !isConflict) return 'changed';
  if (status === 422 && causes.some(({ field }) => field === 'metadata.uid')) return 'changed';
  throw new CertificateError(
    'secret-refused',
    `cluster ${cluster.name} refuses secret ${target.namespace}/${target.secret}: ${refusal(status, causes)}`,
  );
}

function refusal(status: number, causes: readonly Cause[]): string {
  const fields = [...new Set(causes.flatMap(({ field }) => field ?? []))].join(', ');
  switch (status) {
    case 404:
      return 'its namespace does not exist; create it';
    case 409:
      return `somebody else manages ${fields}; remove the secret or name another`;
    case 422:
      return `${fields || 'a field'} cannot become what we write; remove the secret or name another`;
    case 403:
      return causes.some(({ reason }) => reason === 'NamespaceTerminating')
        ? 'its namespace is being deleted'
        : 'a quota or an admission rule forbids it; ask who runs the cluster';
    default:
      return `it answers HTTP ${status}`;
  }
}

function causesOf(body: unknown): readonly Cause[] {
  const causes = (body as { details?: { causes?: unknown } } | undefined)?.details?.causes;
  return Array.isArray(causes) ? (causes as Cause[]) : [];
}

const namespacePath = (name: string) => `/api/v1/namespaces/${segment(name)}`;
const secretsPath = (namespace: string) => `${namespacePath(namespace)}/secrets`;

// A name like `..` would survive percent-encoding and lead to another resource.
function segment(name: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new CertificateError(
    'secret-refused',
    `"${name}" is no name that Kubernetes allows; use lower-case letters, digits, - and .`,
  );
}

const unreachable = ({ name }: Cluster, problem: string) =>
  new CertificateError('cluster-unreachable', `cluster ${name} ${problem}`);
