import type { IncomingMessage } from 'node:http';
import {
  type Call,
  type GoogleApiOptions,
  GoogleFault,
  type Route,
  serveGoogleApi,
} from './google-api.ts';

export type GkeCluster = Readonly<{
  /** `projects/P/locations/L/clusters/C` */
  name: string;
  /** Host, or host and port, of the API server. */
  endpoint: string;
  /** PEM of the API server's authority. */
  ca: string;
  dnsEndpoint?: string;
}>;

type ContainerOptions = Readonly<{
  clusters: readonly GkeCluster[];
  /** The account of an access token; undefined when the token is no good. */
  authenticate: (accessToken: string) => string | undefined;
  recorder?: GoogleApiOptions['recorder'];
  before?: GoogleApiOptions['before'];
  port?: number;
}>;

export type Container = Readonly<{ url: string; close(): Promise<void> }>;

/** The reading part of the Kubernetes Engine API v1 (https://cloud.google.com/kubernetes-engine/docs/reference/rest). */
export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { clusters, recorder, port = 0 } = options;
  const before = async (request: IncomingMessage, body: string) => {
    requireAccount(request, options.authenticate);
    await options.before?.(request, body);
  };
  const routes = routesOf(clusters);
  const { url, close } = await serveGoogleApi({
    service: 'container',
    routes,
    recorder,
    before,
    port,
  });
  return { url, close };
}

function requireAccount(
  { headers }: IncomingMessage,
  authenticate: ContainerOptions['authenticate'],
): void {
  const token = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (token !== undefined && authenticate(token) !== undefined) return;
  const fault =
    token === undefined
      ? 'Request is missing required authentication credential.'
      : 'Request had invalid authentication credentials.';
  throw new GoogleFault(
    'UNAUTHENTICATED',
    `${fault} Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.`,
  );
}

const LOCATION = '/v1/projects/{project}/locations/{location}';

function routesOf(clusters: readonly GkeCluster[]): Route[] {
  const locationName = ({ path }: Call) => `projects/${path.project}/locations/${path.location}`;
  return [
    {
      method: 'GET',
      template: `${LOCATION}/clusters/{cluster}`,
      handle: (call) => {
        const name = `${locationName(call)}/clusters/${call.path.cluster}`;
        const found = clusters.find((cluster) => cluster.name === name);
        if (!found) throw new GoogleFault('NOT_FOUND', `Not found: ${name}.`);
        return view(found);
      },
    },
    {
      method: 'GET',
      template: `${LOCATION}/clusters`,
      handle: (call) => {
        const everywhere = call.path.location === '-';
        const prefix = everywhere ? `projects/${call.path.project}/` : `${locationName(call)}/`;
        return { clusters: clusters.filter(({ name }) => name.startsWith(prefix)).map(view) };
      },
    },
  ];
}

function view({ name, endpoint, ca, dnsEndpoint }: GkeCluster) {
  const [, , , location, , id] = name.split('/');
  return {
    name: id,
    location,
    selfLink: `https://container.googleapis.com/v1/${name}`,
    status: 'RUNNING',
    endpoint,
    masterAuth: { clusterCaCertificate: Buffer.from(ca).toString('base64') },
    controlPlaneEndpointsConfig: {
      dnsEndpointConfig: {
        ...(dnsEndpoint && { endpoint: dnsEndpoint }),
        allowExternalTraffic: dnsEndpoint !== undefined,
      },
      ipEndpointsConfig: { enabled: true, enablePublicEndpoint: true, publicEndpoint: endpoint },
    },
  };
}
