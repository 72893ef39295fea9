import { setTimeout as sleep } from 'node:timers/promises';
import type { protos } from '@google-cloud/secret-manager';
import { certificateSecretPrefix } from '../../domain/certificate.ts';
import { type CertificateRecord, isOwn, type StoredRecord } from '../../domain/record.ts';
import { parseRecord, RECORD_FIELDS, recordAnnotations } from '../../domain/record-annotations.ts';
import { CertificateError } from '../../errors.ts';
import type { CertificateRecords } from '../../ports.ts';
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
import { certificateSecret, type SecretsOptions, storeAttempt } from './api.ts';

type Secret = protos.google.cloud.secretmanager.v1.ISecret;
/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/list */
type SecretsPage = Readonly<{
  secrets?: readonly (Pick<Secret, 'name' | 'etag' | 'annotations'> &
    Readonly<{ createTime?: string }>)[];
}>;
type Annotations = Readonly<Record<string, string>>;

const LABEL = 'certherd-certificate';
const PAGE = '1000';
const UPDATE_WITHIN_MS = 20_000;
const UPDATE_TRIES = 20;

export type CertificateRecordsOptions = SecretsOptions &
  Readonly<{
    /** `projects/P/topics/T`, told by Secret Manager of each new version. */
    topic: string;
  }>;

/** The records in the annotations of the certificates' secrets; annotations of others survive. */
export function createCertificateRecords(options: CertificateRecordsOptions): CertificateRecords {
  const read = (id: string) => readSecret(options, id).then(({ stored }) => stored);
  return {
    list: (onInvalid) => list(options, onInvalid),
    read: (id) => read(id).catch(absent),
    create: (id, record) => create(options, id, record),
    update: (id, change, current) => update(options, id, { change, current }),
  };
}

async function list(
  options: CertificateRecordsOptions,
  onInvalid: (id: string, problem: string) => void,
): Promise<readonly StoredRecord[]> {
  const { api, installation } = options;
  const project = `projects/${api.project}`;
  const attempt = storeAttempt('list the secrets of', 'secrets.list', api);
  const query = { filter: `labels.${LABEL}=${installation}`, pageSize: PAGE };
  return attempted(`project ${api.project}`, attempt, async () => {
    const records: StoredRecord[] = [];
    for await (const { secrets } of api.rest.pages<SecretsPage>(`v1/${project}/secrets`, query))
      for (const { createTime, ...secret } of secrets ?? []) {
        const parsed = parsedSecret(options, secret, new Date(createTime ?? 0));
        if ('record' in parsed) records.push(parsed);
        else onInvalid(parsed.id, parsed.problem);
      }
    return records;
  });
}

/** Small on purpose: ten thousand of these are held at once, and the secret they come from is not. */
function parsedSecret(
  { installation }: CertificateRecordsOptions,
  secret: Pick<Secret, 'name' | 'etag' | 'annotations'>,
  createdAt: Date,
): StoredRecord | Readonly<{ id: string; problem: string }> {
  const name = secret.name?.split('/').at(-1) ?? '';
  const prefix = certificateSecretPrefix(installation);
  if (!name.startsWith(prefix))
    return { id: name, problem: `has our label, but its name does not begin with ${prefix}` };
  const id = name.slice(prefix.length);
  const parsed = parseRecord(secret.annotations ?? {});
  if ('problem' in parsed) return { id, problem: parsed.problem };
  if (!isOwn(id, parsed.record))
    return {
      id,
      problem:
        'holds other names, issuer or key type than its id stands for; restore its annotations, or delete the secret to have the certificate issued again',
    };
  return { id, etag: secret.etag ?? '', createdAt, record: parsed.record };
}

const timeOf = ({ createTime }: Secret) =>
  new Date(Number(createTime?.seconds ?? 0) * 1000 + Math.floor((createTime?.nanos ?? 0) / 1e6));

function understood(options: CertificateRecordsOptions, secret: Secret): StoredRecord {
  const parsed = parsedSecret(options, secret, timeOf(secret));
  if ('record' in parsed) return parsed;
  throw new CertificateError(
    'record-invalid',
    `the secret of certificate ${parsed.id} ${parsed.problem}`,
  );
}

async function readSecret(options: CertificateRecordsOptions, id: string) {
  const { api } = options;
  const name = certificateSecret(options, id);
  const attempt = storeAttempt('read', 'secrets.get', api);
  const client = await api.client();
  const [secret] = await attempted(name, attempt, () => client.getSecret({ name }, REPEATABLE));
  return { secret, stored: understood(options, secret) };
}

