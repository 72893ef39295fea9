import type { Ca } from './ca.ts';
import { acceptedCsr } from './csr.ts';
import { issuedChain } from './issuing.ts';
import { judged, newId, statusOfOrder } from './orders.ts';
import { problemDocument } from './problem.ts';
import type { Order } from './state.ts';
import { challengeName, challengeProblem, type TxtLookup } from './validation.ts';

/** Looks at a challenge that was answered, and records the verdict. */
export async function validate(ca: Ca, lookup: TxtLookup, id: string): Promise<void> {
  const asked = ca.state.authorizations[id];
  const account = ca.state.accounts[asked?.account ?? ''];
  if (!asked || !account) return;
  const found = await lookup.ask(challengeName(asked));
  // The CA is being closed: no verdict; the next start looks again.
  if ('failure' in found && found.failure === 'ECANCELLED') return;
  // It may have been deactivated meanwhile.
  const current = ca.state.authorizations[id] ?? asked;
  const problem = challengeProblem(current, account.thumbprint, found);
  ca.state.authorizations[id] = judged(current, problem, ca.now());
  ca.save();
}

/** Issues the certificate of an order that was finalized, once. */
export async function issue(ca: Ca, lifetimeDays: number, id: string): Promise<void> {
  const order = ca.state.orders[id];
  if (!order || statusOfOrder(ca.state, order, ca.now()) !== 'processing') return;
  ca.state.orders[id] = await issued(ca, lifetimeDays, order);
  ca.save();
}

async function issued(ca: Ca, lifetimeDays: number, order: Order): Promise<Order> {
  const { names, account, csr = '' } = order;
  try {
    const accountKey = ca.state.accounts[account]?.jwk ?? {};
    const accepted = await acceptedCsr(csr, { names, accountKey });
    const wanted = { csr: accepted, names, lifetimeDays, now: ca.now() };
    const chain = await issuedChain(ca.state.authority, wanted);
    const id = newId();
    ca.state.certificates[id] = { id, account, chain };
    return { ...order, certificate: id };
  } catch (error) {
    return { ...order, error: problemDocument('serverInternal', `cannot issue: ${error}`) };
  }
}

/** Takes up again what a kill cut short: validations and issues whose request was answered already. */
export function resume(ca: Ca): void {
  for (const { id, challenge } of Object.values(ca.state.authorizations))
    if (challenge === 'processing') ca.validate(id);
  for (const order of Object.values(ca.state.orders))
    if (statusOfOrder(ca.state, order, ca.now()) === 'processing') ca.issue(order.id);
}
