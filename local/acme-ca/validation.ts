import { hash } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { type ProblemDocument, problemDocument } from './problem.ts';
import type { Authorization } from './state.ts';

const TIMEOUT_MS = 3000;
const TRIES = 2;

/** What the DNS said about one TXT name; `failure` is c-ares' code, such as ENOTFOUND. */
export type TxtAnswer = Readonly<{ values: readonly string[] }> | Readonly<{ failure: string }>;

export type DnsServer = Readonly<{ address: string; port: number }>;

export type TxtLookup = Readonly<{
  ask(name: string): Promise<TxtAnswer>;
  /** Ends questions under way; they answer with a failure. */
  close(): void;
}>;

/** Asks one recursive server (RD set, UDP, TCP after a truncated answer); CNAMEs in its answer are followed. */
export function createTxtLookup({ address, port }: DnsServer): TxtLookup {
  const asking = new Set<Resolver>();
  return {
    async ask(name) {
      // One resolver a question: a shared one may answer from its cache, and a CA must not.
      const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
      resolver.setServers([`${address}:${port}`]);
      asking.add(resolver);
      try {
        const records = await resolver.resolveTxt(name);
        return { values: records.map((strings) => strings.join('')) };
      } catch (error) {
        return { failure: (error as NodeJS.ErrnoException).code ?? String(error) };
      } finally {
        asking.delete(resolver);
      }
    },
    close() {
      for (const resolver of asking) resolver.cancel();
    },
  };
}

/** Where the TXT record must stand. */
export const challengeName = ({ name }: Authorization) => `_acme-challenge.${name}`;

/** The verdict on a dns-01 challenge (RFC 8555 section 8.4), or undefined when the record is there. */
export function challengeProblem(
  one: Authorization,
  thumbprint: string,
  answer: TxtAnswer,
): ProblemDocument | undefined {
  const owner = challengeName(one);
  if ('failure' in answer) return lookupProblem(owner, answer.failure);
  const expected = hash('sha256', `${one.token}.${thumbprint}`, 'base64url');
  if (answer.values.includes(expected)) return undefined;
  const others = answer.values.length - 1;
  const more = others > 0 ? ` (and ${others} more)` : '';
  return problemDocument(
    'unauthorized',
    `Incorrect TXT record "${answer.values[0]}"${more} found at ${owner}`,
  );
}

function lookupProblem(owner: string, failure: string): ProblemDocument {
  switch (failure) {
    case 'ENODATA':
      return problemDocument('unauthorized', `No TXT record found at ${owner}`);
    case 'ENOTFOUND':
      return problemDocument(
        'dns',
        `DNS problem: NXDOMAIN looking up TXT for ${owner} - check that a DNS record exists for this domain`,
      );
    default:
      return problemDocument('dns', `DNS problem: ${failure} looking up TXT for ${owner}`);
  }
}