async function create(
  options: CertificateRecordsOptions,
  id: string,
  record: CertificateRecord,
): Promise<StoredRecord> {
  const { api, installation, topic, replication } = options;
  const name = certificateSecret(options, id);
  const client = await api.client();
  try {
    // Repeatable: what the lost reply was about is found to exist, and read.
    const [secret] = await client.createSecret(
      {
        parent: `projects/${api.project}`,
        secretId: name.split('/').at(-1) ?? '',
        secret: {
          replication,
          labels: { [LABEL]: installation },
          topics: [{ name: topic }],
          annotations: { ...recordAnnotations(record) },
        },
      },
      REPEATABLE,
    );
    return understood(options, secret);
  } catch (error) {
    if (statusOf(error) === STATUS.ALREADY_EXISTS) return (await readSecret(options, id)).stored;
    throw translated(error, name, storeAttempt('create', 'secrets.create', api));
  }
}

type Update = Readonly<{
  change: (record: CertificateRecord) => CertificateRecord | undefined;
  current: number | undefined;
}>;

/**
 * One read and one write when nobody else writes. A write whose reply was lost is not made twice: `change` may count something,
 * so the next read is first compared with what was sent.
 */
async function update(
  options: CertificateRecordsOptions,
  id: string,
  { change, current }: Update,
): Promise<StoredRecord> {
  const startedAt = Date.now();
  let unanswered: Secret | undefined;
  for (let tries = 1; ; tries += 1) {
    const { secret, stored } = await readSecret(options, id);
    if (unanswered && isWritten(unanswered, secret)) return stored;
    const record = change(stored.record);
    if (!record) return stored;
    const wanted = changedSecret(secret, record, current);
    try {
      return understood(options, await write(options, wanted));
    } catch (error) {
      const waitMs = waitBeforeNext(error, tries);
      const isLate = Date.now() - startedAt + (waitMs ?? 0) > UPDATE_WITHIN_MS;
      if (waitMs === undefined || isLate || tries === UPDATE_TRIES)
        throw translated(
          error,
          wanted.name ?? id,
          storeAttempt('update', 'secrets.update', options.api),
        );
      if (isUnanswered(error)) unanswered = wanted;
      await sleep(waitMs);
    }
  }
}

function changedSecret(
  secret: Secret,
  record: CertificateRecord,
  current: number | undefined,
): Secret {
  const foreign = Object.entries(secret.annotations ?? {}).filter(
    ([key]) => !RECORD_FIELDS.includes(key),
  );
  return {
    name: secret.name ?? null,
    etag: secret.etag ?? null,
    annotations: { ...Object.fromEntries(foreign), ...recordAnnotations(record) },
    ...(current !== undefined && { versionAliases: { ...secret.versionAliases, current } }),
  };
}

async function write({ api }: CertificateRecordsOptions, secret: Secret): Promise<Secret> {
  const client = await api.client();
  const paths = ['annotations', ...(secret.versionAliases ? ['version_aliases'] : [])];
  const [updated] = await client.updateSecret({ secret, updateMask: { paths } }, ONCE);
  return updated;
}

function isWritten(sent: Secret, found: Secret): boolean {
  const aliases = Object.entries(sent.versionAliases ?? {});
  return (
    isSame(sent.annotations ?? {}, found.annotations ?? {}) &&
    aliases.every(([alias, version]) => String(found.versionAliases?.[alias]) === String(version))
  );
}

function isSame(one: Annotations, other: Annotations): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}

/** undefined: trying again does not help. Writers that met must not meet again, so chance decides how long each waits. */
function waitBeforeNext(error: unknown, tries: number): number | undefined {
  const status = statusOf(error);
  // One secret takes two writes a second (https://cloud.google.com/secret-manager/quotas).
  if (status === STATUS.RESOURCE_EXHAUSTED)
    return Math.min(2_000, 300 * tries) * (1 + Math.random() / 4);
  if (isEtagMismatch(error) || isUnanswered(error)) return 50 * tries * (0.5 + Math.random());
  return undefined;
}

// 400 as https://cloud.google.com/secret-manager/docs/etags says; 409 as AIP-154 does.
const isEtagMismatch = (error: unknown) =>
  statusOf(error) === STATUS.ABORTED ||
  (statusOf(error) === STATUS.FAILED_PRECONDITION && /etag/i.test((error as Error).message));
