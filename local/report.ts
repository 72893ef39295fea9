import { targetKey } from '../shared/domain/grouping.ts';
import type { PlanEntry } from '../shared/domain/plan.ts';
import type { IssuedCertificate } from '../shared/domain/record.ts';
import { messageOf } from '../shared/errors.ts';
import { type Survey, survey } from '../shared/jobs/survey.ts';
import { type Proof, prove, servedHosts } from '../shared/jobs/verify.ts';
import { createLog } from '../shared/log.ts';
import type { Journal } from './journal.ts';
import type { System } from './system.ts';

/** The document of `--once --json`; the keys are a contract. */
export type Report = Readonly<{
  ok: boolean;
  seconds: number;
  certificates: readonly ReportedCertificate[];
  refused: readonly Readonly<{
    cluster: string;
    kind: string;
    namespace: string;
    name: string;
    reason: string;
    message: string;
  }>[];
  served: readonly ReportedHost[];
  acme: Readonly<{ orders: number; signedRequests: number; requests: number }>;
  /** What could not be read or done, besides the above. */
  faults: readonly Readonly<{ resource: string; message: string }>[];
}>;

type ReportedCertificate = Readonly<{
  id: string;
  names: readonly string[];
  issuer: string;
  serial: string | undefined;
  notAfter: Date | undefined;
  state: 'issued' | 'kept' | 'failed' | 'waiting' | 'refused';
  reason: string;
  message: string;
  targets: readonly ReportedTarget[];
}>;

type ReportedTarget = Readonly<{
  cluster: string;
  namespace: string;
  secret: string;
  state: 'written' | 'unchanged' | 'refused' | 'failed';
  reason: string | undefined;
}>;

export type ReportedHost = Readonly<{
  cluster: string;
  host: string;
  serial: string | undefined;
  proven: boolean;
  reason: string | undefined;
  secret: string;
  certificate: string;
  notAfter: Date;
}>;

export type ReportSources = Readonly<{
  system: System;
  journal: Journal;
  /** Clusters that a front serves: only there a host has to be proven. */
  fronted: ReadonlySet<string>;
  /** What could not be loaded from manifests. */
  loaded: Pick<Report, 'faults' | 'refused'>;
  acme: Readonly<{ signedRequests: number; requests: number }>;
}>;

// The report says itself what this look finds, and a log line would stand in front of the document.
const SILENT = createLog(() => {});

/** Looks at everything once more, through the jobs' own eyes, and says how the run ended. */
export async function reported(sources: ReportSources): Promise<Report> {
  const { system, journal, fronted, loaded, acme } = sources;
  const { ports, settings } = system.functions.reconcile;
  const seen = await survey({ ...(await ports()), log: SILENT }, settings);
  const certificates = seen.plan.map((entry) => certificate(entry, journal));
  const { served, faults: unread } = await servedNow(seen.plan, sources);
  const faults = unique([...loaded.faults, ...seen.faults, ...unread]);
  const refused = [...loaded.refused, ...seen.refusals];
  const isFine =
    faults.length === 0 &&
    refused.length === 0 &&
    certificates.every(isGood) &&
    served.every(({ proven, cluster }) => proven || !fronted.has(cluster));
  return {
    ok: isFine,
    seconds: secondsSoFar(),
    certificates,
    refused,
    served,
    acme: { orders: journal.orders(), ...acme },
    faults,
  };
}

/** The document of a run that broke off: nothing is known but why. */
export const brokenOff = (error: unknown): Report => ({
  ok: false,
  seconds: secondsSoFar(),
  certificates: [],
  refused: [],
  served: [],
  acme: { orders: 0, signedRequests: 0, requests: 0 },
  faults: [{ resource: 'npm start', message: messageOf(error) }],
});

const secondsSoFar = () => Math.round(process.uptime() * 10) / 10;

const unique = (faults: Report['faults']): Report['faults'] => [
  ...new Map(faults.map((fault) => [`${fault.resource}: ${fault.message}`, fault])).values(),
];

