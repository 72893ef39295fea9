import { X509Certificate } from 'node:crypto';
import { Agent, fetch } from 'undici';
import { type RunningApiServer, startKubeApiserver } from './kube-apiserver.ts';

/** The parts of a Secret or an Ingress that tests look at. */
type KubeObject = Readonly<{
  kind: string;
  metadata: Readonly<{
    name: string;
    namespace: string;
    uid: string;
    labels?: Readonly<Record<string, string>>;
    annotations?: Readonly<Record<string, string>>;
  }>;
  type?: string;
  data?: Readonly<Record<string, string>>;
  status?: Readonly<{
    loadBalancer?: Readonly<{
      ingress?: readonly Readonly<{ ip?: string; ports?: readonly Readonly<{ port: number }>[] }>[];
    }>;
  }>;
}>;

/** A kube-apiserver with what kubectl would be used for. */
export type RealCluster = RunningApiServer &
  Readonly<{
    /** YAML or JSON of a kubeconfig with inline data only. */
    kubeconfig: string;
    /** The object, undefined when it is absent. */
    get(path: string): Promise<KubeObject | undefined>;
    create(path: string, object: unknown): Promise<void>;
    remove(path: string): Promise<void>;
    /** The certificate in a TLS Secret. Throws when there is none. */
    certificateIn(namespace: string, secret: string): Promise<X509Certificate>;
  }>;

export async function startRealCluster(): Promise<RealCluster> {
  const running = await startKubeApiserver();
  const dispatcher = new Agent({ connect: { ca: running.ca } });
  const send = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(running.server + path, {
      method,
      dispatcher,
      headers: { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const answer = (await response.json()) as KubeObject & { message?: string };
    if (response.ok) return answer;
    if (response.status === 404 && method !== 'POST') return undefined;
    throw new Error(`${method} ${path}: ${response.status} ${answer.message}`);
  };
  return {
    ...running,
    kubeconfig: JSON.stringify(kubeconfig(running)),
    get: (path) => send('GET', path),
    create: async (path, object) => void (await send('POST', path, object)),
    remove: async (path) => void (await send('DELETE', path)),
    async certificateIn(namespace, secret) {
      const found = await send('GET', `/api/v1/namespaces/${namespace}/secrets/${secret}`);
      return new X509Certificate(Buffer.from(found?.data?.['tls.crt'] ?? '', 'base64'));
    },
    async close() {
      await dispatcher.close();
      await running.close();
    },
  };
}

/** As a hosting company hands it out; `differs` is laid over its one cluster and its one user. */
export function kubeconfig(
  { server, ca, token }: Readonly<{ server: string; ca: string; token: string }>,
  differs: Readonly<{ cluster?: object; user?: object }> = {},
) {
  const authority = Buffer.from(ca).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'c',
        cluster: { server, 'certificate-authority-data': authority, ...differs.cluster },
      },
    ],
    users: [{ name: 'u', user: { token, ...differs.user } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
}

type IngressOptions = Readonly<{
  name: string;
  namespace: string;
  hosts: readonly string[];
  secret: string;
  /** Opted in unless this says no. */
  optIn?: boolean;
}>;

/** An Ingress of one TLS block that asks for a certificate. */
export const ingress = ({ name, namespace, hosts, secret, optIn = true }: IngressOptions) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: {
    name,
    namespace,
    annotations: optIn ? { 'kubernetes.io/tls-acme': 'true' } : {},
  },
  spec: {
    ingressClassName: 'nginx',
    tls: [{ hosts, secretName: secret }],
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
});
