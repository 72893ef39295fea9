import pLimit from 'p-limit';
import {
  type Held,
  heldBack,
  lagsBehind,
  mayHold,
  type SecretMetadata,
  shortcoming,
  standing,
} from '../domain/delivery.ts';
import { targetKey } from '../domain/grouping.ts';
import type { IssuedCertificate, StoredRecord, Target, VersionState } from '../domain/record.ts';
import { renewal } from '../domain/renewal.ts';
import type { Rules } from '../domain/request.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type {
  Bundle,
  CertificateReader,
  CertificateRecords,
  CertificateVersions,
  Pki,
  Time,
  Writers,
} from '../ports.ts';

export type DeliverPorts = Readonly<{
  writers: Writers;
  records: Pick<CertificateRecords, 'read'>;
  versions: CertificateVersions;
  reader: CertificateReader;
  pki: Pick<Pki, 'describe'>;
  time: Pick<Time, 'now'>;
}>;

/**
 * How a target ended. `failed` may work the next time, `refused` needs a person to see to the Secret, `withheld` to the version or the
 * rules, which do not give the Secret every name of it. `held` is what keeps a better certificate until this one is renewed.
 */
export type Written = Readonly<{
  target: Target;
  state: 'written' | 'unchanged' | 'held' | 'refused' | 'withheld' | 'failed';
  reason: string | undefined;
}>;

/**
 * What is to be delivered to whom. `names` are the certificate's, undefined when nobody knows them now; `atLeast` is the newest version
 * that is known to exist.
 */
export type Consignment = Readonly<{
  stored: StoredRecord;
  names: readonly string[] | undefined;
  recipients: readonly Recipient[];
  atLeast: number;
}>;

/** A version and what is in it, with all the versions there were. One that `isExpired` is known, and goes nowhere. */
export type Newest = Readonly<{
  bundle: Bundle;
  issued: IssuedCertificate;
  names: readonly string[];
  listed: readonly VersionState[];
  isExpired: boolean;
}>;

/**
 * The newest enabled version, or undefined when none is enabled: the newest enabled version is the certificate. Throws
 * `store-unavailable` while the list lags behind what is known to exist, and `certificate-invalid` for a version, imported by
 * hand, that would be worse than what is served. One that has expired is no fault unless another one is recorded that is enabled and good:
 * it is what there is, and has to be known to be renewed.
 */
async function newestVersion(
  { stored: { id, record }, names: wanted, atLeast }: Consignment,
  { versions, reader, pki, time }: DeliverPorts,
): Promise<Newest | undefined> {
  const listed = await versions.list(id);
  if (lagsBehind(listed, atLeast))
    throw new CertificateError(
      'store-unavailable',
      `version ${atLeast} of certificate ${id} is not listed yet; lists lag behind, so it is tried again`,
    );
  const version = listed.find(({ state }) => state === 'enabled')?.number;
  if (version === undefined) return undefined;
  const bundle = await reader.read(id, version);
  const { names, ...described } = pki.describe(bundle);
  const newest = { bundle, issued: { version, ...described }, names, listed };
  const others = listed.filter(({ number, state }) => number !== version && state === 'enabled');
  const now = time.now();
  const isBetter = ({ number }: VersionState) =>
    number === record.issued?.version && record.issued.notAfter > now;
  if (described.notAfter <= now && !others.some(isBetter)) return { ...newest, isExpired: true };
  // What is recorded was good for its names when it was.
  const isRecorded = described.fingerprint === record.issued?.fingerprint;
  const problem =
    wanted || isRecorded
      ? shortcoming({ ...described, names }, wanted ?? [], now)
      : 'for names that nobody can check: its record has no room for them, and nothing asks for them now';
  if (problem)
    throw new CertificateError(
      'certificate-invalid',
      `version ${version} of certificate ${id} is ${problem}; disable it, and ${others.length > 0 ? 'the one before is used' : 'another is issued'}`,
    );
  return { ...newest, isExpired: false };
}

const MOST_ROUNDS = 5;
const AT_ONCE = 8;

/**
 * Writes the newest enabled version into the targets. In each round every Secret is looked at before the version is chosen, and is
 * written only if it is still what was looked at: so a stalled worker never puts an older certificate over a newer one.
 * undefined when no version is enabled.
 */
export async function deliver(
  consignment: Consignment,
  ports: DeliverPorts,
  rules: Rules,
): Promise<Readonly<{ newest: Newest; written: readonly Written[] }> | undefined> {
  const limit = pLimit(AT_ONCE);
  const written: Written[] = [];
  let open = consignment.recipients;
  for (let round = 1; ; round += 1) {
    const looks = await Promise.all(open.map((target) => limit(() => look(target, ports))));
    const newest = await newestVersion(consignment, ports);
    if (!newest) return undefined;
    if (newest.isExpired) return { newest, written };
    const writing: Writing = { consignment, newest, ports, rules };
    const results = await Promise.all(looks.map((seen) => limit(() => tried(seen, writing))));
    written.push(...results.filter((result) => result !== undefined));
    open = open.filter((_, index) => results[index] === undefined);
    if (open.length === 0) return { newest, written };
    if (round === MOST_ROUNDS) return { newest, written: [...written, ...open.map(contested)] };
  }
}

