import { setTimeout as sleep } from 'node:timers/promises';
import type { DNS, Record as DnsRecord } from '@google-cloud/dns';
import { spread } from '../domain/certificate.ts';
import { LARGEST_SET, type TxtChange, type TxtSet, txtChange } from '../domain/challenge.ts';
import type { SavedChallenge } from '../domain/record.ts';
import { CertificateError, messageOf } from '../errors.ts';
import { IF_IT_LASTS } from './google-client.ts';

const DONE_WITHIN_MS = 30_000;
const FIRST_POLL_MS = 25;
const LONGEST_POLL_MS = 200;
const TRIES = 6;

/** What is used of the library. */
export type CloudDnsApi = Pick<DNS, 'getZones' | 'zone'>;

/** One zone and everything wanted in it: the values of each owner. */
export type Work = Readonly<{
  zone: ReturnType<CloudDnsApi['zone']>;
  title: string;
  owners: ReadonlyMap<string, readonly string[]>;
  kind: 'present' | 'remove';
}>;

type Step = TxtChange & Readonly<{ owner: string }>;

/** The work on the challenges of one zone; they must all be of that zone. */
export function zoneWork(
  api: CloudDnsApi,
  challenges: readonly SavedChallenge[],
  kind: Work['kind'],
): Work {
  const { project = '', zone = '' } = challenges[0] ?? {};
  const byOwner = Map.groupBy(challenges, ({ owner }) => owner);
  return {
    zone: api.zone(zone),
    title: `zone ${zone} of project ${project}`,
    owners: new Map([...byOwner].map(([owner, own]) => [owner, own.map(({ value }) => value)])),
    kind,
  };
}

/** One atomic change. A writer who was quicker shows as a conflict; then everything is read and compared again. */
export async function changeZone(work: Work, call: Call): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const steps = await openSteps(work, call);
    if (steps.length === 0) return;
    const change = await submitted(work, steps, call).catch((error) => {
      if (attempt === TRIES || !isConflict(error)) throw error;
    });
    if (change) return work.kind === 'present' ? untilDone(change, work.title, call) : undefined;
    const [owner = ''] = work.owners.keys();
    await sleep(attempt * 100 * (0.5 + spread(`${owner} ${work.owners.get(owner)} ${attempt}`)));
  }
}

/** What is still to be changed, owner by owner. */
async function openSteps(work: Work, call: Call): Promise<readonly Step[]> {
  const steps = await Promise.all(
    [...work.owners].map(async ([owner, values]) => {
      const current = await currentSet(work, owner, call);
      const [add, remove] = work.kind === 'present' ? [values, []] : [[], values];
      const change = txtChange(current, add, remove);
      if ((change?.addition?.values.length ?? 0) > LARGEST_SET)
        throw blocked(
          owner,
          work.title,
          `its TXT set would hold more than ${LARGEST_SET} values; remove stale ones`,
        );
      return change && { owner, ...change };
    }),
  );
  return steps.filter((step) => step !== undefined);
}

async function currentSet(
  { zone, title, kind }: Work,
  owner: string,
  call: Call,
): Promise<TxtSet | undefined> {
  const records = await call(title, zone.getRecords({ name: `${owner}.` })).then(
    ([found]) => found,
    (error) => {
      // Nothing of ours is left in a zone that is gone.
      if (kind === 'remove' && apiStatus(error) === 404) return [];
      throw error;
    },
  );
  const ofType = (type: string) => records.find((record) => record.type === type);
  if (kind === 'present' && ofType('CNAME'))
    throw blocked(owner, title, 'a CNAME stands there; delete it, or list the name as delegated');
  const set = ofType('TXT');
  if (set && !set.data) throw blocked(owner, title, 'its TXT set has a routing policy');
  return set && { ttl: set.metadata.ttl, values: set.data ?? [] };
}

async function submitted({ zone, title }: Work, steps: readonly Step[], call: Call) {
  const records = (side: 'addition' | 'deletion'): DnsRecord[] =>
    steps.flatMap(({ owner, [side]: set }) =>
      set ? [zone.record('TXT', { name: `${owner}.`, ttl: set.ttl, data: [...set.values] })] : [],
    );
  const change = { add: records('addition'), delete: records('deletion') };
  const [submittedChange] = await call(title, zone.createChange(change));
  return submittedChange;
}

type Change = Awaited<ReturnType<typeof submitted>>;

