import { targetKey } from './grouping.ts';
import { covers } from './names.ts';
import { isAllowed } from './policy.ts';
import type {
  CertificateRecord,
  IssuedCertificate,
  StoredRecord,
  Target,
  VersionState,
} from './record.ts';
import { recordAnnotations } from './record-annotations.ts';
import type { Rules } from './request.ts';

/** The metadata of a Secret, never its data. */
export type SecretMetadata = Readonly<{
  uid: string;
  resourceVersion: string;
  type: string;
  /** The installation whose label it carries. */
  installation: string | undefined;
  /** What our annotations say is in it: the certificate's id, its version, the fingerprint of its leaf. */
  certificate: string | undefined;
  version: number | undefined;
  fingerprint: string | undefined;
  /** Field managers other than ours that own `tls.crt` or `tls.key`. */
  otherManagers: readonly string[];
  /** Who else it belongs to, in words: "cert-manager's Certificate web". */
  belongsTo: string | undefined;
}>;

/**
 * What a look at a target showed. Absent and unreadable are different: only the first is written to. `homeless` is what is absent together
 * with its namespace.
 */
export type Sight =
  | Readonly<{ state: 'absent' }>
  | Readonly<{ state: 'homeless'; message: string }>
  | Readonly<{ state: 'present'; secret: SecretMetadata }>
  | Readonly<{ state: 'unreadable'; message: string }>;

/** How a target stands against the certificate it should have. `serves` is the id that is in it now, when it is one of ours. */
export type Standing =
  | Readonly<{ state: 'current' }>
  | Readonly<{
      state: 'behind';
      reason: 'secret-missing' | 'secret-outdated' | 'secret-drifted';
      serves: string | undefined;
    }>
  | Readonly<{
      state: 'refused';
      reason: 'secret-type' | 'secret-foreign' | 'namespace-missing';
      message: string;
    }>
  | Readonly<{ state: 'unreadable'; message: string }>;

/** What a Secret holds is better than the certificate that it should have, until that is renewed. Nothing is wrong with it meanwhile. */
export type Held = Readonly<{ state: 'held'; reason: 'better-served'; message: string }>;

const TLS_TYPE = 'kubernetes.io/tls';

/** Judges one target. `issued` is the version that should be there; without one nothing can be current. */
export function standing(
  sight: Sight,
  wanted: Readonly<{ id: string; issued: IssuedCertificate | undefined }>,
  installation: string,
): Standing {
  if (sight.state === 'unreadable') return sight;
  if (sight.state === 'absent')
    return { state: 'behind', reason: 'secret-missing', serves: undefined };
  if (sight.state === 'homeless')
    return { state: 'refused', reason: 'namespace-missing', message: sight.message };
  const { secret } = sight;
  if (secret.installation !== installation) return foreign(secret);
  if (secret.type !== TLS_TYPE)
    return {
      state: 'refused',
      reason: 'secret-type',
      message: `is of type ${secret.type}, which cannot be changed; delete it or name another Secret`,
    };
  const serves = secret.certificate;
  const isThere =
    serves === wanted.id && wanted.issued && secret.fingerprint === wanted.issued.fingerprint;
  if (!isThere) return { state: 'behind', reason: 'secret-outdated', serves };
  if (secret.otherManagers.length > 0) return { state: 'behind', reason: 'secret-drifted', serves };
  return { state: 'current' };
}

function foreign({ type, belongsTo }: SecretMetadata): Standing {
  const owner = belongsTo ?? 'somebody else';
  if (type !== TLS_TYPE)
    return {
      state: 'refused',
      reason: 'secret-type',
      message: `exists with type ${type} and belongs to ${owner}; delete it or name another Secret`,
    };
  return {
    state: 'refused',
    reason: 'secret-foreign',
    message: `exists and belongs to ${owner}; delete it or name another Secret`,
  };
}

/**
 * Whether a Secret may get the key of a certificate for these names. What it says of itself can be forged or copied, and a version that was
 * added by hand may have more names than were asked for: so the rules must give every name to its namespace, or the configuration to that very
 * Secret; names that are not known are given to nobody.
 */
export function mayHold(
  target: Target,
  names: readonly string[] | undefined,
  { clusters, certificates }: Pick<Rules, 'clusters' | 'certificates'>,
): boolean {
  const cluster = clusters.find(({ name }) => name === target.cluster);
  if (!cluster || !names) return false;
  const key = targetKey(target);
  const configured = certificates.filter((certificate) => targetKey(certificate) === key);
  const given = configured.flatMap((certificate) => certificate.names);
  return names.every(
    (name) =>
      isAllowed(cluster.allow, target.namespace, name) ||
      given.some((pattern) => covers(pattern, name)),
  );
}

// What passed the check of an issued certificate, which allows five minutes, passes here too.
const CLOCK_SKEW_MS = 10 * 60_000;

