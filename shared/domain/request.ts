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
  /** When a person asked; a later word of a person replaces an earlier one. */
  askedAt?: Date;
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
  | 'cluster-unknown'
  | 'target-taken';

/** A request that is not served, and what a person can do about it; `message` names the offending host or Secret. */
export type Refusal = Source & Readonly<{ reason: RefusalReason; message: string }>;

export type Requests = Readonly<{ requests: readonly Request[]; refusals: readonly Refusal[] }>;

/** What the rules are applied with: the configuration and the zones there are. */
export type Context = Readonly<{ rules: Rules; zones: ZoneSuffixes }>;

const LEGACY_CLASS = 'kubernetes.io/ingress.class';
const NOTHING: Requests = { requests: [], refusals: [] };

/** What one Ingress asks for: a request or a refusal for each tls entry; nothing when it is of another class or does not opt in. */
export function ingressRequests(
  ingress: Ingress,
  cluster: ClusterRules,
  context: Context,
): Requests {
  if (!isServed(ingress, cluster) || !optsIn(ingress, context.rules)) return NOTHING;
  const { namespace, name } = ingress;
  const source: Source = { cluster: cluster.name, kind: 'Ingress', namespace, name };
  const issuer =
    ingress.annotations[issuerAnnotation(context.rules)] ?? context.rules.defaultIssuer;
  const { requests, refusals } = collected(
    ingress.tls.map(({ hosts, secretName: secret }) =>
      secret
        ? checked(
            { source, secret, hosts: hosts.length > 0 ? hosts : ingress.ruleHosts, issuer },
            cluster,
            context,
          )
        : refusal(
            source,
            'secret-name-missing',
            `a tls entry (${listed(hosts)}) names no Secret; set secretName`,
          ),
    ),
  );
  return {
    requests: requests.map((request) => sharing(request, cluster, context.rules)),
    refusals,
  };
}

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

/** What the configuration asks for. It is the operator's word, so no `allow` rule is needed; its names were checked when it was read. */
export function configuredRequests(context: Context): Requests {
  return collected(
    context.rules.certificates.map(({ cluster, namespace, secret, names, issuer }) => {
      const source: Source = { cluster, kind: 'configuration', namespace, name: secret };
      const outside = outsideOf(names, context);
      if (outside) return refusal(source, 'host-outside-zones', outside);
      const target = { cluster, namespace, secret };
      return { source, target, names, issuer: issuer ?? context.rules.defaultIssuer };
    }),
  );
}

/** What a person asked for: the same rules as for an Ingress, checked again each time because they may have changed. */
export function manualRequests(asked: ManualAsk, context: Context): Requests {
  return collected(asked.targets.map((target) => manualRequest(target, asked, context)));
}

/** Names as they are stored with a certificate that was asked for by hand, and the Secrets it is to go to. */
export type ManualAsk = Readonly<{
  names: readonly string[];
  issuer: string;
  targets: readonly Target[];
  at: Date;
}>;

function manualRequest(target: Target, asked: ManualAsk, context: Context): Request | Refusal {
  const { cluster: name, namespace, secret } = target;
  const source: Source = { cluster: name, kind: 'manual', namespace, name: secret };
  const cluster = context.rules.clusters.find((candidate) => candidate.name === name);
  if (!cluster)
    return refusal(source, 'cluster-unknown', `there is no cluster ${name} in the configuration`);
  const result = checked(
    { source, secret, hosts: asked.names, issuer: asked.issuer },
    cluster,
    context,
  );
  return 'target' in result ? { ...result, askedAt: asked.at } : result;
}

type Asked = Readonly<{ source: Source; secret: string; hosts: readonly string[]; issuer: string }>;

function checked(
  { source, secret, hosts, issuer }: Asked,
  cluster: ClusterRules,
  context: Context,
): Request | Refusal {
  if (hosts.length === 0)
    return refusal(
      source,
      'hosts-missing',
      `Secret ${secret} is named for no host; list hosts in the tls entry or in a rule`,
    );
  if (!Object.hasOwn(context.rules.issuers, issuer))
    return refusal(
      source,
      'issuer-unknown',
      `there is no issuer ${issuer}; the configuration has ${listed(Object.keys(context.rules.issuers))}`,
    );
  const names: string[] = [];
  for (const host of hosts) {
    const result = checkedHost(host, { source, cluster, context });
    if (typeof result !== 'string') return result;
    names.push(result);
  }
  return {
    source,
    target: { cluster: source.cluster, namespace: source.namespace, secret },
    names,
    issuer,
  };
}

type Asking = Readonly<{ source: Source; cluster: ClusterRules; context: Context }>;

function checkedHost(host: string, { source, cluster, context }: Asking): string | Refusal {
  const parsed = parseName(host);
  if ('problem' in parsed)
    return refusal(source, 'host-invalid', `host "${host}" ${parsed.problem}`);
  const { name } = parsed;
  if (!isInZones(name, context)) return refusal(source, 'host-outside-zones', outsideZones(name));
  if (!isAllowed(cluster.allow, source.namespace, name))
    return refusal(source, 'host-not-allowed', notAllowed(name, source));
  return name;
}

// Policy came first: the shared wildcard stands in only where a rule gives its key to this very namespace.
function sharing(request: Request, { allow }: ClusterRules, { wildcards }: Rules): Request {
  const { namespace } = request.target;
  const names = request.names.map((name) => {
    const parent = parentOf(name);
    const stands = wildcards.includes(parent) && isAllowed(allow, namespace, `*.${parent}`);
    return stands ? `*.${parent}` : name;
  });
  return { ...request, names };
}

/** Which of the names lies in no zone, and what to do about it; undefined when all do, as far as is known. */
export function outsideOf(names: readonly string[], context: Context): string | undefined {
  const outside = names.find((name) => !isInZones(name, context));
  return outside === undefined ? undefined : outsideZones(outside);
}

// While a project's zones cannot be read, no name is called outside: it may lie in one of those.
const isInZones = (name: string, context: Context) =>
  !context.zones.complete || isProvable(name, context);

/** Whether DNS-01 can prove the name: it lies in a public zone that was read, or below a suffix declared as delegated. */
export const isProvable = (name: string, { rules, zones }: Context): boolean =>
  [...zones.suffixes, ...rules.delegated].some((suffix) => isWithin(suffix, name));

const outsideZones = (name: string) =>
  `host ${name} lies in none of the public zones; create its zone in a project under "zones", or add a suffix to "delegated" whose _acme-challenge is a CNAME into one`;

const notAllowed = (name: string, { cluster, namespace }: Source) =>
  `no rule gives ${name} to namespace ${namespace}; add it to "allow" of cluster ${cluster}${isWildcard(name) ? ' with wildcards: true' : ''}`;

/** A refusal in the words of its source. */
export const refusal = (source: Source, reason: RefusalReason, message: string): Refusal => ({
  ...source,
  reason,
  message,
});

const listed = (words: readonly string[]) => (words.length > 0 ? words.join(', ') : 'none');

const collected = (results: readonly (Request | Refusal)[]): Requests => ({
  requests: results.filter((result): result is Request => 'target' in result),
  refusals: results.filter((result): result is Refusal => 'reason' in result),
});
