import { isCertificateId } from '../../domain/certificate.ts';
import type { SecretMetadata } from '../../domain/delivery.ts';
import type { Target } from '../../domain/record.ts';
import type { Delivered } from '../../ports.ts';

type Texts = Readonly<Record<string, string>>;

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ */
type ObjectMeta = Readonly<{
  uid: string;
  resourceVersion: string;
  labels?: Texts;
  annotations?: Texts;
  managedFields?: readonly Readonly<{
    manager?: string;
    fieldsV1?: Readonly<{ 'f:data'?: Readonly<Record<string, unknown>> }>;
  }>[];
  ownerReferences?: readonly Readonly<{ kind: string; name: string; controller?: boolean }>[];
}>;

/** A Secret in the form that has its type and its metadata but none of its data. */
export type SecretTable = Readonly<{
  kind: string;
  columnDefinitions: readonly Readonly<{ name: string }>[];
  rows: readonly Readonly<{
    cells: readonly unknown[];
    object: Readonly<{ metadata: ObjectMeta }>;
  }>[];
}>;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/ */
const MANAGED_BY = 'app.kubernetes.io/managed-by';

/** The first row of a Table, as `installation` sees it; undefined when the answer is no such Table. */
export function secretMetadata(
  table: Partial<SecretTable> | undefined,
  installation: string,
): SecretMetadata | undefined {
  const row = table?.kind === 'Table' ? table.rows?.[0] : undefined;
  const typeColumn = table?.columnDefinitions?.findIndex(({ name }) => name === 'Type') ?? -1;
  const type = row?.cells[typeColumn];
  const metadata = row?.object?.metadata;
  if (!metadata || typeof type !== 'string') return undefined;
  const { uid, resourceVersion, annotations = {} } = metadata;
  const version = Number(annotations[`${installation}/version`]);
  return {
    uid,
    resourceVersion,
    type,
    installation: installationOf(metadata, installation),
    certificate: [annotations[`${installation}/certificate`] ?? ''].find(isCertificateId),
    version: Number.isSafeInteger(version) && version > 0 ? version : undefined,
    fingerprint: annotations[`${installation}/fingerprint`],
    otherManagers: otherManagers(metadata, installation),
    belongsTo: belongsTo(metadata, installation),
  };
}

// Any other label value is an installation of this program only when the annotation goes with it.
function installationOf({ labels, annotations }: ObjectMeta, ours: string): string | undefined {
  const label = labels?.[MANAGED_BY];
  if (label === undefined || label === ours) return label;
  return annotations?.[`${label}/certificate`] === undefined ? undefined : label;
}

function otherManagers({ managedFields = [] }: ObjectMeta, ours: string): readonly string[] {
  const owners = managedFields
    .filter(({ fieldsV1 }) => ownsPair(fieldsV1?.['f:data']))
    .map(({ manager }) => manager || 'an unnamed manager')
    .filter((manager) => manager !== ours);
  return [...new Set(owners)].sort();
}

// `f:data: {}` is the map itself without any of its keys, as a forced apply leaves it to who had them before.
const ownsPair = (data: Readonly<Record<string, unknown>> | undefined): boolean =>
  data !== undefined && ('f:tls.crt' in data || 'f:tls.key' in data);

function belongsTo(metadata: ObjectMeta, ours: string): string | undefined {
  const { annotations = {}, labels = {}, ownerReferences = [] } = metadata;
  const certificate = annotations['cert-manager.io/certificate-name'];
  if (certificate) return `cert-manager's Certificate ${certificate}`;
  const owner = ownerReferences.find(({ controller }) => controller);
  if (owner) return `the ${owner.kind} ${owner.name}`;
  const release = annotations['meta.helm.sh/release-name'];
  if (release) return `the Helm release ${release}`;
  if (annotations['kubernetes.io/tls-acme'] !== undefined) return 'kube-lego';
  const label = labels[MANAGED_BY];
  return label === undefined || label === ours ? undefined : label;
}

export type Writing = Readonly<{
  target: Target;
  delivered: Delivered;
  installation: string;
  /** What the Secret must still be; undefined for one that is not there yet. */
  over: Pick<SecretMetadata, 'uid' | 'resourceVersion'> | undefined;
}>;

/** The whole of what we own of a Secret. */
export function tlsSecret({ target, delivered, installation, over }: Writing): object {
  const { bundle } = delivered;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: {
      name: target.secret,
      namespace: target.namespace,
      ...(over && { uid: over.uid, resourceVersion: over.resourceVersion }),
      labels: { [MANAGED_BY]: installation },
      annotations: {
        [`${installation}/certificate`]: delivered.certificate,
        [`${installation}/version`]: String(delivered.version),
        [`${installation}/serial`]: delivered.serial,
        [`${installation}/fingerprint`]: delivered.fingerprint,
        [`${installation}/not-after`]: delivered.notAfter.toISOString(),
      },
    },
    data: { 'tls.crt': base64(bundle.chain), 'tls.key': base64(bundle.key.reveal()) },
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
