import { GoogleFault } from '../google-api.ts';

const LARGEST_PAGE = 1000;

export type Page<Item> = Readonly<{ items: readonly Item[]; nextPageToken?: string }>;

/** One page of named things, by name. Throws INVALID_ARGUMENT for a bad size. */
export function pageOf<Item extends Readonly<{ name: string }>>(
  items: readonly Item[],
  query: URLSearchParams,
): Page<Item> {
  const size = Number(query.get('pageSize') ?? 0);
  if (!Number.isInteger(size) || size < 0)
    throw new GoogleFault('INVALID_ARGUMENT', `Invalid page size given (pageSize=${size}).`);
  const after = Buffer.from(query.get('pageToken') ?? '', 'base64url').toString();
  const rest = items
    .filter(({ name }) => name > after)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const page = rest.slice(0, Math.min(size || LARGEST_PAGE, LARGEST_PAGE));
  const last = page.at(-1);
  if (!last || page.length === rest.length) return { items: page };
  return { items: page, nextPageToken: Buffer.from(last.name).toString('base64url') };
}
