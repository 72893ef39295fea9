import type { ServerIdentity } from '../tls.ts';
import type { ProblemDocument } from './problem.ts';

/** The members of a public key that matter, as RFC 7638 orders them. */
export type PublicJwk = Readonly<Record<string, string>>;

export type Account = Readonly<{
  id: string;
  status: 'valid' | 'deactivated';
  contact: readonly string[];
  jwk: PublicJwk;
  /** RFC 7638, base64url: what key authorizations are made of. */
  thumbprint: string;
}>;

/** One name of one order, or of several when valid ones are reused, with its only challenge (dns-01). */
export type Authorization = Readonly<{
  id: string;
  account: string;
  /** Without the `*.` of a wildcard. */
  name: string;
  wildcard: boolean;
  token: string;
  expires: string;
  deactivated: boolean;
  challenge: 'pending' | 'processing' | 'valid' | 'invalid';
  validated?: string;
  error?: ProblemDocument;
}>;

/** The status of an order is never stored: `statusOfOrder` derives it from what happened. */
export type Order = Readonly<{
  id: string;
  account: string;
  names: readonly string[];
  authorizations: readonly string[];
  expires: string;
  /** DER, base64url; present once finalize was accepted. */
  csr?: string;
  certificate?: string;
  error?: ProblemDocument;
}>;

type Certificate = Readonly<{ id: string; account: string; chain: string }>;

/** PEM certificates, and the issuing key as base64 PKCS #8. The root's own key is thrown away once it signed. */
export type Authority = Readonly<{
  root: string;
  intermediate: string;
  intermediateKey: string;
}>;

/** What a table holds under an id that a caller chose, who may name what every object inherits. */
export const entryOf = <Entry>(
  table: Readonly<Record<string, Entry>>,
  id: string,
): Entry | undefined => (Object.hasOwn(table, id) ? table[id] : undefined);

/** All that the CA remembers. Nonces are not part of it: after a restart the old ones are refused, as a real CA may. */
export type AcmeCaState = {
  authority: Authority;
  tls: ServerIdentity;
  accounts: Record<string, Account>;
  orders: Record<string, Order>;
  authorizations: Record<string, Authorization>;
  certificates: Record<string, Certificate>;
};
