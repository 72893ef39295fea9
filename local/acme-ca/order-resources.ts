import { z } from 'zod';
import { type Ca, notFound, postAsGet } from './ca.ts';
import { acceptedCsr } from './csr.ts';
import type { AccountCall, Reply } from './http.ts';
import { identifierList, orderNames } from './identifiers.ts';
import { parsed } from './jws.ts';
import { errorOfOrder, placement, statusOfOrder } from './orders.ts';
import { AcmeProblem } from './problem.ts';
import { entryOf, type Order } from './state.ts';

const newOrderPayload = z.object({
  identifiers: identifierList,
  profile: z.unknown().optional(),
  replaces: z.unknown().optional(),
  notBefore: z.unknown().optional(),
  notAfter: z.unknown().optional(),
});

/** RFC 8555 section 7.4. Fields of other drafts are refused rather than ignored. */
export function newOrder(ca: Ca, call: AccountCall): Reply {
  const asked = parsed(newOrderPayload, call.payload, 'the newOrder payload');
  if (asked.profile !== undefined)
    throw new AcmeProblem('invalidProfile', 'this CA offers no profiles');
  for (const field of ['replaces', 'notBefore', 'notAfter'] as const)
    if (asked[field] !== undefined)
      throw new AcmeProblem('malformed', `${field} is not implemented by this CA`);
  const placed = placement(ca.state, {
    account: call.account.id,
    names: orderNames(asked.identifiers),
    now: ca.now(),
    reuse: ca.reuse,
  });
  if (placed.isNew) {
    for (const one of placed.authorizations) ca.state.authorizations[one.id] = one;
    ca.state.orders[placed.order.id] = placed.order;
    ca.save();
    ca.countOrder();
  }
  return { ...orderReply(ca, placed.order), status: 201 };
}

/** An order, read by POST-as-GET. */
export function order(ca: Ca, call: AccountCall): Reply {
  postAsGet(call);
  const found = ownOrder(ca, call);
  const isProcessing = statusOfOrder(ca.state, found, ca.now()) === 'processing';
  return orderReply(ca, found, isProcessing ? ca.retryAfter(ca.retryAfterSeconds.order) : {});
}

/** Accepts the CSR of a ready order; the certificate is made after the answer. */
export async function finalize(ca: Ca, call: AccountCall): Promise<Reply> {
  const ready = readyOrder(ca, call);
  const { csr } = parsed(z.object({ csr: z.string() }), call.payload, 'the finalize payload');
  await acceptedCsr(csr, { names: ready.names, accountKey: call.jwk });
  // Another finalize may have come while the CSR was checked.
  const accepted = { ...readyOrder(ca, call), csr };
  ca.state.orders[accepted.id] = accepted;
  ca.save();
  ca.issue(accepted.id);
  return orderReply(ca, accepted, ca.retryAfter(ca.retryAfterSeconds.order));
}

function readyOrder(ca: Ca, call: AccountCall): Order {
  const found = ownOrder(ca, call);
  const status = statusOfOrder(ca.state, found, ca.now());
  if (status === 'ready') return found;
  throw new AcmeProblem(
    'orderNotReady',
    `Order's status ("${status}") is not acceptable for finalization`,
  );
}

// A foreign order is answered as an absent one, as Boulder does.
function ownOrder(ca: Ca, { id, account: { id: owner } }: AccountCall): Order {
  const found = entryOf(ca.state.orders, id);
  if (found?.account === owner) return found;
  throw notFound(`no order ${id} found for account ${owner}`);
}

function orderReply(ca: Ca, found: Order, headers: Readonly<Record<string, string>> = {}): Reply {
  const url = (kind: string, id: string) => `${ca.base()}/${kind}/${id}`;
  const status = statusOfOrder(ca.state, found, ca.now());
  const error = errorOfOrder(ca.state, found);
  return {
    status: 200,
    headers: { location: url('order', found.id), ...headers },
    body: {
      status,
      expires: found.expires,
      identifiers: found.names.map((value) => ({ type: 'dns', value })),
      authorizations: found.authorizations.map((id) => url('authorization', id)),
      finalize: url('finalize', found.id),
      ...(found.certificate && { certificate: url('certificate', found.certificate) }),
      ...(status === 'invalid' && error && { error }),
    },
  };
}
