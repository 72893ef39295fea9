import { setTimeout as sleep } from 'node:timers/promises';
import type { protos } from '@google-cloud/secret-manager';
import type { CallOptions } from 'google-gax';
import type { VersionState } from '../../domain/record.ts';
import { CertificateError } from '../../errors.ts';
import type {
  Bundle,
  CertificateReader,
  CertificateVersions,
  CertificateWriter,
} from '../../ports.ts';
import type { Sensitive } from '../../sensitive.ts';
import { bundleText, parseBundle } from '../bundle.ts';
import {
  absent,
  attempted,
  isUnanswered,
  ONCE,
  REPEATABLE,
  STATUS,
  statusOf,
  translated,
} from '../google-client.ts';
import {
  certificateSecret,
  type SecretManagerApi,
  type SecretsOptions,
  storeAttempt,
} from './api.ts';
import { crc32c } from './crc32c.ts';

/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/list */
export type VersionsPage = Readonly<{
  versions?: readonly Readonly<{ name: string; state?: string }>[];
}>;

const PAGE = '1000';
const ADD_WITHIN_MS = 20_000;
const ADD_TRIES = 12;

export function createCertificateVersions(options: SecretsOptions): CertificateVersions {
  return {
    list: async (id) =>
      (await listVersions(options.api, certificateSecret(options, id)).catch(absent)) ?? [],
  };
}

/** Every version of a secret, newest first. Throws `not-found` when there is no secret. */
export async function listVersions(
  api: SecretManagerApi,
  secret: string,
): Promise<readonly VersionState[]> {
  const attempt = storeAttempt('list the versions of', 'versions.list', api);
  return attempted(secret, attempt, async () => {
    const states: VersionState[] = [];
    // What is neither is of no use, which is all that anybody asks.
    for await (const page of api.rest.pages<VersionsPage>(`v1/${secret}/versions`, {
      pageSize: PAGE,
    }))
      for (const { name, state = '' } of page.versions ?? [])
        states.push({ number: numberOf(name), state: STATES[state] ?? 'disabled' });
    return states;
  });
}

const STATES: Readonly<Record<string, VersionState['state']>> = {
  ENABLED: 'enabled',
  DISABLED: 'disabled',
  DESTROYED: 'destroyed',
};

/** The number at the end of a version's name. */
export const numberOf = (name: string | null | undefined) => Number(name?.split('/').at(-1));

/** Adds certificates; reads none. */
export function createCertificateWriter(options: SecretsOptions): CertificateWriter {
  return { add: (id, bundle, after) => add(options, id, { bundle, after }) };
}

type Addition = Readonly<{ bundle: Bundle; after: number }>;

async function add(
  options: SecretsOptions,
  id: string,
  { bundle, after }: Addition,
): Promise<number> {
  const { api } = options;
  const secret = certificateSecret(options, id);
  const startedAt = Date.now();
  for (let tries = 1; ; tries += 1) {
    try {
      const version = await addVersion(api, secret, { value: bundleText(bundle), calls: ONCE });
      return numberOf(version.name);
    } catch (error) {
      const isLate = Date.now() - startedAt > ADD_WITHIN_MS;
      if (!mayBeAddedAgain(error) || isLate || tries === ADD_TRIES)
        throw notAdded(error, api, secret);
      await sleep(Math.min(2_000, 300 * tries));
      const added = isUnanswered(error) ? (await listVersions(api, secret))[0] : undefined;
      if (added && added.number > after) return added.number;
    }
  }
}

const mayBeAddedAgain = (error: unknown) =>
  isUnanswered(error) || statusOf(error) === STATUS.RESOURCE_EXHAUSTED;

const notAdded = (error: unknown, api: SecretManagerApi, secret: string) =>
  translated(error, secret, storeAttempt('add a version to', 'versions.add', api));

/** Adds a version with its checksum. The failure is left untranslated. */
export async function addVersion(
  api: SecretManagerApi,
  secret: string,
  { value, calls }: Readonly<{ value: Sensitive; calls: CallOptions }>,
): Promise<protos.google.cloud.secretmanager.v1.ISecretVersion> {
  const client = await api.client();
  const data = Buffer.from(value.reveal());
  const payload = { data, dataCrc32c: crc32c(data) };
  const [version] = await client.addSecretVersion({ parent: secret, payload }, calls);
  return version;
}

/** Reads certificates, keys included, and destroys what is old. */
export function createCertificateReader(options: SecretsOptions): CertificateReader {
  const { api } = options;
  const nameOf = (id: string, version: number) =>
    `${certificateSecret(options, id)}/versions/${version}`;
  return {
    async read(id, version) {
      const name = nameOf(id, version);
      return parseBundle(await accessVersion(api, name), name);
    },
    destroy: (id, version) => destroyVersion(api, nameOf(id, version)),
  };
}

/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access */
type AccessedVersion = Readonly<{ payload?: Readonly<{ data?: string; dataCrc32c?: string }> }>;

/** The payload of an enabled version as text. */
export const accessVersion = (api: SecretManagerApi, name: string): Promise<string> =>
  attempted(name, storeAttempt('read', 'versions.access', api), () => payloadOf(api, name));

/** The same; undefined for a version that is absent, disabled or destroyed. */
export async function accessIfEnabled(
  api: SecretManagerApi,
  name: string,
): Promise<string | undefined> {
  const payload = () =>
    payloadOf(api, name).catch((error) => {
      if (statusOf(error) === STATUS.FAILED_PRECONDITION) return undefined;
      throw error;
    });
  return attempted(name, storeAttempt('read', 'versions.access', api), payload).catch(absent);
}

async function payloadOf(api: SecretManagerApi, name: string): Promise<string> {
  const { payload } = await api.rest.get<AccessedVersion>(`v1/${name}:access`);
  const data = Buffer.from(payload?.data ?? '', 'base64');
  // An empty text could be taken for a key that is there.
  const isWhole = !payload?.dataCrc32c || Number(payload.dataCrc32c) === crc32c(data);
  if (data.length === 0 || !isWhole)
    throw new CertificateError(
      'store-unavailable',
      `cannot read ${name}: its payload was damaged on the way; it is tried again`,
    );
  return data.toString('utf8');
}

/** Destroys a version; one that is destroyed already is fine. */
export async function destroyVersion(api: SecretManagerApi, name: string): Promise<void> {
  const client = await api.client();
  try {
    await client.destroySecretVersion({ name }, REPEATABLE);
  } catch (error) {
    if (statusOf(error) === STATUS.FAILED_PRECONDITION && (await isDestroyed(api, name))) return;
    throw translated(error, name, storeAttempt('destroy', 'versions.destroy', api));
  }
}

async function isDestroyed(api: SecretManagerApi, name: string): Promise<boolean> {
  const attempt = storeAttempt('look at', 'versions.get', api);
  const client = await api.client();
  const [{ state }] = await attempted(name, attempt, () =>
    client.getSecretVersion({ name }, REPEATABLE),
  );
  return state === 'DESTROYED';
}
