import { isDeepStrictEqual } from 'node:util';
import pLimit from 'p-limit';
import { ApiFault, type ClusterApi, sentenceOf } from './cluster-api.ts';
import type { FrontLog } from './front-server.ts';
import type { Ingress } from './virtual-hosts.ts';

type Address = Readonly<{
  ip?: string;
  ports?: readonly Readonly<{ port: number; protocol: string }>[];
}>;

/** An Ingress with what a controller wrote about its address. */
export type PublishedIngress = Ingress &
  Readonly<{ status?: Readonly<{ loadBalancer?: Readonly<{ ingress?: readonly Address[] }> }> }>;

const AT_ONCE = 8;

/**
 * Writes the front's address in `status.loadBalancer` of every Ingress that lacks it, by a merge patch
 * of the status subresource. Throws a sentence when some could not be written; the rest are.
 */
export async function publishAddress(
  { api, port, log }: Readonly<{ api: ClusterApi; port: number; log: FrontLog }>,
  ingresses: readonly PublishedIngress[],
): Promise<void> {
  const limit = pLimit(AT_ONCE);
  const address = [{ ip: '127.0.0.1', ports: [{ port, protocol: 'TCP' }] }];
  const lacking = ingresses.filter(
    ({ status }) => !isDeepStrictEqual(status?.loadBalancer?.ingress, address),
  );
  const faults = await Promise.all(
    lacking.map((ingress) => limit(() => published(api, ingress, address))),
  );
  const reasons = faults.filter((fault) => fault !== undefined);
  if (reasons.length > 0) throw new Error(`${reasons.length} not written: ${reasons[0]}`);
  if (lacking.length > 0)
    log({ message: 'front published its address', port, ingresses: lacking.length });
}

async function published(
  api: ClusterApi,
  { metadata }: Ingress,
  ingress: readonly Address[],
): Promise<string | undefined> {
  const path = `/apis/networking.k8s.io/v1/namespaces/${metadata.namespace}/ingresses/${metadata.name}/status`;
  try {
    await api.mergePatch(path, { status: { loadBalancer: { ingress } } });
  } catch (error) {
    // Deleted meanwhile: there is nobody left to tell.
    if (error instanceof ApiFault && error.status === 404) return undefined;
    return `${metadata.namespace}/${metadata.name}: ${sentenceOf(error)}`;
  }
  return undefined;
}
