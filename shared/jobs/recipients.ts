import { group, targetKey } from '../domain/grouping.ts';
import type { Asker, StoredRecord, Target } from '../domain/record.ts';
import {
  type Context,
  configuredRequests,
  type Ingress,
  ingressRequests,
  manualRequests,
  type Requests,
  type Rules,
} from '../domain/request.ts';
import { messageOf } from '../errors.ts';
import type { Writers } from '../ports.ts';
import type { Recipient } from './deliver.ts';

/** Who gets a certificate, and the Ingresses of the namespaces concerned. `faults` are clusters that could not be read. */
export type Recipients = Readonly<{
  recipients: readonly Recipient[];
  ingresses: readonly Readonly<{ cluster: string; ingress: Ingress }>[];
  faults: readonly string[];
}>;

/**
 * Derives the targets again from the namespaces that the record names: what they ask for now decides, with the policy as it is now.
 * `serving` are Secrets that only still hold the certificate; whether they do is seen when they are looked at.
 */
export async function recipients(
  stored: StoredRecord,
  serving: readonly Target[],
  writers: Writers,
  rules: Rules,
): Promise<Recipients> {
  const { record } = stored;
  const asking = [...record.askers, ...(record.manual?.targets ?? []), ...serving];
  const byCluster = [...Map.groupBy(asking, ({ cluster }) => cluster)].filter(([name]) =>
    rules.clusters.some((cluster) => cluster.name === name),
  );
  const results = await Promise.all(
    byCluster.map(([cluster, of]) => namespaceIngresses(cluster, of, writers)),
  );
  const ingresses = results.flatMap((result) => ('ingresses' in result ? result.ingresses : []));
  const { certificates } = group(requestsOf(ingresses, stored, rules), rules);
  const asked = certificates.find(({ id }) => id === stored.id)?.targets ?? [];
  const keys = new Set(asked.map(targetKey));
  return {
    recipients: [
      ...asked.map((target) => ({ target, asked: true })),
      ...serving
        .filter((target) => !keys.has(targetKey(target)))
        .map((target) => ({ target, asked: false })),
    ],
    ingresses,
    faults: results.flatMap((result) => ('fault' in result ? [result.fault] : [])),
  };
}

async function namespaceIngresses(cluster: string, asking: readonly Asker[], writers: Writers) {
  const namespaces = new Set(asking.map(({ namespace }) => namespace));
  try {
    const writer = await writers(cluster);
    const lists = namespaces.has('*')
      ? [await writer.ingresses()]
      : await Promise.all([...namespaces].map((namespace) => writer.ingresses(namespace)));
    return { ingresses: lists.flat().map((ingress) => ({ cluster, ingress })) };
  } catch (error) {
    return { fault: messageOf(error) };
  }
}

function requestsOf(ingresses: Recipients['ingresses'], { record }: StoredRecord, rules: Rules) {
  // Zones are not looked at: a certificate that exists was proven.
  const context: Context = { rules, zones: { suffixes: [], complete: false } };
  const parts: Requests[] = [configuredRequests(context)];
  const { manual, identity } = record;
  if (manual && identity.names)
    parts.push(
      manualRequests({ names: identity.names, issuer: identity.issuer, ...manual }, context),
    );
  for (const { cluster, ingress } of ingresses) {
    const of = rules.clusters.find(({ name }) => name === cluster);
    if (of) parts.push(ingressRequests(ingress, of, context));
  }
  return parts.flatMap(({ requests }) => requests);
}
