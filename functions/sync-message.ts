import { certificateSecretPrefix, isCertificateId } from '../shared/domain/certificate.ts';
import type { Target } from '../shared/domain/record.ts';
import type { SyncMessage } from '../shared/jobs/sync.ts';

/** A Pub/Sub message as a push delivers it: `data` is base64. */
export type PushedMessage = Readonly<{
  attributes?: Readonly<Record<string, string>> | undefined;
  data?: string | undefined;
}>;

// As the adapter of Pub/Sub publishes it.
const REPAIR = 'CERTHERD_REPAIR';

const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['SECRET_VERSION_ADD', 'version-added'],
  ['SECRET_VERSION_ENABLE', 'version-enabled'],
  ['SECRET_VERSION_DISABLE', 'version-disabled'],
]);

/**
 * Understands our own repairs and Secret Manager's events about the versions of this installation's certificates
 * (https://cloud.google.com/secret-manager/docs/event-notifications). undefined: the message is none of our business.
 */
export function parseSyncMessage(
  { attributes = {}, data }: PushedMessage,
  installation: string,
): SyncMessage | undefined {
  if (attributes.eventType === REPAIR) return parseRepair(attributes, data);
  const reason = REASONS.get(attributes.eventType);
  const certificate = certificateOf(attributes.secretId ?? '', installation);
  if (!reason || !certificate) return undefined;
  const version = versionOf(attributes.versionId ?? '');
  return { certificate, reason, targets: [], ...(version !== undefined && { version }) };
}

function certificateOf(secretId: string, installation: string): string | undefined {
  const [, secret = ''] = /^projects\/[^/]+\/secrets\/([^/]+)$/.exec(secretId) ?? [];
  const prefix = certificateSecretPrefix(installation);
  const certificate = secret.startsWith(prefix) ? secret.slice(prefix.length) : '';
  return isCertificateId(certificate) ? certificate : undefined;
}

function versionOf(versionId: string): number | undefined {
  const [, number] =
    /^projects\/[^/]+\/secrets\/[^/]+\/versions\/([1-9]\d*)$/.exec(versionId) ?? [];
  return number === undefined ? undefined : Number(number);
}

function parseRepair(
  { certificate = '', reason = '' }: Readonly<Record<string, string>>,
  data: string | undefined,
): SyncMessage | undefined {
  const targets = parseTargets(data);
  if (!isCertificateId(certificate) || !targets) return undefined;
  return { certificate, reason, targets };
}

function parseTargets(data: string | undefined): readonly Target[] | undefined {
  if (!data) return [];
  const targets = field(parsedJson(data), 'targets');
  if (!Array.isArray(targets)) return undefined;
  const parsed = targets.map(parseTarget);
  return parsed.every((target) => target !== undefined) ? parsed : undefined;
}

function parsedJson(data: string): unknown {
  try {
    return JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
}

function parseTarget(value: unknown): Target | undefined {
  const cluster = field(value, 'cluster');
  const namespace = field(value, 'namespace');
  const secret = field(value, 'secret');
  if (!isName(cluster) || !isName(namespace) || !isName(secret)) return undefined;
  return { cluster, namespace, secret };
}

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
