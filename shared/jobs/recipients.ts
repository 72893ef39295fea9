import { mayHold } from '../domain/delivery.ts';
import { type DesiredCertificate, group, targetKey } from '../domain/grouping.ts';
import { covers } from '../domain/names.ts';
import type { Asker, StoredRecord, Target } from '../domain/record.ts';
import {
  type Context,
  configuredRequests,
  type Ingress,
  ingressRequests,
  manualRequests,
  type Request,
  type Requests,
  type Rules,
} from '../domain/request.ts';
import { messageOf } from '../errors.ts';
import type { Writers } from '../ports.ts';
import type { Recipient } from './deliver.ts';

/** A certificate, and Secrets that a message names: they ask for it as reconcile sees it, or only still hold it. */
export type Addressed = Readonly<{ stored: StoredRecord; named: readonly Target[] }>;

/**
 * Who gets a certificate, and the Ingresses of the namespaces concerned. `names` are the certificate's, undefined when neither the record
 * nor whoever asks tells them: then nobody gets it. `faults` are clusters that could not be read.
 */
export type Recipients = Readonly<{
  names: readonly string[] | undefined;
  recipients: readonly Recipient[];
  ingresses: readonly Readonly<{ cluster: string; ingress: Ingress }>[];
  faults: readonly string[];
}>;

/** Derives the targets again from the namespaces that the record names: what they ask for now decides, with the policy as it is now. */
export async function recipients(
  of: Addressed,
  writers: Writers,
  rules: Rules,
): Promise<Recipients> {
  const { stored, named } = of;
  const { record } = stored;
  const asking = [...record.askers, ...(record.manual?.targets ?? []), ...named];
  const byCluster = [...Map.groupBy(asking, ({ cluster }) => cluster)].filter(([name]) =>
    rules.clusters.some((cluster) => cluster.name === name),
  );
  const results = await Promise.all(
    byCluster.map(([cluster, of]) => namespaceIngresses(cluster, of, writers)),
  );
  const ingresses = results.flatMap((result) => ('ingresses' in result ? result.ingresses : []));
  return {
    ...claims(of, requestsOf(ingresses, stored, rules), rules),
    ingresses,
    faults: results.flatMap((result) => ('fault' in result ? [result.fault] : [])),
  };
}

/**
 * A Secret whose requests come to this certificate asks for it. Where they do only without some request (for a new name whose certificate
 * is not there yet, or for a name that reconcile refuses because it knows the zones) it is the best there is, unless reconcile
 * itself names the Secret. One that is only named has to be one that may hold it.
 */
function claims(
  { stored, named }: Addressed,
  requests: readonly Request[],
  rules: Rules,
): Pick<Recipients, 'names' | 'recipients'> {
  const whole = grouped(stored.id, requests, rules);
  const names = stored.record.identity.names ?? whole?.identity.names;
  const isCovered = (name: string) => names?.some((pattern) => covers(pattern, name)) ?? false;
  const fitting = requests.filter((request) => request.names.every(isCovered));
  const fits = grouped(stored.id, fitting, rules)?.targets ?? [];
  const fit = new Set(fits.map(targetKey));
  const called = named.flatMap((target): readonly Recipient[] => {
    if (fit.has(targetKey(target))) return [{ target, claim: 'asked' }];
    return mayHold(target, names, rules) ? [{ target, claim: 'served' }] : [];
  });
  const asked = (whole?.targets ?? []).map((target): Recipient => ({ target, claim: 'asked' }));
  const partly = fits.map((target): Recipient => ({ target, claim: 'partly' }));
  // The strongest claim goes last, and stays.
  const byTarget = new Map(
    [...partly, ...called, ...asked].map((recipient) => [targetKey(recipient.target), recipient]),
  );
  return { names, recipients: [...byTarget.values()] };
}

const grouped = (
  certificate: string,
  requests: readonly Request[],
  rules: Rules,
): DesiredCertificate | undefined =>
  group(requests, rules).certificates.find(({ id }) => id === certificate);

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
