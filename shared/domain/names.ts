import { domainToASCII } from 'node:url';

/** A name in its normal form, or what is wrong with it. */
export type ParsedName = Readonly<{ name: string } | { problem: string }>;

// RFC 1035 section 2.3.1 without the underscore, which no CA certifies (CA/B Baseline Requirements 7.1.2.7.12).
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const LONGEST_NAME = 253;
// `domainToASCII` parses its argument as the host of a URL: it would cut "a.test/x", decode "%61" and drop a tab.
const HOST_CHARACTERS = /^[a-z0-9.\-\u0080-\u{10ffff}]+$/iu;

/**
 * The normal form of a host: lower case, A-labels (IDNA), no last dot, at most one `*` as the whole left-most label.
 * Everything downstream relies on it and never checks again.
 */
export function parseName(host: string): ParsedName {
  const trimmed = host.endsWith('.') ? host.slice(0, -1) : host;
  if (isAddress(trimmed))
    return { problem: 'is an IP address; only DNS names can be proven by DNS-01' };
  const wildcard = trimmed.startsWith('*.');
  const base = wildcard ? trimmed.slice(2) : trimmed;
  const problem = problemOf(base);
  if (problem) return { problem };
  const ascii = domainToASCII(base);
  if (!isHostName(ascii)) return { problem: 'is not a valid DNS name' };
  if (!ascii.includes('.')) return { problem: 'needs at least two labels' };
  const name = wildcard ? `*.${ascii}` : ascii;
  if (name.length > LONGEST_NAME) return { problem: `is longer than ${LONGEST_NAME} characters` };
  return { name };
}

function problemOf(base: string): string | undefined {
  if (base === '') return 'is empty';
  if (base.includes('*')) return 'may have a * only as its whole first label';
  if (base.includes('_')) return 'has an underscore, which no CA certifies';
  if (base.split('.').includes('')) return 'has an empty label';
  return HOST_CHARACTERS.test(base) ? undefined : 'is not a valid DNS name';
}

const isHostName = (ascii: string) =>
  !isAddress(ascii) && ascii.split('.').every((label) => LABEL.test(label));

// A numeric last label makes it an IPv4 address to every URL parser (WHATWG URL section 3.5).
const isAddress = (host: string) => host.includes(':') || /(^|\.)\d+$/.test(host);

/** The name that has all but the first label; the wildcard `*.x` stands for exactly the names whose parent is `x`. */
export const parentOf = (name: string): string => name.slice(name.indexOf('.') + 1);

export const isWildcard = (name: string): boolean => name.startsWith('*.');

/** Whether a certificate for `pattern` is good for `name` (RFC 6125 section 6.4.3). */
export const covers = (pattern: string, name: string): boolean =>
  pattern === name ||
  (isWildcard(pattern) && !isWildcard(name) && pattern === `*.${parentOf(name)}`);

/** Whether `name` is `suffix` or below it. A wildcard is below its parent. */
export const isWithin = (suffix: string, name: string): boolean =>
  name === suffix || name.endsWith(`.${suffix}`);

/** The set as a CA accepts it: sorted, each once, without names that a wildcard of the same set covers (Boulder calls them redundant). */
export function nameSet(names: readonly string[]): readonly string[] {
  const all = new Set(names);
  return [...all].filter((name) => isWildcard(name) || !all.has(`*.${parentOf(name)}`)).sort();
}
