import type { KeyType } from './certificate.ts';
import { isWildcard, isWithin, parentOf, parseName } from './names.ts';
import { type AllowRule, isAllowed } from './policy.ts';
import type { Target } from './record.ts';

/** The parts of an Ingress (networking.k8s.io/v1) that matter here. `legacyClass` is its kubernetes.io/ingress.class. */
export type Ingress = Readonly<{
  namespace: string;
  name: string;
  annotations: Readonly<Record<string, string>>;
  className: string | undefined;
  tls: readonly Readonly<{ hosts: readonly string[]; secretName: string | undefined }>[];
  ruleHosts: readonly string[];
  /** Where its controller says that it is served; `port` 443 unless the status names another. */
  addresses: readonly Readonly<{ address: string; port: number }>[];
}>;

/** A configured cluster as the rules see it. `ingressClasses` absent: every class; its first is the default class. */
export type ClusterRules = Readonly<{
  name: string;
  ingressClasses: readonly string[] | undefined;
  allow: readonly AllowRule[] | undefined;
}>;

/** Everything of the configuration that decides about requests. Names in it are in their normal form. */
export type Rules = Readonly<{
  installation: string;
  optInAnnotation: string;
  issuers: Readonly<Record<string, Readonly<{ keyType: KeyType }>>>;
  defaultIssuer: string;
  clusters: readonly ClusterRules[];
  delegated: readonly string[];
  wildcards: readonly string[];
  certificates: readonly ConfiguredCertificate[];
}>;

export type ConfiguredCertificate = Readonly<{
  cluster: string;
  namespace: string;
  secret: string;
  names: readonly string[];
  issuer: string | undefined;
}>;

/** The DNS names of the public zones. Not complete when a project's zones could not be read: then no name is called outside. */
export type ZoneSuffixes = Readonly<{ suffixes: readonly string[]; complete: boolean }>;

/** What asks: an Ingress, an entry of the configuration, or a person. */
export type Source = Readonly<{
  cluster: string;
  kind: 'Ingress' | 'configuration' | 'manual';
  namespace: string;
  name: string;
}>;

/** "This Secret in this namespace of this cluster should cover these names." `names` holds at least one, all in normal form. */
export type Request = Readonly<{
  source: Source;
  target: Target;
  names: readonly string[];
  issuer: string;
}>;

export type RefusalReason =
  | 'secret-name-missing'
  | 'hosts-missing'
  | 'host-invalid'
  | 'host-outside-zones'
  | 'host-not-allowed'
  | 'issuer-unknown'
  | 'issuers-conflict'
  | 'too-many-names'
  | 'cluster-unknown';

/** A request that is not served, and what a person can do about it; `message` names the offending host or Secret. */
export type Refusal = Source & Readonly<{ reason: RefusalReason; message: string }>;

export type Requests = Readonly<{ requests: readonly Request[]; refusals: readonly Refusal[] }>;

const LEGACY_CLASS = 'kubernetes.io/ingress.class';

/** What one Ingress asks for: one request per tls entry, or a refusal in its place; nothing when it does not opt in. */
export function ingressRequests(
  ingress: Ingress,
  cluster: ClusterRules,
  context: Context,
): Requests {
  if (!isServed(ingress, cluster) || !optsIn(ingress, context.rules)) return NOTHING;
  const { namespace, name } = ingress;
  const source: Source = { cluster: cluster.name, kind: 'Ingress', namespace, name };
  return collected(
    ingress.tls.map((entry) => tlsRequest(entry, ingress, source, cluster, context)),
  );
}

export type Context = Readonly<{ rules: Rules; zones: ZoneSuffixes }>;

const NOTHING: Requests = { requests: [], refusals: [] };

/** Whether the Ingress is of a class that the cluster's configuration names. The legacy annotation wins over the field. */
export function isServed(ingress: Ingress, { ingressClasses }: ClusterRules): boolean {
  if (!ingressClasses) return true;
  const className = ingress.annotations[LEGACY_CLASS] ?? ingress.className;
  return className === undefined || ingressClasses.includes(className);
}

function optsIn({ annotations }: Ingress, rules: Rules): boolean {
  const value = annotations[rules.optInAnnotation];
  if (value !== undefined) return ['1', 't', 'true'].includes(value.toLowerCase());
  return annotations[issuerAnnotation(rules)] !== undefined;
}

const issuerAnnotation = (rules: Rules) => `${rules.installation}/issuer`;
