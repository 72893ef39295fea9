import { GoogleFault } from '../google-api.ts';

/** A JSON object as it came in; null counts as absent, as in protobuf's JSON form. */
export type Fields = Readonly<Record<string, unknown>>;

const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);

/** An object that has no field but `known`, or a refusal in the words of Google's JSON parser. */
export function parseFields(value: unknown, at: string, known: readonly string[]): Fields {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(`Invalid value at '${at}' (an object is expected)`);
  const fields = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  for (const [name] of fields)
    if (!known.includes(name))
      throw invalid(
        `Invalid JSON payload received. Unknown name "${name}" at '${at}': Cannot find field.`,
      );
  return Object.fromEntries(fields);
}

export function parseText(value: unknown, at: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw invalid(`Invalid value at '${at}' (TYPE_STRING)`);
  return value;
}

/** A number, which protobuf's JSON form may also write as a string. */
export function parseNumber(value: unknown, at: string): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number))
    throw invalid(`Invalid value at '${at}' (TYPE_DOUBLE)`);
  return number;
}

export function parseInteger(value: unknown, at: string): number | undefined {
  const number = parseNumber(value, at);
  if (number !== undefined && !Number.isInteger(number))
    throw invalid(`Invalid value at '${at}' (TYPE_INT32)`);
  return number;
}

/** A duration such as `3.5s`, in milliseconds. */
export function parseDuration(value: unknown, at: string): number | undefined {
  const text = parseText(value, at);
  if (text === undefined) return undefined;
  if (!/^-?\d+(\.\d{1,9})?s$/.test(text))
    throw invalid(
      `Invalid value at '${at}' (type.googleapis.com/google.protobuf.Duration), "${text}"`,
    );
  return Math.trunc(Number(text.slice(0, -1)) * 1000);
}

/** Milliseconds as protobuf writes a duration: no fraction, or three digits of it. */
export const duration = (ms: number): string =>
  `${ms % 1000 === 0 ? ms / 1000 : (ms / 1000).toFixed(3)}s`;

/** An RFC 3339 time, cut to the milliseconds that a Date holds. */
export function parseTime(value: unknown, at: string): Date | undefined {
  const text = parseText(value, at);
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(time.getTime()))
    throw invalid(
      `Invalid value at '${at}' (type.googleapis.com/google.protobuf.Timestamp), "${text}"`,
    );
  return time;
}

/** An enum's name. Generated clients send its number, which is its place in `names`. */
export function parseEnum<Name extends string>(
  value: unknown,
  at: string,
  names: readonly Name[],
): Name | undefined {
  if (value === undefined) return undefined;
  const index = typeof value === 'number' || /^\d+$/.test(String(value)) ? Number(value) : -1;
  const name = names[index] ?? names.find((known) => known === value);
  if (name === undefined) throw invalid(`Invalid value at '${at}': ${JSON.stringify(value)}`);
  return name;
}

/** The field paths of an update mask in camel case; undefined when there is none. */
export function parseMask(query: URLSearchParams): readonly string[] | undefined {
  const mask = query.get('updateMask') ?? '';
  if (mask === '') return undefined;
  return mask
    .split(',')
    .map((path) => path.trim().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}

/** One page of `items`; a page token is the place of its first item. */
export function page<Item>(
  items: readonly Item[],
  query: URLSearchParams,
  most: number,
): Readonly<{ items: readonly Item[]; nextPageToken?: string }> {
  const asked = parseInteger(query.get('pageSize') ?? 0, 'page_size') ?? 0;
  const token = query.get('pageToken') || '0';
  if (asked < 0 || !/^\d+$/.test(token)) throw invalid('Invalid page size or page token.');
  const start = Number(token);
  const end = start + Math.min(asked || most, most);
  return {
    items: items.slice(start, end),
    ...(end < items.length && { nextPageToken: String(end) }),
  };
}
