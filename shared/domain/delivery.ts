import type { IssuedCertificate, VersionState } from './record.ts';

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

/** What a look at a target showed. Absent and unreadable are different: only the first is written to. */
export type Sight =
  | Readonly<{ state: 'absent' }>
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
  | Readonly<{ state: 'refused'; reason: 'secret-type' | 'secret-foreign'; message: string }>
  | Readonly<{ state: 'unreadable'; message: string }>;

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
