import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** The part of a `networking.k8s.io/v1` Ingress that decides what is served. */
export type Ingress = Readonly<{
  metadata: Readonly<{
    namespace: string;
    name: string;
    creationTimestamp: string;
    annotations?: Readonly<Record<string, string>>;
  }>;
  spec?: Readonly<{
    ingressClassName?: string;
    tls?: readonly TlsBlock[];
    rules?: readonly Readonly<{ host?: string }>[];
  }>;
}>;

type TlsBlock = Readonly<{ hosts?: readonly string[]; secretName?: string }>;

/** A Secret of type `kubernetes.io/tls`; its data are base64 texts. */
export type TlsSecret = Readonly<{
  type?: string;
  metadata: Readonly<{ namespace: string; name: string }>;
  data?: Readonly<Record<string, string>>;
}>;

/** A certificate chain and its key as PEM texts, known to belong together. */
export type KeyPair = Readonly<{ certificate: string; key: string; leaf: X509Certificate }>;

/** What a Secret is good for. `pair` is its last good one, which outlives a later faulty content. */
type CheckedSecret = Readonly<{
  source: string;
  pair: KeyPair | undefined;
  fault: string | undefined;
}>;

/** Checked Secrets by `namespace/name`. */
export type CheckedSecrets = ReadonlyMap<string, CheckedSecret>;

/** A host name (`a.test` or `*.a.test`) and its pair; without one the fallback is served and `fault` says why. */
export type VirtualHost = Readonly<{
  host: string;
  pair: KeyPair | undefined;
  fault: string | undefined;
}>;

/** Whether an Ingress belongs to one of the classes: no classes take any, the first takes one without class. */
export function isOfClass(ingress: Ingress, classes: readonly string[] | undefined): boolean {
  if (!classes) return true;
  const legacy = ingress.metadata.annotations?.['kubernetes.io/ingress.class'];
  return classes.includes(legacy || ingress.spec?.ingressClassName || (classes[0] ?? ''));
}

/** Judges each Secret that a TLS block names; one whose content did not change keeps its former judgement, the same object. */
export function checkedSecrets(
  ingresses: readonly Ingress[],
  secrets: readonly TlsSecret[],
  previous: CheckedSecrets,
): CheckedSecrets {
  const named = new Set(ingresses.flatMap(secretsNamedBy));
  return new Map(
    secrets
      .map((secret) => [pathOf(secret), secret] as const)
      .filter(([path]) => named.has(path))
      .map(([path, secret]) => [path, checked(secret, previous.get(path))]),
  );
}

/**
 * The hosts of the TLS blocks with what they are served with, by the rules of ingress-nginx
 * (`getBackendServers` and `extractTLSSecretName` of its controller): the oldest Ingress with TLS has
 * a host, even when its Secret is of no use; a Secret that does not cover the host is not served.
 */
export function virtualHosts(
  ingresses: readonly Ingress[],
  secrets: CheckedSecrets,
): readonly VirtualHost[] {
  const hosts = new Map<string, VirtualHost>();
  for (const ingress of ingresses.toSorted(byAge))
    for (const host of hostsOf(ingress))
      if (!hosts.has(host)) hosts.set(host, virtualHost(host, ingress, secrets));
  return [...hosts.values()];
}

/** What is found for a server name: the exact host, else the wildcard one label above. */
export function lookup<Value>(
  hosts: ReadonlyMap<string, Value>,
  serverName: string,
): Value | undefined {
  const name = serverName.toLowerCase();
  return hosts.get(name) ?? hosts.get(name.replace(/^[^.]+/, '*'));
}

const secretsNamedBy = ({ metadata, spec }: Ingress) =>
  (spec?.tls ?? []).map(({ secretName }) => `${metadata.namespace}/${secretName}`);

const pathOf = ({ metadata }: TlsSecret | Ingress) => `${metadata.namespace}/${metadata.name}`;

