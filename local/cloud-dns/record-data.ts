import { isIPv4, isIPv6 } from 'node:net';
import type { CaaData, MxData, SoaData, SrvData } from 'dns-packet';

/** What a record of each type holds, in the form that dns-packet encodes. */
type Wire = {
  A: string;
  AAAA: string;
  CAA: CaaData;
  CNAME: string;
  MX: MxData;
  NS: string;
  PTR: string;
  SOA: SoaData;
  SRV: SrvData;
  TXT: Buffer[];
};

/** The record types this stand-in keeps and answers. */
export type RecordType = keyof Wire;

const UINT16 = 65_535;
const UINT32 = 4_294_967_295;

const readers: { [Type in RecordType]: (text: string) => Wire[Type] | undefined } = {
  A: (text) => (isIPv4(text) ? text : undefined),
  AAAA: (text) => (isIPv6(text) && !text.includes('%') ? text : undefined),
  CAA: readCaa,
  CNAME: absoluteName,
  MX: readMx,
  NS: absoluteName,
  PTR: absoluteName,
  SOA: readSoa,
  SRV: readSrv,
  TXT: (text) => characterStrings(text)?.map(({ bytes }) => bytes),
};

export const isRecordType = (type: string): type is RecordType => Object.hasOwn(readers, type);

/** The data to put on the wire, or undefined when `text` is none of its type. */
export function wireData<Type extends RecordType>(
  type: Type,
  text: string,
): Wire[Type] | undefined {
  return readers[type](text);
}

/** The text as Cloud DNS keeps it (TXT quoted, each string for itself), or undefined when it is no data of its type. */
export function normalRrdata(type: RecordType, text: string): string | undefined {
  if (type === 'TXT')
    return characterStrings(text)
      ?.map(({ source }) => `"${source}"`)
      .join(' ');
  return wireData(type, text) === undefined ? undefined : text;
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** The name in lower case when it is absolute and well-formed (a wildcard included), else undefined. */
export function ownerName(text: string): string | undefined {
  if (!text.endsWith('.') || text.length > 254) return undefined;
  const [first, ...rest] = text.slice(0, -1).split('.');
  if (first !== '*' && !LABEL.test(first ?? '')) return undefined;
  return rest.every((label) => LABEL.test(label)) ? text.toLowerCase() : undefined;
}

function absoluteName(text: string): string | undefined {
  return text.startsWith('*') || ownerName(text) === undefined ? undefined : text;
}

type CharacterString = Readonly<{ source: string; bytes: Buffer }>;

/** RFC 1035 section 5.1: blank-separated strings of at most 255 bytes, quoted or bare, with \DDD and \X escapes. */
function characterStrings(text: string): readonly CharacterString[] | undefined {
  const strings: CharacterString[] = [];
  const token = /\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^"\s\\]|\\.)+))(?=\s|$)\s*/suy;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    const source = match?.[1] ?? match?.[2];
    const bytes = source === undefined ? undefined : unescaped(source);
    if (source === undefined || !bytes || bytes.length > 255) return undefined;
    strings.push({ source, bytes });
  }
  return strings.length > 0 ? strings : undefined;
}

function unescaped(source: string): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const part of source.match(/\\\d{3}|\\.|[^\\]+/gsu) ?? []) {
    const code = /^\\(\d{3})$/.exec(part)?.[1];
    if (code !== undefined && Number(code) > 255) return undefined;
    parts.push(code === undefined ? Buffer.from(part.replace(/^\\/, '')) : Buffer.of(Number(code)));
  }
  return Buffer.concat(parts);
}

/** Blank-separated whole numbers, or undefined when one is missing or above `most`. */
function numbers(words: readonly string[], most: number): readonly number[] | undefined {
  const values = words.map((word) => (/^\d+$/.test(word) ? Number(word) : Number.NaN));
  return values.every((value) => value <= most) ? values : undefined;
}

function readCaa(text: string): CaaData | undefined {
  const [, flags, tag, quoted, bare] =
    /^(\d{1,3})\s+([a-z0-9]+)\s+(?:"([^"]*)"|([^\s"]+))$/i.exec(text) ?? [];
  if (tag === undefined || Number(flags) > 255) return undefined;
  // RFC 8659 section 4.1 leaves the tags open; dns-packet's type names the first three.
  return { flags: Number(flags), tag: tag as CaaData['tag'], value: quoted ?? bare ?? '' };
}

function readMx(text: string): MxData | undefined {
  const [preference = '', exchange = '', ...more] = text.split(/\s+/);
  const [value] = numbers([preference], UINT16) ?? [];
  const name = absoluteName(exchange);
  return value === undefined || !name || more.length > 0
    ? undefined
    : { preference: value, exchange: name };
}

function readSrv(text: string): SrvData | undefined {
  const [first = '', second = '', third = '', host = '', ...more] = text.split(/\s+/);
  const [priority = 0, weight = 0, port] = numbers([first, second, third], UINT16) ?? [];
  const target = absoluteName(host);
  return port === undefined || !target || more.length > 0
    ? undefined
    : { priority, weight, port, target };
}

function readSoa(text: string): SoaData | undefined {
  const [primary = '', mailbox = '', ...words] = text.split(/\s+/);
  const mname = absoluteName(primary);
  const rname = absoluteName(mailbox);
  const values = words.length === 5 ? numbers(words, UINT32) : undefined;
  if (!mname || !rname || !values) return undefined;
  const [serial, refresh, retry, expire, minimum] = values;
  return { mname, rname, serial, refresh, retry, expire, minimum };
}
