import pLimit from 'p-limit';
import { Agent, fetch } from 'undici';
import { tlsSecret } from '../../../shared/adapters/kubernetes/secret.ts';
import { Sensitive } from '../../../shared/sensitive.ts';
import type { RunningApiServer } from '../../real/parts/kube-apiserver.ts';
import { type FleetMember, fleetMember, NAMESPACES, namespaceName } from './certificate.ts';

const AT_ONCE = 16;

/** Fills a real API server: an Ingress and its delivered Secret for each certificate. */
export async function fillCluster(api: RunningApiServer, certificates: number): Promise<void> {
  const dispatcher = new Agent({ connect: { ca: api.ca } });
  const limit = pLimit(AT_ONCE);
  const post = (path: string, body: unknown) =>
    limit(async () => {
      const response = await fetch(`${api.server}${path}`, {
        method: 'POST',
        dispatcher,
        headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (response.status !== 201) throw new Error(`POST ${path}: ${response.status} ${text}`);
    });
  try {
    const namespaces = Array.from({ length: NAMESPACES }, (_, number) => namespaceName(number));
    await Promise.all(namespaces.map((name) => post('/api/v1/namespaces', { metadata: { name } })));
    const members = Array.from({ length: certificates }, (_, number) => fleetMember(number));
    await Promise.all(
      members.flatMap((member) => {
        const { namespace } = member.target;
        return [
          post(
            `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`,
            fleetIngress(member),
          ),
          post(`/api/v1/namespaces/${namespace}/secrets?fieldManager=certherd`, secret(member)),
        ];
      }),
    );
  } finally {
    await dispatcher.close();
  }
}

/** The Ingress that asks for a certificate, as it is posted into its namespace. */
export const fleetIngress = ({ host, target }: FleetMember) => ({
  metadata: {
    name: target.secret,
    namespace: target.namespace,
    annotations: { 'kubernetes.io/tls-acme': 'true' },
    labels: { 'app.kubernetes.io/name': target.secret, team: target.namespace },
  },
  spec: {
    ingressClassName: 'nginx',
    rules: [
      {
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
      },
    ],
    tls: [{ hosts: [host], secretName: target.secret }],
  },
});

const bundle = { key: new Sensitive('a key'), chain: 'a chain' };

function secret({ id, target, record }: FleetMember): object {
  if (!record.issued) throw new Error(`certificate ${id} was not issued`);
  const delivered = { ...record.issued, certificate: id, bundle };
  return tlsSecret({ target, delivered, installation: 'certherd', over: undefined });
}
