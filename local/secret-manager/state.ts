import { GoogleFault } from '../google-api.ts';
import type { Policy } from '../wire/policy.ts';

/** A secret as the API shows it (https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets). */
export type Secret = Readonly<{
  name: string;
  createTime: string;
  replication: Replication;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  topics?: readonly Readonly<{ name: string }>[];
  /** Alias to version number, which travels as a string. */
  versionAliases?: Readonly<Record<string, string>>;
  /** With its quotes, as AIP-154 wants it. */
  etag: string;
}>;

type Replica = Readonly<{
  location: string;
  customerManagedEncryption?: Readonly<{ kmsKeyName: string }> | undefined;
}>;

export type Replication = Readonly<
  | { automatic: Readonly<Record<string, never>> }
  | { userManaged: Readonly<{ replicas: readonly Replica[] }> }
>;

export type ReplicationStatus = Readonly<
  | { automatic: Readonly<Record<string, never>> }
  | {
      userManaged: Readonly<{
        replicas: readonly Readonly<{
          location: string;
          customerManagedEncryption?: Readonly<{ kmsKeyVersionName: string }>;
        }>[];
      }>;
    }
>;

/** A version as the API shows it. */
export type SecretVersion = Readonly<{
  name: string;
  createTime: string;
  destroyTime?: string;
  state: 'ENABLED' | 'DISABLED' | 'DESTROYED';
  replicationStatus: ReplicationStatus;
  etag: string;
  clientSpecifiedPayloadChecksum?: true;
}>;

/** `data` is base64, and gone once the version is destroyed. */
export type StoredVersion = Readonly<{ version: SecretVersion; data?: string }>;

/** `born` grows with each new secret; version number n stands at index n - 1. */
export type StoredSecret = Readonly<{
  born: number;
  secret: Secret;
  versions: readonly StoredVersion[];
  policy?: Policy;
}>;

/** Everything the stand-in remembers, as JSON. `secrets` goes by full name, oldest first. */
export type SecretManagerState = {
  changes: number;
  projects: string[];
  secrets: Record<string, StoredSecret>;
};

export const emptyState = (): SecretManagerState => ({ changes: 0, projects: [], secrets: {} });

const FIRST_PROJECT_NUMBER = 123_456_789_012;

/** `projects/NUMBER` for a project's id or number; ids get numbers in the order in which they are seen. */
export function projectName(state: SecretManagerState, project: string): string {
  if (/^\d+$/.test(project)) return `projects/${project}`;
  if (!state.projects.includes(project)) state.projects.push(project);
  return `projects/${FIRST_PROJECT_NUMBER + state.projects.indexOf(project)}`;
}

export function secretName(state: SecretManagerState, project: string, secret: string): string {
  return `${projectName(state, project)}/secrets/${secret}`;
}

/** Throws NOT_FOUND. */
export function storedSecret(state: SecretManagerState, name: string): StoredSecret {
  const found = state.secrets[name];
  if (!found) throw new GoogleFault('NOT_FOUND', `Secret [${name}] not found.`);
  return found;
}

/** A number that was never given before, not even to a secret that is deleted by now. */
export function nextChange(state: SecretManagerState): number {
  state.changes += 1;
  return state.changes;
}

const FIRST_ETAG = 0x16_0000_0000_0000;

/** An etag no resource had before. */
export const nextEtag = (state: SecretManagerState): string =>
  `"${(FIRST_ETAG + nextChange(state)).toString(16)}"`;

/** No etag means no check; a stale one is 400, as https://cloud.google.com/secret-manager/docs/etags says. */
export function checkEtag(given: string | undefined, current: string): void {
  if (!given || given === current) return;
  throw new GoogleFault(
    'FAILED_PRECONDITION',
    `The etag provided does not match the current etag: ${given} was given, ${current} is stored.`,
  );
}
