import type { Ingress } from '../../domain/request.ts';

/** The parts of a `networking.k8s.io/v1` Ingress that are looked at; all but its name may be absent. */
export type IngressResource = Readonly<{
  metadata: Readonly<{ name: string; namespace: string; annotations?: Texts }>;
  spec?: Readonly<{
    ingressClassName?: string;
    tls?: readonly Readonly<{ hosts?: readonly string[]; secretName?: string }>[];
    rules?: readonly Readonly<{ host?: string }>[];
  }>;
  status?: Readonly<{ loadBalancer?: Readonly<{ ingress?: readonly Balancer[] }> }>;
}>;

type Texts = Readonly<Record<string, string>>;

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/#IngressStatus */
type Balancer = Readonly<{
  ip?: string;
  hostname?: string;
  ports?: readonly Readonly<{ port: number; protocol?: string }>[];
}>;

const HTTPS = 443;
// One for all: ten thousand empty objects are not nothing.
const NONE: Texts = {};

/** An Ingress without everything that nobody asks for, so that ten thousand of them fit in memory. */
export function ingressOf(
  resource: IngressResource,
  keep: (annotation: string) => boolean,
): Ingress {
  const { metadata, spec, status } = resource;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    annotations: kept(metadata.annotations, keep),
    className: spec?.ingressClassName,
    tls: (spec?.tls ?? []).map(({ hosts, secretName }) => ({
      hosts: hosts ?? [],
      secretName: secretName || undefined,
    })),
    ruleHosts: (spec?.rules ?? []).flatMap(({ host }) => host || []),
    addresses: (status?.loadBalancer?.ingress ?? []).flatMap(addressesOf),
  };
}

function kept(annotations: Texts | undefined, keep: (annotation: string) => boolean): Texts {
  const entries = Object.entries(annotations ?? NONE).filter(([key]) => keep(key));
  return entries.length === 0 ? NONE : Object.fromEntries(entries);
}

function addressesOf({ ip, hostname, ports }: Balancer): Ingress['addresses'] {
  const address = ip || hostname;
  if (!address) return [];
  const tcp = (ports ?? []).filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP');
  if (tcp.length === 0) return [{ address, port: HTTPS }];
  return tcp.map(({ port }) => ({ address, port }));
}
