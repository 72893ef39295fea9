import type { KeyVault } from '../../ports.ts';
import { Sensitive } from '../../sensitive.ts';
import { absent, attempted, REPEATABLE, STATUS, statusOf, translated } from '../google-client.ts';
import { type SecretManagerApi, type SecretsOptions, secretName, storeAttempt } from './api.ts';
import {
  accessIfEnabled,
  accessVersion,
  addVersion,
  destroyVersion,
  listVersions,
  numberOf,
  type VersionsPage,
} from './versions.ts';

/** Account keys and pending keys, each in a secret of its own that no topic is told of. */
export function createKeyVault(options: SecretsOptions): KeyVault {
  const { api } = options;
  return {
    read: (name, version) => {
      const secret = secretName(api.project, name);
      return version === undefined
        ? readNewest(api, secret).catch(absent)
        : readVersion(api, `${secret}/versions/${version}`);
    },
    write: (name, kind, value) => write(options, name, { kind, value }),
    destroy: (name, version) => destroyAll(api, secretName(api.project, name), version),
  };
}

async function readVersion(api: SecretManagerApi, name: string): Promise<Sensitive | undefined> {
  const text = await accessIfEnabled(api, name);
  return text === undefined ? undefined : new Sensitive(text);
}

async function readNewest(api: SecretManagerApi, secret: string): Promise<Sensitive | undefined> {
  const attempt = storeAttempt('list the versions of', 'versions.list', api);
  const newest = await attempted(secret, attempt, () => newestEnabled(api, secret));
  // `latest` would be the newest version even when it is disabled.
  return newest ? new Sensitive(await accessVersion(api, newest)) : undefined;
}

async function newestEnabled({ rest }: SecretManagerApi, secret: string) {
  const query = { filter: 'state:ENABLED', pageSize: '1' };
  for await (const { versions } of rest.pages<VersionsPage>(`v1/${secret}/versions`, query))
    if (versions?.[0]) return versions[0].name;
  return undefined;
}

type Written = Readonly<{ kind: Parameters<KeyVault['write']>[1]; value: Sensitive }>;

async function write(
  options: SecretsOptions,
  name: string,
  { kind, value }: Written,
): Promise<number> {
  const { api } = options;
  const secret = secretName(api.project, name);
  // The same value twice does no harm, so a lost reply is simply sent again.
  const add = () => addVersion(api, secret, { value, calls: REPEATABLE });
  try {
    const version = await add().catch(async (error) => {
      if (statusOf(error) !== STATUS.NOT_FOUND) throw error;
      await create(options, name, kind);
      return add();
    });
    return numberOf(version.name);
  } catch (error) {
    throw translated(error, secret, storeAttempt('add a version to', 'versions.add', api));
  }
}

async function create(
  { api, installation, replication }: SecretsOptions,
  name: string,
  kind: Written['kind'],
): Promise<void> {
  const client = await api.client();
  const secret = {
    replication,
    labels: { [`certherd-${kind}`]: installation },
  };
  try {
    const parent = `projects/${api.project}`;
    await client.createSecret({ parent, secretId: name, secret }, REPEATABLE);
  } catch (error) {
    if (statusOf(error) === STATUS.ALREADY_EXISTS) return;
    const attempt = storeAttempt('create', 'secrets.create', api);
    throw translated(error, secretName(api.project, name), attempt);
  }
}

async function destroyAll(
  api: SecretManagerApi,
  secret: string,
  known: number | undefined,
): Promise<void> {
  const versions = (await listVersions(api, secret).catch(absent)) ?? [];
  const readable = versions.filter(({ state }) => state !== 'destroyed');
  const unlisted = known !== undefined && !versions.some(({ number }) => number === known);
  const numbers = [...readable.map(({ number }) => number), ...(unlisted ? [known] : [])];
  await Promise.all(
    numbers.map((number) => destroyVersion(api, `${secret}/versions/${number}`).catch(absent)),
  );
}
