import type {
  CertificateReader,
  CertificateRecords,
  CertificateVersions,
  CertificateWriter,
  KeyVault,
} from '../../ports.ts';
import type { GoogleApiOptions } from '../google-client.ts';
import { createSecretManagerApi, type Replication } from './api.ts';
import { createCertificateRecords } from './records.ts';
import { createKeyVault } from './vault.ts';
import {
  createCertificateReader,
  createCertificateVersions,
  createCertificateWriter,
} from './versions.ts';

export type SecretManagerOptions = GoogleApiOptions &
  Readonly<{
    project: string;
    installation: string;
    /** `projects/P/topics/T`, told by Secret Manager of each new version of a certificate. */
    topic: string;
    /** Where new secrets lie; none: Google chooses. `kmsKey` is the name of a Cloud KMS key in that place. */
    replicas: readonly Readonly<{ location: string; kmsKey?: string | undefined }>[];
  }>;

/** Every port that Secret Manager stands behind; what a function may do with them is for its account to say. */
export type Secrets = Readonly<{
  records: CertificateRecords;
  versions: CertificateVersions;
  writer: CertificateWriter;
  reader: CertificateReader;
  vault: KeyVault;
}>;

/** The ports of one installation, over one client: making a client takes a tenth of a second. */
export function createSecrets(options: SecretManagerOptions): Secrets {
  const { project, installation, topic, replicas } = options;
  const secrets = {
    api: createSecretManagerApi(project, options),
    installation,
    replication: replicationIn(replicas),
  };
  return {
    records: createCertificateRecords({ ...secrets, topic }),
    versions: createCertificateVersions(secrets),
    writer: createCertificateWriter(secrets),
    reader: createCertificateReader(secrets),
    vault: createKeyVault(secrets),
  };
}

// https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets#Replication
const replicationIn = (replicas: SecretManagerOptions['replicas']): Replication =>
  replicas.length === 0
    ? { automatic: {} }
    : {
        userManaged: {
          replicas: replicas.map(({ location, kmsKey }) => ({
            location,
            ...(kmsKey && { customerManagedEncryption: { kmsKeyName: kmsKey } }),
          })),
        },
      };
