import type { protos, SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { certificateSecretPrefix } from '../../domain/certificate.ts';
import { toAccount } from '../account.ts';
import { clientOptions, type GoogleApiOptions, once } from '../google-client.ts';
import { createRest, type Rest } from '../google-rest.ts';

/** What is used of the library. */
type SecretManagerClient = Pick<
  SecretManagerServiceClient,
  | 'getSecret'
  | 'createSecret'
  | 'updateSecret'
  | 'getSecretVersion'
  | 'addSecretVersion'
  | 'destroySecretVersion'
>;

/** Lists and payloads come by plain REST; one client for all the rest: making it takes a tenth of a second, so it is made at the first call. */
export type SecretManagerApi = Readonly<{
  project: string;
  /** As `toAccount` says. */
  grantee(): string;
  rest: Rest;
  client(): Promise<SecretManagerClient>;
}>;

/** Secret Manager v1 over REST (https://cloud.google.com/secret-manager/docs/reference/rest). */
export const createSecretManagerApi = (
  project: string,
  options: GoogleApiOptions,
): SecretManagerApi => ({
  project,
  grantee: () => toAccount(options.auth.client),
  rest: createRest({ ...options, host: 'secretmanager.googleapis.com' }),
  client: once(async () => {
    // The package's own entry also loads the beta client, which costs 60 ms.
    const { SecretManagerServiceClient } = await import(
      '@google-cloud/secret-manager/build/src/v1/index.js'
    );
    return new SecretManagerServiceClient(clientOptions(options));
  }),
});

export type Replication = protos.google.cloud.secretmanager.v1.IReplication;

/** Whose secrets: `installation` is in their names and labels; new ones get `replication`. */
export type SecretsOptions = Readonly<{
  api: SecretManagerApi;
  installation: string;
  replication: Replication;
}>;

export const secretName = (project: string, id: string): string =>
  `projects/${project}/secrets/${id}`;

/** The secret of a certificate. */
export const certificateSecret = (
  { api, installation }: SecretsOptions,
  certificate: string,
): string => secretName(api.project, `${certificateSecretPrefix(installation)}${certificate}`);

/** What is wrong when a call on a project's secrets fails. The account is known when the call has failed, not before. */
export const storeAttempt = (
  doing: string,
  permission: string,
  { project, grantee }: Pick<SecretManagerApi, 'project' | 'grantee'>,
) =>
  ({
    code: 'store-unavailable',
    doing,
    get grant() {
      return `secretmanager.${permission} on project ${project}${grantee()}`;
    },
  }) as const;
