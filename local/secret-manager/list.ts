import { GoogleFault } from '../google-api.ts';

const LARGEST_PAGE = 25_000;

/** Where a page ends: the order number of its last item, so that a deletion in between skips nothing. */
export type Page<Item> = Readonly<{ items: readonly Item[]; nextPageToken?: string }>;

/** One page of a list that is sorted by falling `order`. Throws INVALID_ARGUMENT for a bad size or token. */
export function pageOf<Item>(
  newestFirst: readonly Item[],
  order: (item: Item) => number,
  query: URLSearchParams,
): Page<Item> {
  const size = pageSize(query.get('pageSize'));
  const before = pageStart(query.get('pageToken'));
  const rest =
    before === undefined ? newestFirst : newestFirst.filter((item) => order(item) < before);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  if (last === undefined || rest.length <= size) return { items };
  return { items, nextPageToken: Buffer.from(String(order(last))).toString('base64url') };
}

function pageSize(given: string | null): number {
  const size = Number(given ?? 0);
  if (!Number.isInteger(size) || size < 0)
    throw new GoogleFault('INVALID_ARGUMENT', `The page_size [${given}] is invalid.`);
  return Math.min(size || LARGEST_PAGE, LARGEST_PAGE);
}

function pageStart(token: string | null): number | undefined {
  if (!token) return undefined;
  const order = Buffer.from(token, 'base64url').toString();
  if (!/^\d+$/.test(order)) throw new GoogleFault('INVALID_ARGUMENT', 'The page_token is invalid.');
  return Number(order);
}

/** What a filter can ask about one item: field to value. */
export type Facts = Readonly<{
  labels?: Readonly<Record<string, string>>;
  name?: string;
  state?: string;
}>;

type Test = (facts: Facts) => boolean;

/**
 * The test for a list filter (https://cloud.google.com/secret-manager/docs/filtering), of which this is read:
 * `labels.KEY=VALUE` (or `:`), `name:PART` on the id, `state:STATE` (or `=`), joined by AND. Throws INVALID_ARGUMENT for the rest.
 */
export function filterTest(filter: string | null, fields: readonly (keyof Facts)[]): Test {
  if (!filter?.trim()) return () => true;
  const tests = filter
    .trim()
    .split(/\s+AND\s+/)
    .map((term) => termTest(term, fields));
  return (facts) => tests.every((test) => test(facts));
}

const TERM =
  /^(?:(?<name>name):|(?<state>state)[:=]|labels\.(?<label>[\p{L}\p{N}_-]+)[:=])(?<value>"[^"*]*"|[^\s"()*]+)$/u;

function termTest(term: string, fields: readonly (keyof Facts)[]): Test {
  const { name, state, label, value: quoted = '' } = TERM.exec(term)?.groups ?? {};
  const value = quoted.replace(/^"|"$/g, '');
  if (name && fields.includes('name'))
    return (facts) => facts.name?.toLowerCase().includes(value.toLowerCase()) === true;
  if (state && fields.includes('state')) return (facts) => facts.state === value.toUpperCase();
  if (label && fields.includes('labels')) return ({ labels }) => labels?.[label] === value;
  throw new GoogleFault(
    'INVALID_ARGUMENT',
    `The filter [${term}] is not understood; this stand-in reads ${fields.join(', ')} joined by AND.`,
  );
}
