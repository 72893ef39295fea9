import { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { CertificateError } from '../errors.ts';
import type { NameLookup } from '../ports.ts';
import { askTxt } from './dns-query.ts';

// No chain in honest use comes near; a longer one is a loop that changes names.
const LONGEST_CHAIN = 8;
const TRIES = 2;

export type NameLookupOptions = Readonly<{
  /** The recursive resolver: `system` for that of the machine, else `address` or `address:port`. */
  resolver: string;
  /** Where the zones' own servers listen; 53 everywhere but on one machine. */
  port: number;
  /** For each try of each question. */
  timeoutMs: number;
}>;

/** Asks a recursive resolver for the way to the servers of a zone, and those servers, each at every address, for what they answer. */
export function createNameLookup(options: NameLookupOptions): NameLookup {
  const resolver = createResolver(options);
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
    async serversWithout(nameServers, owner, values) {
      const problems = await Promise.all(
        nameServers.map((server) => problemsOf(server, { ...options, resolver, owner, values })),
      );
      return problems.flat();
    },
  };
}

function createResolver({ resolver: server, timeoutMs }: NameLookupOptions): Resolver {
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

type Question = Readonly<{
  resolver: Resolver;
  port: number;
  timeoutMs: number;
  owner: string;
  values: readonly string[];
}>;

async function problemsOf(server: string, question: Question): Promise<readonly string[]> {
  const addresses = await addressesOf(server, question.resolver);
  if (typeof addresses === 'string') return [`${server}: ${addresses}`];
  const answers = await Promise.all(addresses.map((address) => answerOf(address, question)));
  // This machine may have no IPv6, and then says so at once; another address of the server tells as much.
  const reached = answers.filter(({ isOutOfReach }) => !isOutOfReach);
  return (reached.length > 0 ? reached : answers)
    .filter(({ problem }) => problem !== undefined)
    .map(({ address, problem }) => `${server} (${address}): ${problem}`);
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

async function answerOf(address: string, { port, timeoutMs, owner, values }: Question) {
  try {
    const held = await askTxt({ address, port, timeoutMs, name: owner });
    const missing = values.filter((value) => !held.includes(value));
    const problem =
      missing.length > 0 ? `lacks ${missing.length} of ${values.length} values` : undefined;
    return { address, problem, isOutOfReach: false };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { address, problem: message, isOutOfReach: isIPv6(address) && NO_ROUTE.has(code ?? '') };
  }
}

const bare = (name: string) => name.toLowerCase().replace(/\.$/, '');
