import type { KeyType } from './certificate.ts';
import type {
  Asker,
  CertificateRecord,
  Failure,
  IssuedCertificate,
  ManualRequest,
  SavedChallenge,
  Target,
} from './record.ts';

/** The annotations of a certificate's secret, or what is wrong with them. */
export type ParsedRecord = Readonly<{ record: CertificateRecord } | { problem: string }>;

/** The form of the annotations. A program reads this one and those before; what has a higher one was written by a newer program and is left alone. */
const FORMAT = 1;
const RESTORE =
  'restore its annotations, or delete the secret to have the certificate issued again';
const LONGEST_ASKERS = 1024;
const LONGEST_MESSAGE = 400;
const LONGEST_LEFT = 2048;
const MOST_FAILED = 5;
// All annotations of a secret have 16 KiB, those of others among them.
const MOST_BYTES = 15 * 1024;

/**
 * The record as annotations, each a short text that a person can read with gcloud. Empty fields are left out, and the names where all
 * together would not fit: TXT values of an open order can be looked up nowhere else.
 */
export function recordAnnotations(record: CertificateRecord): Annotations {
  const whole = annotationsOf(record);
  return isFitting(whole) ? whole : annotationsOf(withoutNames(record));
}

/** Whether the record fits into the annotations, if need be without its names. */
export const fits = (record: CertificateRecord): boolean =>
  isFitting(annotationsOf(withoutNames(record)));

type Annotations = Readonly<Record<string, string>>;

const withoutNames = (record: CertificateRecord): CertificateRecord => ({
  ...record,
  identity: { ...record.identity, names: undefined },
});

const encoder = new TextEncoder();

const isFitting = (annotations: Annotations): boolean =>
  encoder.encode(Object.entries(annotations).flat().join('')).length <= MOST_BYTES;

function annotationsOf(record: CertificateRecord): Annotations {
  const { failure, delivered, challenges, askers } = record;
  const fields = {
    identity: record.identity,
    askers: askers.length > 0 ? namespacesByCluster(abridged(askers)) : undefined,
    manual: record.manual && { ...record.manual, targets: record.manual.targets.map(targetText) },
    lease: record.lease,
    order: record.order,
    challenges: challenges.length > 0 ? valuesByZone(challenges) : undefined,
    issued: record.issued,
    failure: failure && { ...failure, message: failure.message.slice(0, LONGEST_MESSAGE) },
    delivered: delivered && {
      ...delivered,
      failed: delivered.failed
        .slice(0, MOST_FAILED)
        .map((text) => text.slice(0, LONGEST_MESSAGE / 2)),
    },
  };
  const texts = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, JSON.stringify(value)]],
  );
  return { format: String(FORMAT), ...Object.fromEntries(texts) };
}

/** The names of every annotation that is ours: what is absent from `recordAnnotations` is to be removed, everything else is another's. */
export const RECORD_FIELDS: readonly string[] = [
  'format',
  'identity',
  'askers',
  'manual',
  'lease',
  'order',
  'challenges',
  'issued',
  'failure',
  'delivered',
];

/** Each zone and owner once: a hundred names must fit into the annotations. */
function valuesByZone(challenges: readonly SavedChallenge[]) {
  const zones = Map.groupBy(challenges, ({ project, zone }) => `${project}/${zone}`);
  return Object.fromEntries([...zones].map(([place, of]) => [place, valuesByOwner(of)]));
}

const valuesByOwner = (challenges: readonly SavedChallenge[]) =>
  Object.fromEntries(
    [...Map.groupBy(challenges, ({ owner }) => owner)].map(([owner, of]) => [
      owner,
      of.map(({ value }) => value),
    ]),
  );

/**
 * Of the values that could not be removed, those that are remembered while a new order is open: beyond 2 KiB the oldest are given up,
 * or they would push its own values out of what the annotations hold (16 KiB).
 */
export const remembered = (left: readonly SavedChallenge[]): readonly SavedChallenge[] =>
  JSON.stringify(valuesByZone(left)).length <= LONGEST_LEFT ? left : remembered(left.slice(1));

const targetText = ({ cluster, namespace, secret }: Target) => `${cluster}/${namespace}/${secret}`;

/** The askers as a record holds them: beyond a kibibyte a cluster's namespaces become "*", and sync reads the whole cluster to find the targets. */
export function abridged(askers: readonly Asker[]): readonly Asker[] {
  if (JSON.stringify(namespacesByCluster(askers)).length <= LONGEST_ASKERS) return askers;
  const clusters = new Set(askers.map(({ cluster }) => cluster));
  return [...clusters].map((cluster) => ({ cluster, namespace: '*' }));
}

const namespacesByCluster = (
  askers: readonly Asker[],
): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    [...Map.groupBy(askers, ({ cluster }) => cluster)].map(([cluster, of]) => [
      cluster,
      of.map(({ namespace }) => namespace),
    ]),
  );

