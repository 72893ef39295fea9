import { z } from 'zod';
import { type Call, GoogleFault } from '../google-api.ts';
import { parsed } from '../wire/parsed.ts';
import { crc32c } from './crc32c.ts';
import type { Desk } from './desk.ts';
import { filterTest, pageOf } from './list.ts';
import {
  checkEtag,
  nextEtag,
  type Replication,
  type ReplicationStatus,
  type SecretVersion,
  type StoredSecret,
  type StoredVersion,
  secretName,
  storedSecret,
} from './state.ts';

const PAYLOAD_BYTES = 64 * 1024;

const addRequest = z.strictObject({
  payload: z.strictObject({
    data: z.string().optional(),
    dataCrc32c: z.union([z.string().regex(/^\d+$/), z.int()]).optional(),
  }),
});
const stateRequest = z.strictObject({ name: z.string().optional(), etag: z.string().optional() });

/** Where a payload lies, and the version of the key that it was encrypted with. */
function replicationStatus(replication: Replication): ReplicationStatus {
  if ('automatic' in replication) return replication;
  const replicas = replication.userManaged.replicas.map(
    ({ location, customerManagedEncryption: key }) => ({
      location,
      ...(key && {
        customerManagedEncryption: { kmsKeyVersionName: `${key.kmsKeyName}/cryptoKeyVersions/1` },
      }),
    }),
  );
  return { userManaged: { replicas } };
}

/** projects.secrets.addVersion. The secret's own etag stays as it is. */
export function addVersion({ state, clock, events, save }: Desk, call: Call): SecretVersion {
  const stored = secretOf(state, call);
  const { payload } = parsed(addRequest, call.body);
  const data = checkedPayload(payload.data ?? '', payload.dataCrc32c);
  const { secret, versions } = stored;
  const version: SecretVersion = {
    name: `${secret.name}/versions/${versions.length + 1}`,
    createTime: clock.now().toISOString(),
    state: 'ENABLED',
    replicationStatus: replicationStatus(secret.replication),
    etag: nextEtag(state),
    ...(payload.dataCrc32c === undefined ? {} : { clientSpecifiedPayloadChecksum: true }),
  };
  state.secrets[secret.name] = { ...stored, versions: [...versions, { version, data }] };
  save();
  events.version('SECRET_VERSION_ADD', secret, version);
  return version;
}

function checkedPayload(data: string, checksum: string | number | undefined): string {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(data))
    throw new GoogleFault('INVALID_ARGUMENT', "Invalid value at 'payload.data': no base64");
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length === 0)
    throw new GoogleFault('INVALID_ARGUMENT', 'Secret Payload cannot be empty.');
  if (bytes.length > PAYLOAD_BYTES)
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      `The secret payload takes ${bytes.length} bytes; no more than ${PAYLOAD_BYTES} are allowed.`,
    );
  if (checksum !== undefined && Number(checksum) !== crc32c(bytes))
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      'The data_crc32c provided does not match the checksum of the payload data received.',
    );
  return bytes.toString('base64');
}

/** projects.secrets.versions.list, newest first. */
export function listVersions({ state }: Desk, call: Call) {
  const { versions } = secretOf(state, call);
  const filter = call.query.get('filter');
  const test = filterTest(filter, ['state']);
  const wanted = versions
    .map(({ version }, index) => ({ version, number: index + 1 }))
    .filter(({ version }) => test({ state: version.state }))
    .reverse();
  const { items, ...next } = pageOf(wanted, ({ number }) => number, call.query);
  return {
    versions: items.map(({ version }) => version),
    ...next,
    ...(filter ? {} : { totalSize: wanted.length }),
  };
}

/** projects.secrets.versions.get, by number, alias or `latest`. */
export function getVersion({ state }: Desk, call: Call): SecretVersion {
  return versionOf(secretOf(state, call), call.path.version as string).version;
}

/** projects.secrets.versions.access: the payload of an enabled version. */
export function accessVersion({ state }: Desk, call: Call) {
  const { version, data } = versionOf(secretOf(state, call), call.path.version as string);
  if (version.state !== 'ENABLED' || data === undefined)
    throw new GoogleFault(
      'FAILED_PRECONDITION',
      `Secret Version [${version.name}] is in ${version.state} state.`,
    );
  const checksum = crc32c(Buffer.from(data, 'base64'));
  return { name: version.name, payload: { data, dataCrc32c: String(checksum) } };
}

const CHANGES = {
  enable: { state: 'ENABLED', event: 'SECRET_VERSION_ENABLE' },
  disable: { state: 'DISABLED', event: 'SECRET_VERSION_DISABLE' },
  destroy: { state: 'DESTROYED', event: 'SECRET_VERSION_DESTROY' },
} as const;

/** projects.secrets.versions.enable, disable and destroy. The version gets a new etag even when it is in that state already. */
export function changeState(
  { state, clock, events, save }: Desk,
  change: keyof typeof CHANGES,
  call: Call,
): SecretVersion {
  const stored = secretOf(state, call);
  const { etag } = parsed(stateRequest, call.body);
  const current = numbered(stored, call.path.version as string);
  checkEtag(etag, current.version.etag);
  if (current.version.state === 'DESTROYED')
    throw new GoogleFault(
      'FAILED_PRECONDITION',
      `Secret Version [${current.version.name}] is in DESTROYED state.`,
    );
  const wanted = CHANGES[change];
  const version: SecretVersion = {
    ...current.version,
    state: wanted.state,
    etag: nextEtag(state),
    ...(change === 'destroy' ? { destroyTime: clock.now().toISOString() } : {}),
  };
  const changed = change === 'destroy' ? { version } : { ...current, version };
  const versions = stored.versions.map((other) => (other === current ? changed : other));
  state.secrets[stored.secret.name] = { ...stored, versions };
  save();
  events.version(wanted.event, stored.secret, version);
  return version;
}

function secretOf(state: Desk['state'], { path }: Call): StoredSecret {
  return storedSecret(state, secretName(state, path.project as string, path.secret as string));
}

function versionOf(stored: StoredSecret, version: string): StoredVersion {
  const { secret, versions } = stored;
  if (version === 'latest') {
    const newest = versions.at(-1);
    if (newest) return newest;
    throw new GoogleFault('NOT_FOUND', `Secret [${secret.name}] not found or has no versions.`);
  }
  const aliases = secret.versionAliases ?? {};
  return numbered(stored, Object.hasOwn(aliases, version) ? (aliases[version] as string) : version);
}

function numbered({ secret, versions }: StoredSecret, version: string): StoredVersion {
  const found = /^[1-9]\d*$/.test(version) ? versions[Number(version) - 1] : undefined;
  if (found) return found;
  throw new GoogleFault(
    'NOT_FOUND',
    `Secret Version [${secret.name}/versions/${version}] not found.`,
  );
}
