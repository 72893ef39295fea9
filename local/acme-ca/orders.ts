import { randomBytes } from 'node:crypto';
import { combinedProblem, type ProblemDocument } from './problem.ts';
import type { AcmeCaState, Authorization, Order } from './state.ts';

const DAY_MS = 86_400_000;
const PENDING_DAYS = 7;
const VALID_DAYS = 30;

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
export type AuthorizationStatus = 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired';

/** What a newOrder is answered with: the order that waits already for these names, or a new one and its new authorizations. */
export type Placement = Readonly<{
  order: Order;
  authorizations: readonly Authorization[];
  isNew: boolean;
}>;

export type Wish = Readonly<{
  account: string;
  names: readonly string[];
  now: Date;
  /** Valid authorizations of the account stand in for new ones, so that an order may be born `ready`. */
  reuse: boolean;
}>;

/** Places an order. Like Boulder it returns the pending or ready order of the account for the same names. */
export function placement(state: AcmeCaState, wish: Wish): Placement {
  const open = Object.values(state.orders).find((order) => isOpenFor(state, order, wish));
  if (open) return { order: open, authorizations: [], isNew: false };
  const choices = wish.names.map((name) => authorizationFor(state, name, wish));
  const order = {
    id: newId(),
    account: wish.account,
    names: wish.names,
    authorizations: choices.map(({ id }) => id),
    expires: later(wish.now, PENDING_DAYS),
  };
  const added = choices.filter(({ id }) => !state.authorizations[id]);
  return { order, authorizations: added, isNew: true };
}

function isOpenFor(state: AcmeCaState, order: Order, { account, names, now }: Wish): boolean {
  if (order.account !== account || order.names.join() !== names.join()) return false;
  const status = statusOfOrder(state, order, now);
  return status === 'pending' || status === 'ready';
}

function authorizationFor(state: AcmeCaState, asked: string, wish: Wish): Authorization {
  const wildcard = asked.startsWith('*.');
  const name = wildcard ? asked.slice(2) : asked;
  const earlier = Object.values(state.authorizations).find(
    (one) =>
      one.account === wish.account &&
      one.name === name &&
      one.wildcard === wildcard &&
      statusOfAuthorization(one, wish.now) === 'valid',
  );
  if (wish.reuse && earlier) return earlier;
  return {
    id: newId(),
    account: wish.account,
    name,
    wildcard,
    token: randomBytes(32).toString('base64url'),
    expires: later(wish.now, PENDING_DAYS),
    deactivated: false,
    challenge: 'pending',
  };
}

/** RFC 8555 section 7.1.6; `revoked` does not occur. */
export function statusOfAuthorization(one: Authorization, now: Date): AuthorizationStatus {
  if (one.deactivated) return 'deactivated';
  if (one.challenge === 'invalid') return 'invalid';
  if (now >= new Date(one.expires)) return 'expired';
  return one.challenge === 'valid' ? 'valid' : 'pending';
}

/** RFC 8555 section 7.1.6. An order that was finalized no longer depends on its authorizations. */
export function statusOfOrder(state: AcmeCaState, order: Order, now: Date): OrderStatus {
  if (order.certificate) return 'valid';
  if (order.error) return 'invalid';
  if (order.csr) return 'processing';
  if (now >= new Date(order.expires)) return 'invalid';
  const statuses = authorizationsOf(state, order).map((one) => statusOfAuthorization(one, now));
  if (statuses.every((status) => status === 'valid')) return 'ready';
  return statuses.every((status) => status === 'valid' || status === 'pending')
    ? 'pending'
    : 'invalid';
}

/** Why an order is invalid, with a subproblem for each name that could not be validated. */
export function errorOfOrder(state: AcmeCaState, order: Order): ProblemDocument | undefined {
  if (order.error) return order.error;
  const failed = authorizationsOf(state, order).flatMap((one) =>
    one.error ? [{ ...one.error, identifier: { type: 'dns', value: askedName(one) } }] : [],
  );
  return combinedProblem(failed);
}

const askedName = ({ name, wildcard }: Authorization) => (wildcard ? `*.${name}` : name);

function authorizationsOf(state: AcmeCaState, order: Order): Authorization[] {
  return order.authorizations.flatMap((id) => state.authorizations[id] ?? []);
}

/** An authorization once its challenge was looked at: valid for 30 days, or invalid for good. */
export function judged(
  one: Authorization,
  problem: ProblemDocument | undefined,
  now: Date,
): Authorization {
  if (problem) return { ...one, challenge: 'invalid', error: problem };
  return {
    ...one,
    challenge: 'valid',
    validated: seconds(now),
    expires: later(now, VALID_DAYS),
  };
}

/** The random part of a URL. */
export const newId = () => randomBytes(12).toString('base64url');

const later = (now: Date, days: number) => seconds(new Date(now.getTime() + days * DAY_MS));

const seconds = (moment: Date) => moment.toISOString().replace(/\.\d+Z$/, 'Z');
