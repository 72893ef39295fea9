import { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { isWithin } from '../domain/names.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type { NameLookup } from '../ports.ts';
import { askTxt, NoAnswer } from './dns-query.ts';

// No chain in honest use comes near; a longer one is a loop that changes names.
const LONGEST_CHAIN = 8;
const TRIES = 2;
const TIMEOUT_MS = 2000;

export type NameLookupOptions = Readonly<{
  /** The recursive resolver: `system` for that of the machine, else `address` or `address:port`. */
  resolver: string;
  /** Where the zones' own servers listen; 53 everywhere but on one machine. */
  port: number;
  /** For each try of each question; default 2 s. */
  timeoutMs?: number | undefined;
}>;

/** Asks a recursive resolver for the way to the servers of a zone, and those servers, each at every address, for what they answer. */
export function createNameLookup(options: NameLookupOptions): NameLookup {
  const { port, timeoutMs = TIMEOUT_MS } = options;
  const resolver = createResolver(options.resolver, timeoutMs);
  let isWithoutIpv6 = false;
  const answersOfAll = async (
    nameServers: readonly string[],
    asked: Pick<Question, 'owner' | 'values'>,
  ): Promise<readonly ServerAnswer[]> => {
    const question = { port, timeoutMs, resolver, isWithoutIpv6, ...asked };
    const answers = await Promise.all(nameServers.map((server) => answersOf(server, question)));
    isWithoutIpv6 ||= lacksIpv6(answers.flat());
    return answers.flat();
  };
  return {
    async canonicalName(name) {
      const chain = [bare(name)];
      for (;;) {
        const [end = ''] = chain.slice(-1);
        const target = await aliasOf(resolver, end);
        if (!target) return end;
        if (chain.includes(target) || chain.length > LONGEST_CHAIN)
          throw new CertificateError(
            'dns-name-blocked',
            `the CNAME chain of ${name} never ends: ${[...chain, target].join(' -> ')}; mend its records`,
          );
        chain.push(target);
      }
    },
    async delegation(zone) {
      const servers = await found(resolver.resolveNs(bare(zone)), `the name servers of ${zone}`);
      return servers.map(bare);
    },
    serversWithout: async (nameServers, owner, values) =>
      problemsIn(await answersOfAll(nameServers, { owner, values })),
    cutBelow: async ({ dnsName, nameServers }, owner) =>
      cutIn(await answersOfAll(nameServers, { owner, values: [] }), dnsName, owner),
  };
}

function createResolver(server: string, timeoutMs: number): Resolver {
  const resolver = new Resolver({ timeout: timeoutMs, tries: TRIES, maxTimeout: timeoutMs });
  if (server !== 'system') resolver.setServers([server]);
  return resolver;
}

async function aliasOf(resolver: Resolver, name: string): Promise<string | undefined> {
  const [target] = await found(resolver.resolveCname(name), `the CNAME of ${name}`);
  return target === undefined ? undefined : bare(target);
}

/** The records, or none where the DNS says that there are none; no answer is not the same as none. */
async function found(records: Promise<string[]>, what: string): Promise<readonly string[]> {
  try {
    return await records;
  } catch (cause) {
    const { code = 'no answer' } = cause as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
    throw new CertificateError(
      'dns-unavailable',
      `cannot look up ${what}: ${code}; check the resolver and the servers of that name`,
      { cause },
    );
  }
}

/**
 * What one address of a name server said; no address when its name has none. `problem` undefined: it holds every value. `zone` as in
 * TxtAnswer.
 */
export type ServerAnswer = Readonly<{
  server: string;
  address: string | undefined;
  problem: string | undefined;
  zone: string | undefined;
  /** No route, or silence: nothing came back at all. */
  isOutOfReach: boolean;
}>;

/**
 * The answers that are problems, as `server (address): problem`. A machine without IPv6 gets no answer from any IPv6 address; then a
 * server is judged by its other addresses, if it has others.
 */
export function problemsIn(answers: readonly ServerAnswer[]): readonly string[] {
  const isIgnored = lacksIpv6(answers) ? isSix : () => false;
  const judged = new Set(answers.filter((each) => !isIgnored(each)).map(({ server }) => server));
  return answers
    .filter((each) => each.problem !== undefined)
    .filter((each) => !(isIgnored(each) && judged.has(each.server)))
    .map(
      ({ server, address, problem }) => `${server}${address ? ` (${address})` : ''}: ${problem}`,
    );
}

/** The zone between `apex` and `owner` that all who answered name as holding the owner. */
export function cutIn(
  answers: readonly ServerAnswer[],
  apex: string,
  owner: string,
): string | undefined {
  const heard = answers.filter(({ isOutOfReach }) => !isOutOfReach);
  const [cut, ...others] = new Set(heard.map(({ zone }) => zone));
  if (cut === undefined || others.length > 0) return undefined;
  return cut !== apex && isWithin(apex, cut) && isWithin(cut, owner) ? cut : undefined;
}

const isSix = ({ address = '' }: ServerAnswer) => isIPv6(address);

/** Whether this machine has no IPv6, as far as these answers tell. */
function lacksIpv6(answers: readonly ServerAnswer[]): boolean {
  const six = answers.filter(isSix);
  return (
    six.length > 0 &&
    six.every(({ isOutOfReach }) => isOutOfReach) &&
    answers.some((each) => !isSix(each) && !each.isOutOfReach)
  );
}

type Question = Readonly<{
  resolver: Resolver;
  port: number;
  timeoutMs: number;
  owner: string;
  values: readonly string[];
  /** Found out before: asking would only cost the time-outs. */
  isWithoutIpv6: boolean;
}>;

async function answersOf(server: string, question: Question): Promise<readonly ServerAnswer[]> {
  const found = await addressesOf(server, question.resolver);
  if (typeof found === 'string')
    return [{ server, address: undefined, problem: found, zone: undefined, isOutOfReach: true }];
  const four = found.filter((address) => !isIPv6(address));
  const addresses = question.isWithoutIpv6 && four.length > 0 ? four : found;
  return Promise.all(addresses.map((address) => answerOf(server, address, question)));
}

/** Every address of a server, or what is wrong with its name. */
async function addressesOf(
  server: string,
  resolver: Resolver,
): Promise<readonly string[] | string> {
  try {
    const [four, six] = await Promise.all([
      found(resolver.resolve4(server), `the addresses of ${server}`),
      found(resolver.resolve6(server), `the addresses of ${server}`),
    ]);
    return four.length + six.length > 0 ? [...four, ...six] : 'has no address';
  } catch (error) {
    if (error instanceof CertificateError) return error.message;
    throw error;
  }
}

const NO_ROUTE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT']);

async function answerOf(
  server: string,
  address: string,
  { port, timeoutMs, owner, values }: Question,
): Promise<ServerAnswer> {
  try {
    const answer = await askTxt({ address, port, timeoutMs, name: owner });
    const problem = answer.isAuthority
      ? lacking(answer.values, values)
      : 'is no authority for the name';
    return { server, address, problem, zone: answer.zone, isOutOfReach: false };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const isOutOfReach = error instanceof NoAnswer || NO_ROUTE.has(code);
    return { server, address, problem: messageOf(error), zone: undefined, isOutOfReach };
  }
}

function lacking(held: readonly string[], wanted: readonly string[]): string | undefined {
  const missing = wanted.filter((value) => !held.includes(value));
  return missing.length > 0 ? `lacks ${missing.length} of ${wanted.length} values` : undefined;
}

const bare = (name: string) => name.toLowerCase().replace(/\.$/, '');
