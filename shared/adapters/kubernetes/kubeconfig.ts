import { createPrivateKey, X509Certificate } from 'node:crypto';
import { LineCounter, parseDocument } from 'yaml';
import { CertificateError } from '../../errors.ts';
import { Sensitive } from '../../sensitive.ts';
import type { ClusterAccess } from './access.ts';

type Entry = Readonly<Record<string, unknown>>;
type Faults = string[];

/**
 * What a kubeconfig's current context says, as far as it is data. A kubeconfig is code: a file of another person that can
 * start programs, read files and choose proxies, so only inline credentials over https are taken. Entries that the current
 * context does not name are not looked at. `origin` names the document in errors.
 * Throws `kubeconfig-invalid` with every fault at once.
 */
export function parseKubeconfig(text: string, origin: string): ClusterAccess {
  const faults: Faults = [];
  const access = accessOf(documentOf(text, faults), faults);
  if (faults.length === 0 && access) return access;
  throw new CertificateError(
    'kubeconfig-invalid',
    `${origin} cannot be used: ${faults.join('; ')}`,
  );
}

function documentOf(text: string, faults: Faults): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { schema: 'core', prettyErrors: false, lineCounter: lines });
  const problem = [...document.errors, ...document.warnings][0];
  // The parser's own words quote the document, and with it what must stay secret.
  if (problem) {
    faults.push(`line ${lines.linePos(problem.pos[0]).line} is not plain YAML (${problem.code})`);
    return undefined;
  }
  try {
    return document.toJS();
  } catch {
    faults.push('its aliases cannot be resolved');
    return undefined;
  }
}

function accessOf(document: unknown, faults: Faults): ClusterAccess | undefined {
  if (faults.length > 0) return undefined;
  if (!isEntry(document))
    return noted(faults, 'it is not a mapping with clusters, users and contexts');
  const current = document['current-context'];
  if (!isText(current)) return noted(faults, 'current-context is missing');
  const context = named(document, 'context', current, faults);
  if (!context) return undefined;
  const cluster = named(document, 'cluster', context.cluster, faults);
  const user = named(document, 'user', context.user, faults);
  if (cluster) refuse(cluster, 'cluster', CLUSTER_REFUSALS, faults);
  if (user) refuse(user, 'user', USER_REFUSALS, faults);
  const server = cluster && serverOf(cluster, faults);
  const ca = cluster && caOf(cluster, faults);
  const credentials = user && credentialsOf(user, faults);
  return server && credentials ? { server, ca, credentials } : undefined;
}

function named(
  document: Entry,
  kind: 'context' | 'cluster' | 'user',
  name: unknown,
  faults: Faults,
): Entry | undefined {
  const entries = document[`${kind}s`];
  const label = isText(name) ? `${kind} "${name}"` : kind;
  if (!isText(name)) return noted(faults, `the current context names no ${kind}`);
  const found = Array.isArray(entries)
    ? entries.filter((entry) => isEntry(entry) && entry.name === name)
    : [];
  if (found.length > 1) return noted(faults, `${label} is there ${found.length} times`);
  const value: unknown = found[0]?.[kind];
  return isEntry(value) ? value : noted(faults, `${label} is missing`);
}

type Refusals = Readonly<Record<string, string>>;

const FILE = 'names a file; put the data itself in';
const PERSON = 'is refused; use a token or a client certificate';
const ACTS_AS_OTHER = 'is refused; give the credentials of the user that is meant';

const CLUSTER_REFUSALS: Refusals = {
  'certificate-authority': `${FILE} certificate-authority-data`,
  'insecure-skip-tls-verify': 'is refused; put the authority in certificate-authority-data',
  'proxy-url': 'is refused; the API server must be reachable directly',
  'tls-server-name': "is refused; the server's certificate must hold the name in server",
};