/** `done` means that the name servers were told, not that they answer: NameLookup asks them. */
async function untilDone(change: Change, title: string, call: Call): Promise<void> {
  let pauseMs = FIRST_POLL_MS;
  for (let waitedMs = 0; change.metadata.status !== 'done'; waitedMs += pauseMs) {
    if (waitedMs >= DONE_WITHIN_MS)
      throw new CertificateError(
        'dns-not-propagated',
        `change ${change.id} of ${title} in Cloud DNS is still pending after ${DONE_WITHIN_MS / 1000} s`,
      );
    await sleep(pauseMs);
    await call(title, change.getMetadata());
    pauseMs = Math.min(pauseMs * 2, LONGEST_POLL_MS);
  }
}

/**
 * A change that cannot come about, because it removes what is not there: who may not make it is refused with 403 before anything is
 * looked up, and whoever may learns that there is no such set.
 */
export async function triedChange(
  { zone, title, dnsName }: Pick<Work, 'zone' | 'title'> & Readonly<{ dnsName: string }>,
  call: Call,
): Promise<void> {
  const name = `_acme-challenge.certherd-may-write.${dnsName}.`;
  const nothing = zone.record('TXT', { name, ttl: 1, data: ['"nothing"'] });
  try {
    await call(title, zone.createChange({ delete: nothing }));
  } catch (error) {
    const isAbsent = apiStatus(error) === 404 && /entity\.change\.deletions/.test(messageOf(error));
    if (!isAbsent) throw error;
  }
}

/** Why a record set must not be touched. */
export const blocked = (owner: string, title: string, problem: string) =>
  new CertificateError('dns-name-blocked', `cannot write TXT ${owner} in ${title}: ${problem}`);

/** Waits for a call that is under way; its failure becomes `dns-unavailable` or `not-permitted` with the title. */
export type Call = <T>(title: string, running: Promise<T>) => Promise<T>;

/** Gives every call the same deadline; `grantee` as `toAccount` says. */
export const createCall =
  (deadlineMs: number, grantee: () => string): Call =>
  async (title, running) => {
    const late = new AbortController();
    const deadline = sleep(deadlineMs, undefined, { signal: late.signal }).then(() => {
      throw new Error(`no answer within ${deadlineMs} ms`);
    });
    try {
      return await Promise.race([running, deadline]);
    } catch (cause) {
      if (cause instanceof CertificateError) throw cause;
      throw new CertificateError(
        isRefused(cause) ? 'not-permitted' : 'dns-unavailable',
        `cannot reach ${title} in Cloud DNS: ${wordsOf(cause, `${title}${grantee()}`)}`,
        { cause },
      );
    } finally {
      late.abort();
    }
  };

function apiStatus(error: unknown): unknown {
  const cause = error instanceof CertificateError ? error.cause : error;
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}

// 409: the name is there already; 412: it is not what was read; 404: it is gone.
const isConflict = (error: unknown) => [404, 409, 412].includes(Number(apiStatus(error)));

/** What Google says by 403 though no right is missing, and what mends it (https://cloud.google.com/dns/docs/error-messages). */
const NO_REFUSALS: ReadonlyMap<string, string> = new Map([
  ['quotaExceeded', 'remove what is not needed there, or raise the quota'],
  ['rateLimitExceeded', 'wait, or raise the quota'],
  ['accessNotConfigured', 'enable dns.googleapis.com in that project'],
  ['inactiveBillingState', 'enable the billing of that project'],
]);

type Inner = Readonly<{ reason?: string; message?: string }>;

const innerOf = (error: unknown): readonly Inner[] =>
  (error as { errors?: readonly Inner[] }).errors ?? [];

const remedyOf = (error: unknown): string | undefined =>
  innerOf(error)
    .map(({ reason = '' }) => NO_REFUSALS.get(reason))
    .find((remedy) => remedy !== undefined);

const isRefused = (error: unknown) => apiStatus(error) === 403 && remedyOf(error) === undefined;

/** Whether it says nothing of the request: no answer, or the service's own failure. */
const isAway = (error: unknown) => !(Number(apiStatus(error)) < 500);

function wordsOf(error: unknown, where: string): string {
  const inner = innerOf(error).map(({ message }) => message);
  const words = (inner.join('; ') || messageOf(error)).replace(/\.$/, '');
  if (isRefused(error))
    return `permission denied (${words}); grant ${permissions(where)} on ${where}`;
  const remedy = remedyOf(error) ?? (isAway(error) ? IF_IT_LASTS : undefined);
  return remedy === undefined ? words : `${words}; ${remedy}`;
}

// A change is authorised once for itself and once for each record set in it.
const permissions = (where: string) =>
  where.startsWith('the zones of')
    ? 'dns.managedZones.list'
    : 'dns.changes.create, dns.changes.get, dns.managedZones.get, dns.resourceRecordSets.list and, for the TXT sets of challenges, dns.resourceRecordSets.create, .delete, .get and .update';
