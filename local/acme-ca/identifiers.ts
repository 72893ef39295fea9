import { isIP } from 'node:net';
import { z } from 'zod';
import {
  AcmeProblem,
  combinedProblem,
  type Identifier,
  type ProblemDocument,
  problemDocument,
} from './problem.ts';

const MAX_NAMES = 100;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The `identifiers` of a newOrder payload. */
export const identifierList = z
  .array(z.object({ type: z.string(), value: z.string() }))
  .min(1, 'an order needs at least one identifier');

/**
 * The names of an order, sorted and without repetition. Throws what Boulder answers: `unsupportedIdentifier`,
 * `rejectedIdentifier` with a subproblem for each bad name, `malformed` for too many or redundant ones.
 */
export function orderNames(identifiers: readonly Identifier[]): string[] {
  const foreign = identifiers.find(({ type }) => type !== 'dns');
  if (foreign)
    throw new AcmeProblem('unsupportedIdentifier', `identifier type ${foreign.type} is not dns`);
  const names = [...new Set(identifiers.map(({ value }) => value))].sort();
  if (names.length > MAX_NAMES)
    throw new AcmeProblem('malformed', `an order cannot hold more than ${MAX_NAMES} names`);
  rejectBadNames(names);
  rejectRedundantNames(names);
  return names;
}

function rejectBadNames(names: readonly string[]): void {
  const problems = names.flatMap((value) => {
    const detail = objection(value);
    return detail ? [{ ...rejected(detail), identifier: { type: 'dns', value } }] : [];
  });
  const all = combinedProblem(problems);
  if (all) throw new AcmeProblem('rejectedIdentifier', all.detail, { subproblems: problems });
}

const rejected = (detail: string): ProblemDocument => problemDocument('rejectedIdentifier', detail);

function objection(name: string): string | undefined {
  const base = name.startsWith('*.') ? name.slice(2) : name;
  if (isIP(name)) return 'an IP address is not a DNS name';
  if (base.includes('*')) return 'a wildcard may only be the whole left-most label';
  if (base.length > 253) return 'the name is longer than 253 characters';
  const labels = base.split('.');
  if (labels.length < 2) return 'the name needs at least one dot';
  const bad = labels.find((label) => !LABEL.test(label));
  if (bad !== undefined) return `label "${bad}" is not 1 to 63 of a-z, 0-9 and inner hyphens`;
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) return 'the last label must not be a number';
  return labels.find(isReservedLabel) && 'a label with hyphens at 3 and 4 must be an A-label';
}

const isReservedLabel = (label: string) => /^..--/.test(label) && !label.startsWith('xn--');

function rejectRedundantNames(names: readonly string[]): void {
  const covered = names.find(
    (name) => !name.startsWith('*.') && names.includes(name.replace(/^[^.]+/, '*')),
  );
  if (covered)
    throw new AcmeProblem(
      'malformed',
      `Domain name "${covered}" is redundant with a wildcard domain in the same request. Remove one or the other from the certificate request.`,
    );
}
