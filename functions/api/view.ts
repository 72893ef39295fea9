import type { KeyType } from '../../shared/domain/certificate.ts';
import type {
  Asker,
  CertificateRecord,
  Failure,
  StoredRecord,
  Target,
} from '../../shared/domain/record.ts';
import { renewal } from '../../shared/domain/renewal.ts';

/** `failed` speaks of the last attempt: an earlier version may be in use all the same. */
type CertificateState = 'issued' | 'issuing' | 'failed' | 'requested';

/** A certificate as the outside reads it. What is not known is null. */
export type CertificateView = Readonly<{
  id: string;
  /** null when there are too many for the record. */
  names: readonly string[] | null;
  issuer: string;
  keyType: KeyType;
  state: CertificateState;
  serial: string | null;
  notBefore: Date | null;
  notAfter: Date | null;
  version: number | null;
  renewAt: Date | null;
  failure: Failure | null;
  /** The newest version that was written wherever it could be, and a sentence about each Secret that refused it. */
  delivered: Readonly<{ version: number; at: Date; failed: readonly string[] }> | null;
  /** The Secrets that were named by hand. */
  targets: readonly Target[];
  askers: readonly Asker[];
  createdAt: Date;
}>;

export function certificateView(
  { id, createdAt, record }: StoredRecord,
  now: Date,
): CertificateView {
  const { identity, issued, failure, delivered, manual, askers } = record;
  return {
    id,
    names: identity.names ?? null,
    issuer: identity.issuer,
    keyType: identity.keyType,
    state: stateOf(record, now),
    serial: issued?.serial ?? null,
    notBefore: issued?.notBefore ?? null,
    notAfter: issued?.notAfter ?? null,
    version: issued?.version ?? null,
    renewAt: issued ? renewal(issued, now).at : null,
    failure: failure ?? null,
    delivered: delivered ?? null,
    targets: manual?.targets ?? [],
    askers,
    createdAt,
  };
}

function stateOf({ lease, failure, order, issued }: CertificateRecord, now: Date) {
  if (lease && lease.until > now) return 'issuing';
  if (failure) return 'failed';
  if (order) return 'issuing';
  return issued ? 'issued' : 'requested';
}