const isGood = ({ state, targets }: ReportedCertificate) =>
  (state === 'issued' || state === 'kept') &&
  targets.every((target) => target.state === 'written' || target.state === 'unchanged');

function certificate(entry: PlanEntry, journal: Journal): ReportedCertificate {
  const { id, names, issuer, stored } = entry;
  const issued = stored?.record.issued;
  return {
    id,
    names,
    issuer,
    serial: issued?.serial,
    notAfter: issued?.notAfter,
    ...state(entry, journal),
    targets: entry.targets.map((target) => reportedTarget(target, journal)),
  };
}

function state(
  entry: PlanEntry,
  { wasIssued, notHandedOn }: Journal,
): Pick<ReportedCertificate, 'state' | 'reason' | 'message'> {
  const { id, action, reason, message } = entry;
  const failure = entry.stored?.record.failure;
  if (action === 'refuse') return { state: 'refused', reason, message };
  // Newer than a failure that the record still has.
  const problem = wasIssued(id) ? undefined : notHandedOn(id);
  if (problem)
    return {
      state: 'failed',
      reason: problem.code,
      message: `${problem.sentence}; tried again at the next tick`,
    };
  if (failure)
    return {
      state: 'failed',
      reason: failure.code,
      message: `${failure.message}; tried again at ${failure.retryAt.toISOString()}`,
    };
  if (wasIssued(id)) return { state: 'issued', reason, message };
  return { state: action === 'keep' || action === 'sync' ? 'kept' : 'waiting', reason, message };
}

function reportedTarget(
  { target, standing }: PlanEntry['targets'][number],
  journal: Journal,
): ReportedTarget {
  const { state: stands } = standing;
  if (stands === 'refused')
    return { ...target, state: 'refused', reason: `${standing.reason}: ${standing.message}` };
  if (stands === 'unreadable') return { ...target, state: 'failed', reason: standing.message };
  if (stands === 'behind') return { ...target, state: 'failed', reason: standing.reason };
  return {
    ...target,
    state: journal.wasWritten(targetKey(target)) ? 'written' : 'unchanged',
    reason: undefined,
  };
}

type Held = Readonly<{ id: string; issued: IssuedCertificate; targets: PlanEntry['targets'] }>;

/** A handshake with every host of a TLS block whose Secret holds a certificate of ours. */
async function servedNow(plan: Survey['plan'], { system }: ReportSources) {
  const ports = await system.functions.sync.ports();
  const faults: Report['faults'][number][] = [];
  const lists = await Promise.all(
    system.config.clusters.map(async ({ name: cluster }) => {
      try {
        const ingresses = await (await ports.writers(cluster)).ingresses();
        return ingresses.map((ingress) => ({ cluster, ingress }));
      } catch (error) {
        faults.push({ resource: `cluster ${cluster}`, message: messageOf(error) });
        return [];
      }
    }),
  );
  const held = plan.flatMap(({ id, stored, targets }): readonly Held[] =>
    stored?.record.issued ? [{ id, issued: stored.record.issued, targets }] : [],
  );
  const served = await Promise.all(held.map((of) => provenHosts(of, lists.flat(), ports)));
  return { served: served.flat(), faults };
}

async function provenHosts(
  { id, issued, targets }: Held,
  ingresses: Parameters<typeof servedHosts>[0],
  ports: Parameters<typeof prove>[2],
): Promise<readonly ReportedHost[]> {
  const holding = targets
    .filter(({ standing }) => standing.state === 'current')
    .map(({ target }) => target);
  const hosts = servedHosts(ingresses, holding);
  const proofs: readonly Proof[] = await prove(hosts, issued, ports);
  return proofs.map(({ cluster, host, proven, reason }, index) => ({
    cluster,
    host,
    serial: issued.serial,
    proven,
    reason,
    secret: hosts[index]?.target.secret ?? '',
    certificate: id,
    notAfter: issued.notAfter,
  }));
}
