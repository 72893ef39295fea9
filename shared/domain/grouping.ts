import { type CertificateIdentity, certificateId } from './certificate.ts';
import { nameSet } from './names.ts';
import type { Asker, Target } from './record.ts';
import { type Refusal, type Request, type Rules, refusal, type Source } from './request.ts';

/** One certificate that must exist, and every Secret that gets it. */
export type DesiredCertificate = Readonly<{
  id: string;
  identity: CertificateIdentity;
  targets: readonly Target[];
  askers: readonly Asker[];
}>;

export type Grouping = Readonly<{
  certificates: readonly DesiredCertificate[];
  refusals: readonly Refusal[];
}>;

// What Let's Encrypt and every CA of note accept in one certificate.
const MOST_NAMES = 100;

/**
 * Requests for one Secret become one certificate for all their names; Secrets that then ask for the same certificate
 * share it. Which certificate a Secret gets depends on the requests for that Secret alone, so that a part of a
 * cluster can be grouped without the rest.
 */
export function group(requests: readonly Request[], rules: Pick<Rules, 'issuers'>): Grouping {
  const byTarget = Map.groupBy(requests, ({ target }) => targetKey(target));
  const merged = [...byTarget.values()].map((ofTarget) => mergedRequest(ofTarget, rules));
  const granted = merged.filter((result) => 'identity' in result);
  return {
    certificates: [...Map.groupBy(granted, ({ identity }) => certificateId(identity))].map(
      certificate,
    ),
    refusals: merged.flatMap((result) => ('refusals' in result ? result.refusals : [])),
  };
}

/** A Secret's whole name in one string, which no other Secret has. */
export const targetKey = ({ cluster, namespace, secret }: Target): string =>
  `${cluster}/${namespace}/${secret}`;

type Merged = Readonly<{ target: Target; identity: CertificateIdentity }>;

function mergedRequest(
  requests: readonly Request[],
  rules: Pick<Rules, 'issuers'>,
): Merged | Readonly<{ refusals: readonly Refusal[] }> {
  const [{ target, issuer }] = requests as readonly [Request];
  const other = requests.find((request) => request.issuer !== issuer);
  if (other) return refused(requests, 'issuers-conflict', conflict(requests[0] as Request, other));
  const names = nameSet(requests.flatMap((request) => request.names));
  if (names.length > MOST_NAMES)
    return refused(
      requests,
      'too-many-names',
      `Secret ${target.secret} is asked for with ${names.length} names; a certificate holds at most ${MOST_NAMES}, so split it into several Secrets`,
    );
  // A request with an issuer that is not configured was refused before.
  const { keyType } = rules.issuers[issuer] as Rules['issuers'][string];
  return { target, identity: { names, issuer, keyType } };
}

const refused = (
  requests: readonly Request[],
  reason: 'issuers-conflict' | 'too-many-names',
  message: string,
) => ({
  refusals: requests.map(({ source }) => refusal(source, reason, message)),
});

const conflict = (one: Request, other: Request) =>
  `Secret ${one.target.secret} is asked for from issuer ${one.issuer} by ${described(one.source)} and from ${other.issuer} by ${described(other.source)}; name one issuer or two Secrets`;

const described = ({ kind, namespace, name }: Source) => `${kind} ${namespace}/${name}`;

function certificate([id, merged]: readonly [string, readonly Merged[]]): DesiredCertificate {
  const [{ identity }] = merged as readonly [Merged];
  const targets = merged.map(({ target }) => target);
  return { id, identity, targets, askers: askersOf(targets) };
}

/** The clusters and namespaces of some targets, each once. */
export function askersOf(targets: readonly Target[]): readonly Asker[] {
  const byKey = new Map(
    targets.map(({ cluster, namespace }) => [`${cluster}/${namespace}`, { cluster, namespace }]),
  );
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, asker]) => asker);
}