function checked(secret: TlsSecret, previous: CheckedSecret | undefined): CheckedSecret {
  const { 'tls.crt': certificate = '', 'tls.key': key = '' } = secret.data ?? {};
  const source = `${certificate} ${key}`;
  if (previous?.source === source) return previous;
  const judgement = judged(pem(certificate), pem(key));
  if (typeof judgement !== 'string') return { source, pair: judgement, fault: undefined };
  const kept = previous?.pair ? '; its previous certificate stays in use' : '';
  const fault = `Secret ${pathOf(secret)}: ${judgement}${kept}`;
  return { source, pair: previous?.pair, fault };
}

const pem = (base64: string) => Buffer.from(base64, 'base64').toString('latin1');

function judged(certificate: string, key: string): KeyPair | string {
  if (certificate === '') return 'tls.crt is missing or empty';
  if (key === '') return 'tls.key is missing or empty';
  try {
    createSecureContext({ cert: certificate, key });
    return { certificate, key, leaf: new X509Certificate(certificate) };
  } catch (error) {
    // OpenSSL's reason names the fault ("key values mismatch"), never a byte of the key.
    const { reason = 'not PEM' } = error as { reason?: string };
    return `tls.crt and tls.key are no usable pair (${reason})`;
  }
}

// The API's times are whole seconds, so ties are common; ingress-nginx then takes the last name first.
function byAge(a: Ingress, b: Ingress): number {
  const age = Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp);
  return age || (pathOf(a) > pathOf(b) ? -1 : 1);
}

function hostsOf(ingress: Ingress): readonly string[] {
  const blocks = ingress.spec?.tls ?? [];
  if (blocks.length === 0) return [];
  const ruled = (ingress.spec?.rules ?? []).map(({ host }) => host ?? '');
  const listed = blocks.flatMap(({ hosts }) => hosts ?? []);
  return [...listed, ...ruled].map((host) => host.toLowerCase()).filter(isServable);
}

// Names end up in nginx's configuration: an API server that checks less must not open it.
const isServable = (host: string) => /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host);

function virtualHost(host: string, ingress: Ingress, secrets: CheckedSecrets): VirtualHost {
  const secretName = secretNameFor(host, ingress, secrets);
  const path = `${ingress.metadata.namespace}/${secretName}`;
  const fault = (why: string) => ({ host, pair: undefined, fault: `${host}: ${why}` });
  if (!secretName)
    return fault(`no TLS block of Ingress ${pathOf(ingress)} names a Secret that covers it`);
  const secret = secrets.get(path);
  if (!secret) return fault(`there is no TLS Secret ${path}`);
  if (!secret.pair) return fault(secret.fault ?? `Secret ${path} has no pair`);
  if (!covers(secret.pair, host))
    return fault(`the certificate in Secret ${path} does not cover it`);
  return { host, pair: secret.pair, fault: undefined };
}

/** The Secret of the first block that lists the host, else of the first whose certificate covers it. */
function secretNameFor(
  host: string,
  { metadata, spec }: Ingress,
  secrets: CheckedSecrets,
): string | undefined {
  const blocks = spec?.tls ?? [];
  const listing = blocks.find(({ hosts }) => hosts?.some((name) => name.toLowerCase() === host));
  if (listing) return listing.secretName;
  const fitting = blocks.find(({ secretName }) => {
    const pair = secrets.get(`${metadata.namespace}/${secretName}`)?.pair;
    return pair !== undefined && covers(pair, host);
  });
  return fitting?.secretName ?? onlySecretOf(blocks);
}

// Only for a better sentence: with one block there is no doubt which Secret was meant.
const onlySecretOf = (blocks: readonly TlsBlock[]) =>
  blocks.length === 1 ? blocks[0]?.secretName : undefined;

const covers = ({ leaf }: KeyPair, host: string) =>
  leaf.checkHost(host, { subject: 'never', partialWildcards: false }) !== undefined;
