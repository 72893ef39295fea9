import { CertificateError } from '../../errors.ts';
import type { ClusterAccess } from './access.ts';
import { authorization, reasonOf } from './transport.ts';

const CONTAINER_API = 'https://container.googleapis.com';
const LIMIT_MS = 10_000;

/** https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters */
type GkeCluster = Readonly<{
  status?: string;
  endpoint?: string;
  masterAuth?: Readonly<{ clusterCaCertificate?: string }>;
  controlPlaneEndpointsConfig?: Readonly<{
    dnsEndpointConfig?: Readonly<{ endpoint?: string; allowExternalTraffic?: boolean }>;
  }>;
}>;

export type GkeOptions = Readonly<{
  /** `projects/P/locations/L/clusters/C` */
  cluster: string;
  /** Root of the Container API, when it is not Google's. */
  endpoint?: string | undefined;
  /** A Google access token that is good for the next minutes. */
  token: () => Promise<string>;
  /** To whom what is missing is to be granted, as ` to EMAIL`. */
  grantee?: (() => string) | undefined;
}>;

/**
 * Asks the Container API where a GKE cluster is: at its DNS endpoint when that admits outside traffic, else at its IP
 * address with the cluster's own authority. The token goes nowhere but there, and to the Container API itself.
 */
export async function gkeAccess(options: GkeOptions): Promise<ClusterAccess> {
  const { cluster, token, grantee } = options;
  if (!/^projects\/[^/?#]+\/locations\/[^/?#]+\/clusters\/[^/?#]+$/.test(cluster))
    throw new CertificateError(
      'cluster-unreachable',
      `GKE cluster "${cluster}" must be named projects/PROJECT/locations/LOCATION/clusters/NAME`,
    );
  const found = await described(options);
  if (!USABLE.includes(found.status ?? ''))
    throw unreachable(
      cluster,
      `its status is ${found.status ?? 'unknown'}; wait until it is RUNNING`,
    );
  return { ...addressOf(cluster, found), credentials: { kind: 'google', token, grantee } };
}

// The control plane answers in all of these; DEGRADED and RECONCILING clusters still serve.
const USABLE = ['RUNNING', 'RECONCILING', 'DEGRADED'];

function addressOf(name: string, found: GkeCluster): Pick<ClusterAccess, 'server' | 'ca'> {
  const dns = found.controlPlaneEndpointsConfig?.dnsEndpointConfig;
  if (dns?.endpoint && dns.allowExternalTraffic)
    return { server: serverAt(name, dns.endpoint), ca: undefined };
  const ca = found.masterAuth?.clusterCaCertificate;
  if (!found.endpoint || !ca)
    throw unreachable(
      name,
      'the Container API names no endpoint for it; enable its DNS endpoint with external traffic, or its IP endpoint',
    );
  return { server: serverAt(name, found.endpoint), ca: Buffer.from(ca, 'base64').toString('utf8') };
}

function serverAt(name: string, endpoint: string): string {
  const url = URL.parse(`https://${endpoint.includes('::') ? `[${endpoint}]` : endpoint}`);
  if (!url || url.username || url.pathname !== '/' || url.search || url.hash)
    throw unreachable(name, 'the Container API names an endpoint that is no host');
  return url.origin;
}

async function described({ cluster, endpoint, token, grantee }: GkeOptions): Promise<GkeCluster> {
  const response = await answered(cluster, async () =>
    fetch(`${endpoint ?? CONTAINER_API}/v1/${cluster}`, {
      headers: { authorization: authorization(await token()) },
      redirect: 'error',
      signal: AbortSignal.timeout(LIMIT_MS),
    }),
  );
  if (!response.ok) throw await refusal(cluster, response, grantee?.() ?? '');
  const body = await answered(cluster, () => response.json());
  if (body !== null && typeof body === 'object') return body;
  throw unreachable(cluster, 'the Container API answers what is no cluster');
}

async function answered<T>(cluster: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    throw unreachable(cluster, `asking the Container API failed: ${reasonOf(error)}`, error);
  }
}

async function refusal(
  cluster: string,
  response: Response,
  grantee: string,
): Promise<CertificateError> {
  await response.body?.cancel();
  if (response.status === 403)
    return new CertificateError(
      'cluster-forbidden',
      `GKE cluster ${cluster}: the Container API refuses us; grant container.clusters.get on its project${grantee}`,
    );
  if (response.status === 404)
    return unreachable(cluster, 'there is no such cluster; check project, location and name');
  return unreachable(cluster, `the Container API answers HTTP ${response.status}`);
}

const unreachable = (cluster: string, problem: string, cause?: unknown) =>
  new CertificateError('cluster-unreachable', `GKE cluster ${cluster}: ${problem}`, { cause });