/** Reads the annotations back. A person may have edited them, so each value is checked. */
export function parseRecord(annotations: Readonly<Record<string, string>>): ParsedRecord {
  const { format = 'none' } = annotations;
  if (Number(format) > FORMAT)
    return {
      problem: `has record format ${format}, which a newer program wrote, so it is left alone; deploy that program again, for this one knows ${FORMAT}`,
    };
  if (format !== String(FORMAT))
    return { problem: `has record format ${format}, this program writes ${FORMAT}; ${RESTORE}` };
  try {
    return { record: parsedFields(annotations) };
  } catch (error) {
    return {
      problem: `has an annotation that is not as it was written: ${(error as Error).message}; ${RESTORE}`,
    };
  }
}

function parsedFields(annotations: Readonly<Record<string, string>>): CertificateRecord {
  const field = <T>(name: string, parse: (value: Json) => T): T | undefined => {
    const text = annotations[name];
    return text === undefined ? undefined : parse({ value: JSON.parse(text), where: name });
  };
  const identity = field('identity', parseIdentity);
  if (!identity) throw new Error('identity is missing');
  return {
    identity,
    askers: field('askers', parseAskers) ?? [],
    manual: field('manual', parseManual),
    lease: field('lease', (json) => ({
      holder: text(at(json, 'holder')),
      until: date(at(json, 'until')),
    })),
    order: field('order', (json) => ({
      url: text(at(json, 'url')),
      after: count(at(json, 'after')),
      at: optional(at(json, 'at'), date),
      directory: optional(at(json, 'directory'), text),
      key: optional(at(json, 'key'), count),
    })),
    challenges: field('challenges', parseChallenges) ?? [],
    issued: field('issued', parseIssued),
    failure: field('failure', parseFailure),
    delivered: field('delivered', (json) => ({
      version: count(at(json, 'version')),
      at: date(at(json, 'at')),
      failed: list(at(json, 'failed'), text),
    })),
  };
}

const parseIdentity = (json: Json): CertificateRecord['identity'] => ({
  names: optional(at(json, 'names'), (names) => list(names, text)),
  namesDigest: text(at(json, 'namesDigest')),
  issuer: text(at(json, 'issuer')),
  keyType: keyType(at(json, 'keyType')),
});

const parseAskers = (json: Json): readonly Asker[] =>
  Object.keys(object(json)).flatMap((cluster) =>
    list(at(json, cluster), (namespace) => ({ cluster, namespace: text(namespace) })),
  );

const parseManual = (json: Json): ManualRequest => ({
  targets: list(at(json, 'targets'), parseTarget),
  by: text(at(json, 'by')),
  at: date(at(json, 'at')),
});

function parseTarget(json: Json): Target {
  const [cluster, namespace, secret, ...rest] = text(json).split('/');
  if (!cluster || !namespace || !secret || rest.length > 0)
    throw unlike(json, 'CLUSTER/NAMESPACE/SECRET');
  return { cluster, namespace, secret };
}

const parseChallenges = (json: Json): readonly SavedChallenge[] =>
  Object.keys(object(json)).flatMap((place) => {
    const [project, zone, ...rest] = place.split('/');
    if (!project || !zone || rest.length > 0) throw unlike(json, 'PROJECT/ZONE');
    const owners = at(json, place);
    return Object.keys(object(owners)).flatMap((owner) =>
      list(at(owners, owner), (value) => ({ project, zone, owner, value: text(value) })),
    );
  });

const parseIssued = (json: Json): IssuedCertificate => ({
  version: count(at(json, 'version')),
  serial: text(at(json, 'serial')),
  fingerprint: text(at(json, 'fingerprint')),
  notBefore: date(at(json, 'notBefore')),
  notAfter: date(at(json, 'notAfter')),
});

const parseFailure = (json: Json): Failure => ({
  code: text(at(json, 'code')),
  message: text(at(json, 'message')),
  count: count(at(json, 'count')),
  retryAt: date(at(json, 'retryAt')),
  ...(at(json, 'isWish').value === true && { isWish: true }),
});

type Json = Readonly<{ value: unknown; where: string }>;

const unlike = ({ where }: Json, expected: string) => new Error(`${where} is not ${expected}`);

function object(json: Json): Readonly<Record<string, unknown>> {
  const { value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unlike(json, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

const at = (json: Json, key: string): Json => ({
  value: object(json)[key],
  where: `${json.where}.${key}`,
});

const optional = <T>(json: Json, parse: (value: Json) => T): T | undefined =>
  json.value === undefined ? undefined : parse(json);

function list<T>(json: Json, item: (json: Json) => T): readonly T[] {
  if (!Array.isArray(json.value)) throw unlike(json, 'a list');
  return json.value.map((value, index) => item({ value, where: `${json.where}[${index}]` }));
}

function text(json: Json): string {
  if (typeof json.value !== 'string') throw unlike(json, 'a text');
  return json.value;
}

function count(json: Json): number {
  if (!Number.isSafeInteger(json.value)) throw unlike(json, 'a whole number');
  return json.value as number;
}

function date(json: Json): Date {
  const moment = new Date(text(json));
  if (Number.isNaN(moment.getTime())) throw unlike(json, 'a time');
  return moment;
}

function keyType(json: Json): KeyType {
  if (json.value !== 'ec-p256' && json.value !== 'rsa-2048') throw unlike(json, 'a key type');
  return json.value;
}
