import { type CertificateIdentity, certificateId } from './certificate.ts';
import { nameSet } from './names.ts';
import type { Asker, Target } from './record.ts';
import {
  type Refusal,
  type RefusalReason,
  type Request,
  type Rules,
  refusal,
  type Source,
} from './request.ts';

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
// With a TXT value for each, so many characters fit into the annotations of a secret (16 KiB).
const MOST_CHARACTERS = 7000;

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
    refusals: merged.flatMap(({ refusals }) => refusals),
  };
}

/** A namespace of a cluster as a key. */
export const placeKey = ({ cluster, namespace }: Asker): string => `${cluster}/${namespace}`;

/** A Secret's whole name in one string, which no other Secret has. */
export const targetKey = ({ cluster, namespace, secret }: Target): string =>
  `${cluster}/${namespace}/${secret}`;

type Merged = Readonly<{
  target: Target;
  identity: CertificateIdentity;
  refusals: readonly Refusal[];
}>;
type NotMerged = Readonly<{ refusals: readonly Refusal[] }>;

function mergedRequest(
  requests: readonly Request[],
  rules: Pick<Rules, 'issuers'>,
): Merged | NotMerged {
  const chosen = decisive(requests);
  const [first] = chosen as readonly [Request];
  const { target, issuer } = first;
  const other = chosen.find((request) => request.issuer !== issuer);
  if (other) return refused(chosen, 'issuers-conflict', conflict(first, other));
  const names = nameSet(chosen.flatMap((request) => request.names));
  if (names.length > MOST_NAMES)
    return refused(
      chosen,
      'too-many-names',
      `Secret ${target.secret} is asked for with ${names.length} names; a certificate holds at most ${MOST_NAMES}, so split it into several Secrets`,
    );
  const characters = names.join('').length;
  if (characters > MOST_CHARACTERS)
    return refused(
      chosen,
      'too-many-names',
      `Secret ${target.secret} is asked for with names of ${characters} characters; at most ${MOST_CHARACTERS} can be kept track of, so split it into several Secrets`,
    );
  // A request with an issuer that is not configured was refused before.
  const { keyType } = rules.issuers[issuer] as Rules['issuers'][string];
  const overruled = requests.filter(
    (request) => !chosen.includes(request) && !isSame(request, names, issuer),
  );
  return {
    target,
    identity: { names, issuer, keyType },
    ...refused(overruled, 'target-taken', taken(first)),
  };
}

/** What the manifests and the configuration say goes before a person's word, and the last word before the earlier ones. */
function decisive(requests: readonly Request[]): readonly Request[] {
  const standing = requests.filter(({ askedAt }) => !askedAt);
  if (standing.length > 0) return standing;
  return requests.toSorted(byLastWord).slice(0, 1);
}

// Two words of one moment are told apart too: the order in which they were read must not decide.
const byLastWord = (a: Request, b: Request) =>
  Number(b.askedAt) - Number(a.askedAt) || (wordOf(a) < wordOf(b) ? -1 : 1);

const wordOf = ({ names, issuer }: Request) => JSON.stringify([nameSet(names), issuer]);

const isSame = (request: Request, names: readonly string[], issuer: string) =>
  request.issuer === issuer && nameSet(request.names).join() === names.join();

const taken = ({ source, target }: Request) =>
  `Secret ${target.secret} gets the certificate that ${described(source)} asks for; name another Secret`;

const refused = (requests: readonly Request[], reason: RefusalReason, message: string) => ({
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

/** The clusters and namespaces of some targets or askers, each once. */
export function askersOf(asking: readonly Asker[]): readonly Asker[] {
  const byKey = new Map(
    asking.map(({ cluster, namespace }) => [
      placeKey({ cluster, namespace }),
      { cluster, namespace },
    ]),
  );
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, asker]) => asker);
}
