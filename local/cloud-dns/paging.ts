import { invalid } from './faults.ts';

const DEFAULT_PAGE = 100;

/** A query parameter that is there and not empty. */
export const parameter = (query: URLSearchParams, name: string) => query.get(name) || undefined;

/** How a list is sorted: by a key that no two items share. */
export type Sorting<Item> = Readonly<{
  key: (item: Item) => string;
  order: 'ascending' | 'descending';
}>;

/**
 * The page that `maxResults` and `pageToken` ask for. A token holds the key of the last item answered, so that what comes or goes
 * between two pages moves nothing else.
 */
export function page<Item>(
  all: readonly Item[],
  query: URLSearchParams,
  { key, order }: Sorting<Item>,
): Readonly<{ items: readonly Item[]; nextPageToken: string | undefined }> {
  const after = lastAnswered(query);
  const direction = order === 'ascending' ? 1 : -1;
  const rest = all
    .filter((item) => after === undefined || compare(key(item), after) * direction > 0)
    .toSorted((one, other) => compare(key(one), key(other)) * direction);
  const items = rest.slice(0, pageSize(query));
  const last = items.at(-1);
  const more = last !== undefined && rest.length > items.length;
  return { items, nextPageToken: more ? tokenAfter(key(last)) : undefined };
}

const compare = (one: string, other: string) => (one < other ? -1 : Number(one > other));

const tokenAfter = (key: string) => Buffer.from(`after ${key}`).toString('base64url');

function lastAnswered(query: URLSearchParams): string | undefined {
  const token = parameter(query, 'pageToken');
  if (token === undefined) return undefined;
  const text = Buffer.from(token, 'base64url').toString();
  if (!text.startsWith('after ')) throw invalid('parameters.pageToken', token);
  return text.slice('after '.length);
}

function pageSize(query: URLSearchParams): number {
  const text = parameter(query, 'maxResults');
  if (text === undefined) return DEFAULT_PAGE;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw invalid('parameters.maxResults', text);
  return Number(text);
}
