import { GoogleFault } from '../google-api.ts';

/** Whether a message with these attributes is delivered. */
export type MessageTest = (attributes: Readonly<Record<string, string>>) => boolean;

type Token = Readonly<{ kind: 'text' | 'word' | 'sign'; value: string }>;
type Reader = { tokens: Token[]; filter: string };

const FILTER_BYTES = 256;

/**
 * Reads a subscription's filter (https://cloud.google.com/pubsub/docs/subscription-message-filter): `attributes:KEY`,
 * `attributes.KEY = "V"`, `!=`, `hasPrefix(attributes.KEY, "P")`, AND, OR, NOT (or `-`) and parentheses.
 * Throws INVALID_ARGUMENT for anything else, AND beside OR without parentheses included.
 */
export function messageTest(filter: string): MessageTest {
  const reader = { tokens: tokensOf(filter), filter };
  if (reader.tokens.length === 0) return () => true;
  const test = expression(reader);
  if (reader.tokens.length > 0) throw malformed(filter);
  return test;
}

const TOKEN =
  /\s*(?:(?<text>"(?:[^"\\]|\\.)*")|(?<word>[A-Za-z0-9_][\w-]*)|(?<sign>!=|[().,:=-]))/y;

function tokensOf(filter: string): Token[] {
  if (Buffer.byteLength(filter) > FILTER_BYTES) throw malformed(filter);
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  const end = filter.trimEnd().length;
  while (pattern.lastIndex < end) {
    const found = pattern.exec(filter)?.groups;
    if (!found) throw malformed(filter);
    if (found.text) tokens.push({ kind: 'text', value: unquoted(found.text, filter) });
    else if (found.word) tokens.push({ kind: 'word', value: found.word });
    else tokens.push({ kind: 'sign', value: found.sign ?? '' });
  }
  return tokens;
}

function unquoted(text: string, filter: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw malformed(filter);
  }
}

function expression(reader: Reader): MessageTest {
  const tests = [term(reader)];
  const joiner = reader.tokens[0]?.value;
  if (!isWord(reader, 'AND') && !isWord(reader, 'OR')) return tests[0] as MessageTest;
  while (isWord(reader, joiner ?? '')) {
    reader.tokens.shift();
    tests.push(term(reader));
  }
  if (isWord(reader, 'AND') || isWord(reader, 'OR')) throw malformed(reader.filter);
  if (joiner === 'AND') return (attributes) => tests.every((test) => test(attributes));
  return (attributes) => tests.some((test) => test(attributes));
}

function term(reader: Reader): MessageTest {
  const { kind, value } = next(reader);
  if (kind === 'text') throw malformed(reader.filter);
  if (value === 'NOT' || value === '-') {
    const test = term(reader);
    return (attributes) => !test(attributes);
  }
  if (value === '(') {
    const test = expression(reader);
    expectSign(reader, ')');
    return test;
  }
  if (value === 'hasPrefix') return prefixTest(reader);
  if (value === 'attributes') return attributeTest(reader);
  throw malformed(reader.filter);
}

function attributeTest(reader: Reader): MessageTest {
  const { value: sign } = next(reader);
  const key = keyOf(reader);
  if (sign === ':') return (attributes) => Object.hasOwn(attributes, key);
  if (sign !== '.') throw malformed(reader.filter);
  const { value: operator } = next(reader);
  const wanted = textOf(reader);
  if (operator === '=') return (attributes) => attributes[key] === wanted;
  if (operator === '!=') return (attributes) => attributes[key] !== wanted;
  throw malformed(reader.filter);
}

function prefixTest(reader: Reader): MessageTest {
  expectSign(reader, '(');
  if (next(reader).value !== 'attributes') throw malformed(reader.filter);
  expectSign(reader, '.');
  const key = keyOf(reader);
  expectSign(reader, ',');
  const prefix = textOf(reader);
  expectSign(reader, ')');
  // An attribute may be called like what every object inherits.
  return (attributes) => Object.hasOwn(attributes, key) && !!attributes[key]?.startsWith(prefix);
}

function next(reader: Reader): Token {
  const token = reader.tokens.shift();
  if (!token) throw malformed(reader.filter);
  return token;
}

function keyOf(reader: Reader): string {
  const { kind, value } = next(reader);
  if (kind === 'sign') throw malformed(reader.filter);
  return value;
}

function textOf(reader: Reader): string {
  const { kind, value } = next(reader);
  if (kind !== 'text') throw malformed(reader.filter);
  return value;
}

function expectSign(reader: Reader, sign: string): void {
  const { kind, value } = next(reader);
  if (kind !== 'sign' || value !== sign) throw malformed(reader.filter);
}

function isWord(reader: Reader, word: string): boolean {
  const [token] = reader.tokens;
  return token?.kind === 'word' && token.value === word;
}

const malformed = (filter: string) =>
  new GoogleFault('INVALID_ARGUMENT', `Invalid filter syntax provided (filter=${filter}).`);