/**
 * A Secret, and what the certificate has to do with it: `asked` for; `partly` asked for, so that it goes where nothing or an older
 * version of it is; or only still `served`, so that it goes where an older version of it is.
 */
export type Recipient = Readonly<{ target: Target; claim: 'asked' | 'partly' | 'served' }>;

const mayReplace = (claim: Recipient['claim'], serves: string | undefined, id: string): boolean =>
  claim === 'asked' || serves === id || (claim === 'partly' && serves === undefined);

const contested = ({ target }: Recipient): Written => ({
  target,
  state: 'failed',
  reason: 'others keep writing into it',
});

type Look = Recipient & Readonly<{ secret: SecretMetadata | undefined } | { failure: Written }>;

async function look(recipient: Recipient, { writers }: DeliverPorts): Promise<Look> {
  const { target } = recipient;
  try {
    return {
      ...recipient,
      secret: await (await writers(target.cluster)).secret(target.namespace, target.secret),
    };
  } catch (error) {
    return { ...recipient, failure: failure(target, error) };
  }
}

function failure(target: Target, error: unknown): Written {
  const isFinal = error instanceof CertificateError && !error.retryable;
  return { target, state: isFinal ? 'refused' : 'failed', reason: messageOf(error) };
}

type Writing = Readonly<{
  consignment: Consignment;
  newest: Newest;
  ports: DeliverPorts;
  rules: Rules;
}>;

/** undefined when somebody wrote in between. */
async function tried(seen: Look, writing: Writing): Promise<Written | undefined> {
  if ('failure' in seen) return seen.failure;
  try {
    return await write(seen, writing);
  } catch (error) {
    return failure(seen.target, error);
  }
}

async function write(
  { target, claim, secret }: Extract<Look, { secret: unknown }>,
  writing: Writing,
): Promise<Written | undefined> {
  const { newest, ports, rules } = writing;
  const { stored } = writing.consignment;
  const stands = standing(
    secret ? { state: 'present', secret } : { state: 'absent' },
    { id: stored.id, issued: newest.issued },
    rules.installation,
  );
  if (stands.state === 'current') return { target, state: 'unchanged', reason: undefined };
  if (stands.state !== 'behind') return { target, state: 'refused', reason: stands.message };
  if (!mayReplace(claim, stands.serves, stored.id))
    return { target, state: 'unchanged', reason: 'it holds another certificate by now' };
  if (!mayHold(target, newest.names, rules)) return withheld(target, newest, rules);
  const taken = await takenBy(target, stands.serves, writing);
  if (taken)
    return {
      target,
      state: 'refused',
      reason: `certificate ${taken} was asked for it later, by hand`,
    };
  const held = secret && (await heldBy(secret, writing));
  if (held) return { target, state: held.state, reason: held.message };
  const writer = await ports.writers(target.cluster);
  const result = await writer.apply(
    target,
    { certificate: stored.id, ...newest.issued, bundle: newest.bundle },
    secret,
  );
  return result === 'applied' ? { target, state: 'written', reason: stands.reason } : undefined;
}

/** Whoever asks may have the names that are asked for; a version that was added by hand may have more. */
function withheld(target: Target, { names, issued }: Newest, rules: Rules): Written {
  const name = names.find((candidate) => !mayHold(target, [candidate], rules));
  return {
    target,
    state: 'withheld',
    reason: `may not have ${name}, which is in version ${issued.version}; add it to "allow" of cluster ${target.cluster}, or disable the version`,
  };
}

/** A person's later word for the same Secret stands in another certificate's record; this one must not write over it. */
async function takenBy(
  target: Target,
  serves: string | undefined,
  { consignment: { stored }, ports }: Writing,
): Promise<string | undefined> {
  const mine = stored.record.manual;
  if (!serves || serves === stored.id || !mine || !hasTarget(mine.targets, target))
    return undefined;
  const other = (await ports.records.read(serves))?.record.manual;
  return other && hasTarget(other.targets, target) && other.at > mine.at ? serves : undefined;
}

/** What is due to be renewed does not take the place of something better: it is renewed first. */
async function heldBy(
  { certificate: serves, fingerprint }: SecretMetadata,
  { consignment: { stored, names }, newest: { issued }, ports }: Writing,
): Promise<Held | undefined> {
  const now = ports.time.now();
  if (!serves || serves === stored.id || renewal(issued, now).at > now) return undefined;
  const other = await legible(serves, ports);
  const due = { ...stored.record.identity, names, notAfter: issued.notAfter };
  return other && heldBack(due, other, fingerprint);
}

/** A record; undefined for one that nobody understands, which is no reason against another certificate. */
async function legible(id: string, { records }: DeliverPorts): Promise<StoredRecord | undefined> {
  try {
    return await records.read(id);
  } catch (error) {
    if (error instanceof CertificateError && error.code === 'record-invalid') return undefined;
    throw error;
  }
}

const hasTarget = (targets: readonly Target[], target: Target) =>
  targets.some((other) => targetKey(other) === targetKey(target));
