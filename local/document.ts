import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { parseDocument } from 'yaml';
import type { Config } from '../shared/config.ts';

/** Wrong configuration, with every fault. */
export class ConfigurationFaults extends Error {
  override readonly name = 'ConfigurationFaults';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

/** A configuration document before it is checked. */
export type RawDocument = Readonly<Record<string, unknown>>;

/** Reads a YAML or JSON document. Throws ConfigurationFaults that name the line. */
export function readDocument(path: string): RawDocument {
  const document = parseDocument(readFileSync(path, 'utf8'));
  if (document.errors.length > 0)
    throw new ConfigurationFaults(
      document.errors.map(({ message }) => `${path}: ${message.split(':\n')[0]}`),
    );
  const value: unknown = document.toJS();
  if (isObject(value)) return value;
  throw new ConfigurationFaults([
    `${path}: the document must be a mapping with the keys project, issuers and clusters`,
  ]);
}

const isObject = (value: unknown): value is RawDocument =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws ConfigurationFaults for clusters that options name and the document does not have. `named` are names by option. */
export function checkClusters(
  { clusters }: RawDocument,
  named: Readonly<Record<string, readonly string[]>>,
): void {
  const known = new Set(
    (Array.isArray(clusters) ? clusters : []).map((cluster) => isObject(cluster) && cluster.name),
  );
  const faults = Object.entries(named).flatMap(([option, names]) =>
    names
      .filter((name) => !known.has(name))
      .map((name) => `${option} ${name}=…: the configuration has no cluster ${name}`),
  );
  if (faults.length > 0) throw new ConfigurationFaults(faults);
}

/** The embedded parts as the document's own keys name them; a value that the document has wins. */
export type EmbeddedValues = Readonly<{
  dns: RawDocument;
  runtime: RawDocument;
  endpoints: RawDocument;
  handshake: RawDocument;
  admin: string;
}>;

/** What the embedded system has in another place than the document says. */
export type EmbeddedPlaces = Readonly<{
  /** For every issuer: where the CA is, and the root of its TLS. */
  issuer: Readonly<{ directory: string; caCertificate?: string }>;
  /** The kubeconfigs of clusters that are reached by one: embedded ones but for GKE's, and real ones. */
  kubeconfigSecrets: ReadonlyMap<string, Readonly<{ reader: string; writer: string }>>;
}>;

/** The document with what it leaves out filled in. Nothing that a person wrote is replaced: its faults are to be reported. */
export function embeddedDocument(
  document: RawDocument,
  values: EmbeddedValues,
  places: EmbeddedPlaces,
): RawDocument {
  return {
    ...document,
    clusters: Array.isArray(document.clusters)
      ? document.clusters.map((cluster) => reachable(cluster, places))
      : document.clusters,
    dns: merged(values.dns, document.dns),
    runtime: merged(values.runtime, document.runtime),
    endpoints: merged(values.endpoints, document.endpoints),
    handshake: merged(values.handshake, document.handshake),
    access: withAdmin(document.access, values.admin),
  };
}

function reachable(cluster: unknown, { kubeconfigSecrets }: EmbeddedPlaces): unknown {
  if (!isObject(cluster) || cluster.gke !== undefined || cluster.kubeconfigSecret !== undefined)
    return cluster;
  return { ...cluster, kubeconfigSecret: kubeconfigSecrets.get(String(cluster.name)) };
}

/** The configuration as the embedded system runs it: once what it replaces was found good, for elsewhere that is used. */
export function embeddedConfig(config: Config, places: EmbeddedPlaces): Config {
  const issuers = Object.entries(config.issuers);
  return {
    ...config,
    issuers: Object.fromEntries(
      issuers.map(([name, issuer]) => [name, { ...issuer, ...places.issuer }]),
    ),
    clusters: config.clusters.map((cluster) => {
      const kubeconfigSecret = places.kubeconfigSecrets.get(cluster.name);
      return kubeconfigSecret ? { ...cluster, gke: undefined, kubeconfigSecret } : cluster;
    }),
  };
}

const merged = (embedded: RawDocument, written: unknown): unknown =>
  written === undefined ? embedded : isObject(written) ? { ...embedded, ...written } : written;

function withAdmin(access: unknown, admin: string): unknown {
  if (access === undefined) return { admins: [admin] };
  if (!isObject(access)) return access;
  const { admins = [] } = access;
  return Array.isArray(admins) ? { ...access, admins: [...admins, admin] } : access;
}

/** What in the document would make the embedded system leave this machine. */
export function loopbackFaults(document: RawDocument): readonly string[] {
  const urls = ['endpoints', 'runtime'].flatMap((section) => {
    const values = document[section];
    if (!isObject(values)) return [];
    return Object.entries(values).flatMap(([key, value]) =>
      typeof value === 'string' && /^https?:/.test(value) && !isLoopbackUrl(value)
        ? [
            `${section}.${key}: npm start stays on this machine; leave it out, or give a loopback URL`,
          ]
        : [],
    );
  });
  const resolver = isObject(document.dns) ? document.dns.resolver : undefined;
  if (typeof resolver !== 'string' || isLoopbackHost(resolver.replace(/:\d+$/, ''))) return urls;
  return [
    ...urls,
    'dns.resolver: npm start stays on this machine; leave it out, or give a loopback address',
  ];
}

const isLoopbackUrl = (text: string) => isLoopbackHost(URL.parse(text)?.hostname ?? '');

const isLoopbackHost = (host: string) =>
  host === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
