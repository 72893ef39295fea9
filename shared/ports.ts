/**
 * Everything the jobs need from the world. An adapter translates its system's failures into a CertificateError that
 * names the resource; absent is `undefined`, and every other failure to read throws.
 */
import type { KeyType } from './domain/certificate.ts';
import type { SecretMetadata } from './domain/delivery.ts';
import type {
  CertificateRecord,
  IssuedCertificate,
  SavedChallenge,
  StoredRecord,
  Target,
  VersionState,
} from './domain/record.ts';
import type { Ingress } from './domain/request.ts';
import type { IssueTask } from './domain/task.ts';
import type { Sensitive } from './sensitive.ts';

// ── Memory: Secret Manager ──────────────────────────────────────────────────────────────────────

/** The records of all certificates of this installation: metadata only, no key is readable through it. */
export interface CertificateRecords {
  /** Every record of the installation. One that cannot be understood is left out and handed to `onInvalid`. */
  list(onInvalid: (id: string, problem: string) => void): Promise<readonly StoredRecord[]>;
  /** The record, or undefined when the certificate has no secret. */
  read(id: string): Promise<StoredRecord | undefined>;
  /** Makes the secret; when another process was first, that one's record is returned instead. */
  create(id: string, record: CertificateRecord): Promise<StoredRecord>;
  /**
   * Reads, lets `change` decide, writes under the etag, and starts over when somebody else wrote in between. `change` must
   * therefore be pure; it returns undefined to leave the record as it is. Throws `not-found` when there is no record.
   * `current` moves the alias of that name to a version in the same write.
   */
  update(
    id: string,
    change: (record: CertificateRecord) => CertificateRecord | undefined,
    current?: number,
  ): Promise<StoredRecord>;
}

/** The versions of a certificate's secret, without what is in them. */
export interface CertificateVersions {
  /** Newest first; empty when the secret is absent. */
  list(id: string): Promise<readonly VersionState[]>;
}

/** A certificate's private key (PKCS #8) and its chain, leaf first, as the CA gave it. */
export type Bundle = Readonly<{ key: Sensitive; chain: string }>;

export interface CertificateWriter {
  /**
   * Adds a version and returns its number. The service has no idempotency key: a reply that is lost is resolved by looking
   * for a version newer than `after` before anything is added again.
   */
  add(id: string, bundle: Bundle, after: number): Promise<number>;
}

export interface CertificateReader {
  /** The bundle of one enabled version. Throws `certificate-invalid` when its payload is no key and chain. */
  read(id: string, version: number): Promise<Bundle>;
  /** Irreversible. A version that is destroyed already is fine. */
  destroy(id: string, version: number): Promise<void>;
}

/** Account keys and pending keys: `name` is the secret's whole name without the project. */
export interface KeyVault {
  /**
   * The value of that version, or undefined when it is not there or not enabled. It is found as soon as `write` returned; without a
   * version the newest enabled value is read, which lists show minutes to hours late.
   * https://cloud.google.com/secret-manager/docs/consistency
   */
  read(name: string, version?: number): Promise<Sensitive | undefined>;
  /** Adds the value, making the secret (which notifies nobody) when it is absent, and returns the number of its version. */
  write(name: string, kind: 'account' | 'pending', value: Sensitive): Promise<number>;
  /** Destroys every value that is still readable, and that version even while no list shows it. An absent secret is fine. */
  destroy(name: string, version?: number): Promise<void>;
}

// ── Certificate authority ───────────────────────────────────────────────────────────────────────

/** RFC 8555 section 7.1.3, reduced to what is acted upon. */
export type Order = Readonly<{
  url: string;
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  authorizations: readonly string[];
  finalize: string;
  certificate: string | undefined;
  expires: Date | undefined;
  /** The problem of an invalid order: type and a sentence. */
  problem: string | undefined;
  /** The CA's word on when to look again. */
  retryAfterMs: number | undefined;
}>;

/** RFC 8555 section 7.1.4 with its dns-01 challenge; `value` is what its TXT record must hold. */
export type Authorization = Readonly<{
  url: string;
  name: string;
  status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked';
  challenge: Readonly<{ url: string; status: string; value: string }> | undefined;
  /** The CA's reason for an invalid challenge. */
  problem: string | undefined;
}>;

/** One issuer's account at its CA. Nothing here retries: a CA that is down, slow or answers nonsense is `ca-unavailable`, a limit is `ca-rate-limited` with its time, a refusal `ca-rejected`. */
export interface CertificateAuthority {
  /** The URL of its directory: orders of another are not its own. */
  readonly directory: string;
  newOrder(names: readonly string[]): Promise<Order>;
  /** undefined when the CA does not know the order any more. */
  order(url: string): Promise<Order | undefined>;
  authorization(url: string): Promise<Authorization>;
  /** Tells the CA that the TXT value is there. */
  respond(challengeUrl: string): Promise<void>;
  /** A finalize whose reply was lost shows as a later state of the order, so read it again before failing. */
  finalize(order: Order, csr: Buffer): Promise<Order>;
  /** The PEM chain, leaf first. */
  certificate(order: Order): Promise<string>;
}

/** By issuer name; the account is looked up or made at the first call that needs it. */
export type CertificateAuthorities = (issuer: string) => CertificateAuthority;

