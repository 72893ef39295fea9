import { type CertificateIdentity, certificateId, digest, type KeyType } from './certificate.ts';

/** A Secret in a namespace of a cluster that gets a certificate. */
export type Target = Readonly<{ cluster: string; namespace: string; secret: string }>;

/** Where a certificate is asked for. Targets are derived again from this at each delivery: a thousand would not fit a record. */
export type Asker = Readonly<{ cluster: string; namespace: string }>;

/** What a person asked for by hand; stays wanted. At most 20 targets. */
export type ManualRequest = Readonly<{ targets: readonly Target[]; by: string; at: Date }>;

/** Who is working on the certificate. It binds until `until` or until its holder gives it back. */
export type Lease = Readonly<{ holder: string; until: Date }>;

/**
 * An order at the CA, the newest version there was when it was placed (a newer one is this order's certificate), the moment of it, the
 * ACME directory it was placed at, and the version in the vault of the key it is to be finalized with. Records of earlier programs lack
 * the last three; none has a key before there is one.
 */
export type SavedOrder = Readonly<{
  url: string;
  after: number;
  at?: Date | undefined;
  directory?: string | undefined;
  key?: number | undefined;
}>;

/** An order whose age is known. */
export type DatedOrder = SavedOrder & Readonly<{ at: Date }>;

/** A TXT value of ours, recorded before it is written, so that it can be removed after any crash. */
export type SavedChallenge = Readonly<{
  project: string;
  zone: string;
  owner: string;
  value: string;
}>;

/** A version of the certificate, as far as no key is needed to know it. `serial` and `fingerprint` (SHA-256 of the DER) are lower-case hex. */
export type IssuedCertificate = Readonly<{
  version: number;
  serial: string;
  fingerprint: string;
  notBefore: Date;
  notAfter: Date;
}>;

/**
 * The last attempts that failed, in a row, and the moment before which nothing is tried. `isWish` where a person asked for the last one:
 * it is made again, due or not.
 */
export type Failure = Readonly<{
  code: string;
  message: string;
  count: number;
  retryAt: Date;
  isWish?: true | undefined;
}>;

/**
 * The newest version that was written to every target it could be, and what stood in the way of others. While a delivery is open, the
 * version before that one (0 before the first), and what keeps it open as well.
 */
export type Delivery = Readonly<{ version: number; at: Date; failed: readonly string[] }>;

/**
 * What is known about a certificate, kept in the annotations of its secret, one annotation a field, so that a whole
 * fleet is read with one list and no key. `names` are undefined where they were left out for want of room: the digest stands for them.
 */
export type CertificateRecord = Readonly<{
  identity: Readonly<{
    names: readonly string[] | undefined;
    namesDigest: string;
    issuer: string;
    keyType: KeyType;
  }>;
  askers: readonly Asker[];
  manual: ManualRequest | undefined;
  lease: Lease | undefined;
  order: SavedOrder | undefined;
  challenges: readonly SavedChallenge[];
  issued: IssuedCertificate | undefined;
  failure: Failure | undefined;
  delivered: Delivery | undefined;
}>;

/** A certificate's record as it was read: `etag` makes the next write a compare-and-swap. */
export type StoredRecord = Readonly<{
  id: string;
  etag: string;
  createdAt: Date;
  record: CertificateRecord;
}>;

/** A version of a certificate's secret; `number` counts from 1. */
export type VersionState = Readonly<{
  number: number;
  state: 'enabled' | 'disabled' | 'destroyed';
}>;

/** A record of a certificate that was never worked on. */
export function newRecord(
  identity: CertificateIdentity,
  asked: Pick<CertificateRecord, 'askers' | 'manual'>,
): CertificateRecord {
  const { names, issuer, keyType } = identity;
  return {
    identity: { names, namesDigest: digest(names), issuer, keyType },
    askers: asked.askers,
    manual: asked.manual,
    lease: undefined,
    order: undefined,
    challenges: [],
    issued: undefined,
    failure: undefined,
    delivered: undefined,
  };
}

/** Whether anything asks for the certificate, as far as the last look at the clusters showed. */
export const isWanted = ({ askers, manual }: CertificateRecord): boolean =>
  askers.length > 0 || manual !== undefined;

/** The record whose order, if it has one, is to be finalized with that version of its key. */
export const keyed = (record: CertificateRecord, key: number | undefined): CertificateRecord =>
  record.order ? { ...record, order: { ...record.order, key } } : record;

const ORDER_LIFE_MS = 7 * 86_400_000;

/**
 * Whether an order is worth asking that directory for. Its URL does not tell: it may be on any host. After a week, the life of an
 * order at Let's Encrypt, none is, nor one of unknown age, or a CA that is gone would hold up a certificate for good.
 */
export function isAskable(order: SavedOrder, asked: string, now: Date): order is DatedOrder {
  const { at, directory = asked } = order;
  return at !== undefined && now.getTime() - at.getTime() < ORDER_LIFE_MS && directory === asked;
}

/** Whether the record is that of this very identity: the id's hash alone is not trusted with a key. */
export function isRecordOf(
  { identity }: CertificateRecord,
  { names, issuer, keyType }: CertificateIdentity,
): boolean {
  return hasNames(identity, names) && identity.issuer === issuer && identity.keyType === keyType;
}

// The digest is for names that are too many to be there; hashing ten thousand sets at each tick would be felt.
const hasNames = (
  { names, namesDigest }: CertificateRecord['identity'],
  wanted: readonly string[],
) => (names ? names.join() === wanted.join() : namesDigest === digest(wanted));

/**
 * Whether the record is that of the certificate in whose secret it stands, as far as it holds the names: one that was edited into
 * another certificate's must lead no key to whoever asks for this one, and none of this one's names to a CA.
 */
export function isOwn(id: string, { identity }: CertificateRecord): boolean {
  const { names, namesDigest, issuer, keyType } = identity;
  if (!names) return true;
  return namesDigest === digest(names) && certificateId({ names, issuer, keyType }) === id;
}
