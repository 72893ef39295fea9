import { CertificateError } from '../../errors.ts';
import type { Reply } from './transport.ts';

const PREFIX = 'urn:ietf:params:acme:error:';
const LONGEST_SENTENCE = 600;
const SOONEST_MS = 1000;
const LATEST_MS = 7 * 24 * 3_600_000;

/** RFC 8555 section 6.7: what a CA says about a failure. Every field may be absent or of another type. */
type ProblemDocument = Readonly<
  Record<'type' | 'detail' | 'instance' | 'subproblems' | 'identifier', unknown>
>;

/** A reply that is no success, on its way to where the failed call has a name. */
export class ProblemReply extends Error {
  override readonly name = 'ProblemReply';
  readonly reply: Reply;
  readonly document: unknown;

  constructor(reply: Reply, document: unknown) {
    super(`HTTP ${reply.status} ${problemType(document) ?? 'without an ACME problem'}`);
    this.reply = reply;
    this.document = document;
  }

  get type(): string | undefined {
    return problemType(this.document);
  }
}

/** The type of an ACME problem without its prefix, such as `badNonce`; undefined for every other body. */
export function problemType(document: unknown): string | undefined {
  const type = isObject(document) ? document.type : undefined;
  return typeof type === 'string' && type.startsWith(PREFIX)
    ? type.slice(PREFIX.length)
    : undefined;
}

/** A problem document in one sentence: its type, its detail, and those of its subproblems with the names they are about. */
export function problemSentence(document: unknown): string | undefined {
  if (!isObject(document)) return undefined;
  const { type, detail, subproblems } = document as ProblemDocument;
  const own = [problemType(document) ?? type, detail].filter((part) => typeof part === 'string');
  const parts = Array.isArray(subproblems) ? subproblems.map(subproblem).filter(Boolean) : [];
  const text = [own.join(': '), ...parts].filter(Boolean).join('; ');
  return text === '' ? undefined : oneLine(text);
}

function subproblem(document: unknown): string {
  const sentence = problemSentence(document) ?? '';
  const identifier = isObject(document) ? document.identifier : undefined;
  const name = isObject(identifier) ? identifier.value : undefined;
  return typeof name === 'string' ? `${name}: ${sentence}` : sentence;
}

/** What a refusal means for the caller. `call` is what was asked for, with the CA's name. */
export function refusal(cause: ProblemReply, call: string, now: Date): CertificateError {
  const { reply, document, type } = cause;
  const said = problemSentence(document) ?? `HTTP ${reply.status}`;
  const options = { retryAt: retryAt(reply, now), cause };
  if (reply.status === 429 || type === 'rateLimited')
    return new CertificateError('ca-rate-limited', `${call} is rate limited: ${said}`, options);
  if (reply.status >= 500 || type === undefined || type === 'badNonce') {
    const problem = unexpected(reply, type, said);
    return new CertificateError('ca-unavailable', `${call} failed: ${problem}`, options);
  }
  return new CertificateError('ca-rejected', `${call} was refused: ${said}`, options);
}

function retryAt({ headers }: Reply, now: Date): Date | undefined {
  const delayMs = retryAfterMs(headers, now);
  if (delayMs === undefined) return undefined;
  return new Date(now.getTime() + Math.min(Math.max(delayMs, SOONEST_MS), LATEST_MS));
}

function unexpected({ status }: Reply, type: string | undefined, said: string): string {
  if (type !== undefined || status >= 500) return said;
  if (status >= 300 && status < 400)
    return `HTTP ${status}, and redirects are not followed; configure the directory's final address`;
  return `HTTP ${status} without an ACME problem; check that the address is an ACME directory`;
}

/** Retry-After in seconds or as a date (RFC 9110 section 10.2.3), counted from the reply's own Date so that clocks need not agree. */
export function retryAfterMs(headers: Reply['headers'], now: Date): number | undefined {
  const value = headers['retry-after']?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = Date.parse(value);
  if (Number.isNaN(until)) return undefined;
  const from = Date.parse(headers.date ?? '');
  return Math.max(0, until - (Number.isNaN(from) ? now.getTime() : from));
}

/** Somebody else's text, fit for a log line and a record: no control characters, not endless. */
export function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length > LONGEST_SENTENCE ? `${line.slice(0, LONGEST_SENTENCE)}…` : line;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