/** What is in a chain and whether it fits; everything that parses or makes X.509. */
export interface Pki {
  newKey(type: KeyType): Sensitive;
  /** DER; no subject beyond the first name that fits one. */
  signingRequest(key: Sensitive, names: readonly string[]): Promise<Buffer>;
  /** Throws `certificate-invalid` unless key, names, dates and every signature of the chain fit. */
  verify(bundle: Bundle, names: readonly string[], now: Date): Omit<IssuedCertificate, 'version'>;
  /** The leaf of a stored bundle, after checking that key and certificate belong together. Its names are lower-case DNS names. */
  describe(
    bundle: Bundle,
  ): Omit<IssuedCertificate, 'version'> & Readonly<{ names: readonly string[] }>;
}

// ── DNS ─────────────────────────────────────────────────────────────────────────────────────────

/** A public managed zone. `dnsName` is without its last dot, `nameServers` too. */
export type Zone = Readonly<{
  project: string;
  zone: string;
  dnsName: string;
  nameServers: readonly string[];
}>;

export interface Zones {
  /** The public zones of one project. */
  list(project: string): Promise<readonly Zone[]>;
  /** Whether a CNAME stands at that very name, and not only a wildcard that answers for it. */
  hasAlias(zone: Zone, owner: string): Promise<boolean>;
  /**
   * Adds the values to, or removes them from, the TXT record sets of one zone in one atomic change per zone, keeping foreign values and
   * their TTL; reads again and compares when another writer was quicker. Refuses every owner whose first label is not `_acme-challenge`.
   */
  present(challenges: readonly SavedChallenge[]): Promise<void>;
  remove(challenges: readonly SavedChallenge[]): Promise<void>;
  /** Throws the reason when challenges cannot be written into the zone. Nothing is written to find out. */
  tryOut(zone: Zone): Promise<void>;
}

/** What the world's resolvers and the zones' own servers say, never what an API says. Names are without a last dot. */
export interface NameLookup {
  /** The end of the CNAME chain that starts at `name` (`name` itself without one). Throws `dns-name-blocked` for a loop. */
  canonicalName(name: string): Promise<string>;
  /** The name servers that the parent zone delegates `zone` to; empty when it is not delegated. */
  delegation(zone: string): Promise<readonly string[]>;
  /** The servers, each with its address, that do not yet answer every value for the owner's TXT. An unreachable server is one of them. */
  serversWithout(
    nameServers: readonly string[],
    owner: string,
    values: readonly string[],
  ): Promise<readonly string[]>;
  /**
   * The zone below `zone` that holds the owner in its place, as all servers of `zone` say that can be reached: they refer to it, or
   * they serve it too. undefined where the owner is in `zone` itself.
   */
  cutBelow(zone: Pick<Zone, 'dnsName' | 'nameServers'>, owner: string): Promise<string | undefined>;
}

// ── Clusters ────────────────────────────────────────────────────────────────────────────────────

export interface ClusterReader {
  /** All Ingresses, or those of one namespace, page by page. */
  ingresses(namespace?: string): Promise<readonly Ingress[]>;
  secret(namespace: string, name: string): Promise<SecretMetadata | undefined>;
  /** As it is now, whatever a cache says. Nothing can be made in one that is `terminating`. Only the reader has the right to ask. */
  namespace(name: string): Promise<'active' | 'terminating' | undefined>;
}

/** What is written into a Secret and how it is labelled. */
export type Delivered = IssuedCertificate & Readonly<{ certificate: string; bundle: Bundle }>;

export interface ClusterWriter extends ClusterReader {
  /**
   * One server-side apply of key and chain together, with uid and resourceVersion of `over` as preconditions (absent: it must not exist).
   * `changed` means that the Secret is no longer what was looked at: look again.
   */
  apply(
    target: Target,
    delivered: Delivered,
    over: SecretMetadata | undefined,
  ): Promise<'applied' | 'changed'>;
}

/** The configured clusters by name; credentials are fetched at the first use. */
export type Readers = (cluster: string) => Promise<ClusterReader>;
export type Writers = (cluster: string) => Promise<ClusterWriter>;

/** The certificate that a listener serves for a host. */
export interface Handshakes {
  /** Throws `handshake-failed` with the reason: refused, timed out, an address that may not be dialled. `fingerprint` as in IssuedCertificate. */
  served(
    host: string,
    address: string,
    port: number,
  ): Promise<Readonly<{ serial: string; fingerprint: string }>>;
}

// ── Engines ─────────────────────────────────────────────────────────────────────────────────────

export interface IssueQueue {
  /** `name` is what makes the task unique. `exists` means that this very task is there already, or was. */
  enqueue(name: string, task: IssueTask, at: Date | undefined): Promise<'enqueued' | 'exists'>;
}

/** A queue as people want to know it: `state` is RUNNING, PAUSED or DISABLED, or UNREADABLE with the `problem`. */
export type QueueStatus = Readonly<{
  issuer: string;
  queue: string;
  state: string;
  problem: string | undefined;
}>;

/** What sync is woken with besides Secret Manager's own messages. */
export interface RepairMessages {
  /** `targets` are Secrets that sync would not find by asking who wants the certificate: they only still serve it. */
  publish(
    certificate: string,
    repair: Readonly<{ reason: string; targets: readonly Target[] }>,
  ): Promise<void>;
}

/** The Scheduler job that starts reconcile. */
export interface Schedule {
  run(): Promise<void>;
  state(): Promise<
    Readonly<{
      state: string;
      lastRunAt: Date | undefined;
      lastResult: string;
      nextRunAt: Date | undefined;
    }>
  >;
}

/** Time as the jobs see it. */
export interface Time {
  now(): Date;
  sleep(ms: number): Promise<void>;
}

/** One JSON line a decision: a constant phrase and its data. */
export type Fields = Readonly<Record<string, unknown>>;
export type Log = Readonly<
  Record<'debug' | 'info' | 'warn' | 'error', (message: string, fields?: Fields) => void>
>;
