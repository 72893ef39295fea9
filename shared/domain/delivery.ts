import type { IssuedCertificate } from './record.ts';

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
