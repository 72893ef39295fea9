import type { Sensitive } from '../../sensitive.ts';

/** How one cluster is reached and who we are there. Everything is inline: nothing is read from a disk or run to get at it. */
export type ClusterAccess = Readonly<{
  /** https URL of the API server; may have a path. */
  server: string;
  /** PEM of the only authorities that its certificate may come from; undefined: the public ones. */
  ca: string | undefined;
  credentials:
    | Readonly<{ kind: 'token'; token: Sensitive }>
    | Readonly<{ kind: 'certificate'; certificate: string; key: Sensitive }>
    /** Short-lived access tokens, asked for before every call; `grantee` is to whom what is missing is to be granted, as ` to EMAIL`. */
    | Readonly<{
        kind: 'google';
        token: () => Promise<string>;
        grantee?: (() => string) | undefined;
      }>;
}>;