/** What makes a version that somebody may have added by hand worse than what is served, in words that follow "is"; undefined when nothing does. */
export function shortcoming(
  found: Pick<IssuedCertificate, 'notBefore' | 'notAfter'> & Readonly<{ names: readonly string[] }>,
  wanted: readonly string[],
  now: Date,
): string | undefined {
  const { names, notBefore, notAfter } = found;
  const missing = wanted.find((name) => !names.some((pattern) => covers(pattern, name)));
  if (missing !== undefined) return `not good for ${missing}`;
  if (notAfter <= now) return `good until ${notAfter.toISOString()} only`;
  if (notBefore.getTime() <= now.getTime() + CLOCK_SKEW_MS) return undefined;
  return `not good before ${notBefore.toISOString()}`;
}

type Due = Pick<CertificateRecord['identity'], 'names' | 'issuer' | 'keyType'> &
  Pick<IssuedCertificate, 'notAfter'>;

/**
 * Whether a certificate that is due to be renewed has to wait for that, because what a Secret holds is another one of the same kind that
 * covers its names and is good for longer: a renewal that fails must not leave it with the worse. `fingerprint` is what the Secret says it holds.
 */
export function heldBack(
  due: Due,
  { id, record: { identity, issued } }: StoredRecord,
  fingerprint: string | undefined,
): Held | undefined {
  if (issued?.fingerprint !== fingerprint || !issued || issued.notAfter <= due.notAfter)
    return undefined;
  if (identity.issuer !== due.issuer || identity.keyType !== due.keyType) return undefined;
  const isCovered = (name: string) =>
    identity.names?.some((pattern) => covers(pattern, name)) ?? false;
  if (!due.names?.every(isCovered)) return undefined;
  return {
    state: 'held',
    reason: 'better-served',
    message: `holds certificate ${id} with the same names, good until ${issued.notAfter.toISOString()}; it gets this one as soon as that is renewed`,
  };
}

/** Whether a list of versions, newest first, was made before a version that is known to exist: then it tells nothing of what is there. */
export const lagsBehind = (versions: readonly VersionState[], known: number): boolean =>
  (versions[0]?.number ?? 0) < known;

/**
 * What came of delivering a version. `listed` are the versions as they were found last, `failed` says what keeps the delivery open,
 * `refused` what a person has to mend.
 */
export type Outcome = Readonly<{
  issued: IssuedCertificate;
  listed: readonly VersionState[];
  failed: readonly string[];
  /** Whether somebody waits for the moment of this very delivery. */
  isAsked: boolean;
  refused: readonly string[];
  at: Date;
}>;

/**
 * The record after a delivery. undefined to leave it alone: it says the same already, with the alias moved in that write, or it says that there
 * is a newer version, which nobody is known to have disabled.
 */
export function recorded(
  latest: CertificateRecord,
  { issued, listed, failed, isAsked, refused, at }: Outcome,
): CertificateRecord | undefined {
  const version = latest.issued?.version;
  if (version !== undefined && version > issued.version && !isWithdrawn(version, listed))
    return undefined;
  const { manual, delivered } = latest;
  const isComplete = failed.length === 0;
  const next: CertificateRecord = {
    ...latest,
    issued,
    // Another version than the one known is there: whatever failed before is over.
    failure: version === issued.version ? latest.failure : undefined,
    delivered: isComplete
      ? { version: issued.version, at, failed: refused }
      : // Whoever compares sees that it is open, and reads why.
        {
          version: issued.version - 1,
          at: delivered?.at ?? at,
          failed: [...failed, ...refused],
        },
  };
  // Whoever asked by hand since then waits for the moment of a delivery.
  const isAwaited = isComplete && (isAsked || (manual && delivered && manual.at > delivered.at));
  const isNews = isComplete && delivered?.version !== issued.version;
  return isNews || isAwaited || !isSame(latest, next) ? next : undefined;
}

// A list lags behind: a version that is not in it may be good.
const isWithdrawn = (version: number, listed: readonly VersionState[]) =>
  listed.some(({ number, state }) => number === version && state !== 'enabled');

/** As the annotations hold them, which shorten what is long; the moment of the delivery aside. */
const isSame = (one: CertificateRecord, other: CertificateRecord) =>
  JSON.stringify(recordAnnotations(timeless(one))) ===
  JSON.stringify(recordAnnotations(timeless(other)));

const timeless = (record: CertificateRecord): CertificateRecord => ({
  ...record,
  delivered: record.delivered && { ...record.delivered, at: new Date(0) },
});

/**
 * The versions that are not needed any more once `current` is delivered: those older than the `keep` newest good ones. A disabled one
 * is nothing to go back to, so it does not count, and goes when everything around it goes.
 */
export function versionsToDestroy(
  versions: readonly VersionState[],
  current: number,
  keep: number,
): readonly number[] {
  const older = versions.filter(({ number, state }) => number < current && state !== 'destroyed');
  const kept = older.filter(({ state }) => state === 'enabled').slice(0, keep - 1);
  if (kept.length < keep - 1) return [];
  const oldest = Math.min(current, ...kept.map(({ number }) => number));
  return older.map(({ number }) => number).filter((number) => number < oldest);
}
