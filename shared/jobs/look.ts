import { type Standing, standing } from '../domain/delivery.ts';
import { askersOf, group, placeKey, targetKey } from '../domain/grouping.ts';
import type { Asker, Target } from '../domain/record.ts';
import {
  type Context,
  configuredRequests,
  type Ingress,
  ingressRequests,
  manualRequests,
  outsideOf,
  type Refusal,
  type Rules,
} from '../domain/request.ts';
import { messageOf } from '../errors.ts';
import { lookout } from './sight.ts';
import { readZones, type SurveyPorts, type SurveySettings } from './survey.ts';

/** A certificate that a person asks for, and the Secrets that it is to go to. */
export type Look = Readonly<{
  certificate: string;
  names: readonly string[];
  issuer: string;
  targets: readonly Target[];
}>;

/** How a Secret stands; or that it gets another certificate, whoever asks by hand, in a whole sentence. */
export type Looked =
  | Standing
  | Readonly<{ state: 'refused'; reason: 'target-taken'; message: string }>;

/** `outside` says which name lies in no zone, and what to do; `secrets` how each Secret stands, in the order asked for. */
export type Sightings = Readonly<{ outside: string | undefined; secrets: readonly Looked[] }>;

type LookPorts = Pick<SurveyPorts, 'readers' | 'zones' | 'time' | 'log'>;

/** What stands in the way of what a person asks for, as far as only clusters and zones show it. Nothing is changed. */
export async function lookAt(
  look: Look,
  ports: LookPorts,
  { rules, zoneProjects }: SurveySettings,
): Promise<Sightings> {
  const [zones, secrets] = await Promise.all([
    readZones(ports, zoneProjects),
    secretsOf(look, ports, rules),
  ]);
  return { outside: outsideOf(look.names, { rules, zones }), secrets };
}

async function secretsOf(look: Look, ports: LookPorts, rules: Rules): Promise<readonly Looked[]> {
  const at = ports.time.now();
  const read = await Promise.all(askersOf(look.targets).map((asker) => ingressesOf(asker, ports)));
  const ofNamespace = new Map(read.map((of) => [placeKey(of.asker), of]));
  const inhabited = read.filter((of) => 'ingresses' in of && of.ingresses.length > 0);
  const sight = lookout(
    ports,
    inhabited.map(({ asker }) => asker),
  );
  return Promise.all(
    look.targets.map(async (target) => {
      const wanted = { id: look.certificate, issued: undefined };
      const stands = standing(await sight(target), wanted, rules.installation);
      if (stands.state !== 'behind') return stands;
      const found = ofNamespace.get(placeKey(target));
      if (found && 'problem' in found) return { state: 'unreadable', message: found.problem };
      return taken({ ...look, target, at }, found?.ingresses ?? [], rules) ?? stands;
    }),
  );
}

async function ingressesOf(asker: Asker, { readers }: LookPorts) {
  try {
    const reader = await readers(asker.cluster);
    return { asker, ingresses: await reader.ingresses(asker.namespace) };
  } catch (error) {
    return { asker, problem: messageOf(error) };
  }
}

type Word = Omit<Look, 'targets'> & Readonly<{ target: Target; at: Date }>;

/** What stands before a person's word for this Secret; undefined when nothing does. */
function taken(
  { names, issuer, target, at }: Word,
  ingresses: readonly Ingress[],
  rules: Rules,
): Looked | undefined {
  // Zones are not looked at, as sync does not: both must come to the same.
  const context: Context = { rules, zones: { suffixes: [], complete: false } };
  const word = manualRequests({ names, issuer, targets: [target], at }, context);
  const parts = [word, configuredRequests(context)];
  const cluster = rules.clusters.find(({ name }) => name === target.cluster);
  if (cluster)
    for (const ingress of ingresses) parts.push(ingressRequests(ingress, cluster, context));
  const requests = parts
    .flatMap((part) => part.requests)
    .filter((request) => targetKey(request.target) === targetKey(target));
  const { certificates, refusals } = group(requests, rules);
  const [own] = group(word.requests, rules).certificates;
  if (own && certificates.some(({ id }) => id === own.id)) return undefined;
  // The person's own, or else that of manifests that do not agree.
  const refusal = [...word.refusals, ...refusals].find(({ kind }) => kind === 'manual');
  const { message } = refusal ?? (refusals[0] as Refusal);
  return { state: 'refused', reason: 'target-taken', message };
}