const USER_REFUSALS: Refusals = {
  exec: 'is refused; it would start a program',
  'auth-provider': 'is refused; it can start a program',
  'client-certificate': `${FILE} client-certificate-data`,
  'client-key': `${FILE} client-key-data`,
  tokenFile: `${FILE} token`,
  username: PERSON,
  password: PERSON,
  as: ACTS_AS_OTHER,
  'as-uid': ACTS_AS_OTHER,
  'as-groups': ACTS_AS_OTHER,
  'as-user-extra': ACTS_AS_OTHER,
};

const KNOWN: Readonly<Record<'cluster' | 'user', readonly string[]>> = {
  cluster: ['server', 'certificate-authority-data', 'disable-compression', 'extensions'],
  user: ['token', 'client-certificate-data', 'client-key-data', 'extensions'],
};

function refuse(entry: Entry, kind: 'cluster' | 'user', refusals: Refusals, faults: Faults): void {
  for (const [field, value] of Object.entries(entry)) {
    if (isUnset(value) || KNOWN[kind].includes(field)) continue;
    faults.push(`${kind}.${field} ${refusals[field] ?? 'is not known; remove it'}`);
  }
}

// What kubectl itself would not act upon.
const isUnset = (value: unknown) =>
  value === undefined || value === null || value === '' || value === false;

function serverOf(cluster: Entry, faults: Faults): string | undefined {
  const server = cluster.server;
  if (!isText(server)) return noted(faults, 'cluster.server is missing');
  const url = URL.parse(server);
  if (url?.protocol !== 'https:') return noted(faults, 'cluster.server must be an https:// URL');
  if (url.username || url.password || url.search || url.hash)
    return noted(faults, 'cluster.server may have a host, a port and a path only');
  return url.href.replace(/\/+$/, '');
}

function caOf(cluster: Entry, faults: Faults): string | undefined {
  return pemOf(cluster, 'cluster', 'certificate-authority-data', faults);
}

function credentialsOf(user: Entry, faults: Faults): ClusterAccess['credentials'] | undefined {
  const { token } = user;
  const hasCertificate =
    !isUnset(user['client-certificate-data']) || !isUnset(user['client-key-data']);
  if (!isUnset(token) && hasCertificate)
    return noted(faults, 'user has a token and a client certificate; leave only one of them');
  if (hasCertificate) return certificateOf(user, faults);
  if (isUnset(token)) return noted(faults, 'user has neither a token nor a client certificate');
  // Anything else could not be a header, and a refused header is quoted by the client that refuses it.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    return noted(faults, 'user.token must be one line of text without blanks');
  return { kind: 'token', token: new Sensitive(token) };
}

function certificateOf(user: Entry, faults: Faults): ClusterAccess['credentials'] | undefined {
  const certificate = pemOf(user, 'user', 'client-certificate-data', faults);
  const key = decoded(user['client-key-data']);
  if (!key) return noted(faults, 'user.client-key-data must be a private key in base64');
  if (!certificate) return undefined;
  if (!belongTogether(certificate, key))
    return noted(faults, 'user.client-key-data is not the key of client-certificate-data');
  return { kind: 'certificate', certificate, key: new Sensitive(key) };
}

function belongTogether(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** The PEM certificates of a base64 field, undefined when it is absent or, with a fault, when it is none. */
function pemOf(
  entry: Entry,
  kind: 'cluster' | 'user',
  field: string,
  faults: Faults,
): string | undefined {
  if (kind === 'cluster' && isUnset(entry[field])) return undefined;
  const pem = decoded(entry[field]);
  if (pem && isCertificate(pem)) return pem;
  return noted(faults, `${kind}.${field} must be a PEM certificate in base64`);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).serialNumber !== '';
  } catch {
    return false;
  }
}

function decoded(value: unknown): string | undefined {
  if (!isText(value)) return undefined;
  const text = Buffer.from(value, 'base64').toString('utf8');
  return text.includes('-----BEGIN ') ? text : undefined;
}

function noted(faults: Faults, fault: string): undefined {
  faults.push(fault);
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const isEntry = (value: unknown): value is Entry =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
