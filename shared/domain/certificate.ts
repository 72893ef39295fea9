import { hash } from 'node:crypto';

export type KeyType = 'ec-p256' | 'rsa-2048';

/**
 * What makes a certificate this certificate and no other: a set of names as `nameSet` leaves it, the issuer's
 * configured name and the key type. Identical requests share one.
 */
export type CertificateIdentity = Readonly<{
  names: readonly string[];
  issuer: string;
  keyType: KeyType;
}>;

// Leaves room for an installation, a prefix and the hash in the 255 characters of a secret's id.
const LONGEST_SLUG = 80;

/** A readable slug of the first name, and 32 hex digits of the hash of the whole identity. */
export function certificateId({ names, issuer, keyType }: CertificateIdentity): string {
  const slug = (names[0] ?? '')
    .replace('*', 'wildcard')
    .replaceAll('.', '-')
    .slice(0, LONGEST_SLUG);
  return `${slug}-${digest([issuer, keyType, ...names]).slice(0, 32)}`;
}

/** Whether a text has the form of a certificate's id: whoever may edit a Secret writes into it what it serves. */
export const isCertificateId = (text: string): boolean => /^[a-z0-9][a-z0-9-]*$/.test(text);

/** What the id of every certificate's secret begins with; the certificate's own id follows. */
export const certificateSecretPrefix = (installation: string): string => `${installation}-cert-`;

/** SHA-256 in lower-case hex over parts that cannot run into each other. */
export const digest = (parts: readonly string[]): string => hash('sha256', JSON.stringify(parts));

/** A number in [0, 1) that is always the same for the same text: spreads what must not happen all at once. */
export const spread = (text: string): number =>
  Number.parseInt(digest([text]).slice(0, 8), 16) / 0x1_0000_0000;
