import { isWildcard, isWithin, parentOf } from './names.ts';

/** The first label of every name that dns-01 asks for (RFC 8555 section 8.4). */
const CHALLENGE_LABEL = '_acme-challenge';

/** TTL of a set that we make, in seconds. A set that is there keeps its own. */
export const NEW_SET_TTL = 60;

/** Cloud DNS takes no more records in one set. */
export const LARGEST_SET = 100;

// RFC 1035 section 3.3: one character-string holds 255 octets.
const LONGEST_STRING = 255;

/** A TXT record set. `values` are in presentation format (RFC 1035 section 5.1), exactly as they are stored. */
export type TxtSet = Readonly<{ ttl: number; values: readonly string[] }>;

/** What is taken away and what is put in its place, in one change. The deletion is the whole set as it was read. */
export type TxtChange = Readonly<{ deletion: TxtSet | undefined; addition: TxtSet | undefined }>;

/** The name whose TXT proves control of `name`; a wildcard is proven at its parent. */
export const challengeName = (name: string): string =>
  `${CHALLENGE_LABEL}.${isWildcard(name) ? parentOf(name) : name}`;

export const isChallengeName = (owner: string): boolean => owner.startsWith(`${CHALLENGE_LABEL}.`);

/** The zones that could hold `owner`, the longest first. Several of the same name are all there: only the delegation tells them apart. */
export const zonesFor = <Z extends Readonly<{ dnsName: string }>>(
  zones: readonly Z[],
  owner: string,
): readonly Z[] =>
  zones
    .filter(({ dnsName }) => isWithin(dnsName, owner))
    .sort((a, b) => b.dnsName.length - a.dnsName.length);

/**
 * The change that puts `add` into a TXT set and takes `remove` out of it; both hold plain text. Foreign values and their TTL
 * survive as they are written. What is in both stays in. undefined when the set is already as it should be.
 */
export function txtChange(
  current: TxtSet | undefined,
  add: readonly string[],
  remove: readonly string[],
): TxtChange | undefined {
  const before = current?.values ?? [];
  const gone = new Set(remove).difference(new Set(add));
  const kept = before.filter((value) => !gone.has(unquoted(value)));
  const missing = new Set(add).difference(new Set(kept.map(unquoted)));
  if (missing.size === 0 && kept.length === before.length) return undefined;
  const values = [...kept, ...[...missing].map(quoted)];
  return {
    deletion: current,
    addition: values.length > 0 ? { ttl: current?.ttl ?? NEW_SET_TTL, values } : undefined,
  };
}

/** Plain text in presentation format: one or more quoted character-strings. */
export function quoted(text: string): string {
  const strings = text.match(new RegExp(`.{1,${LONGEST_STRING}}`, 'gs')) ?? [''];
  return strings.map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ');
}

/** The text of a TXT value in presentation format: its character-strings, quoted or bare, joined as every reader joins them. */
export function unquoted(value: string): string {
  const strings = value.match(/"(?:\\.|[^"\\])*"|(?:\\.|[^"\s\\])+/gs) ?? [];
  return strings.map((part) => unescaped(part.startsWith('"') ? part.slice(1, -1) : part)).join('');
}

const unescaped = (part: string) =>
  part.replace(/\\(\d{3}|.)/gs, (_, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
  );
