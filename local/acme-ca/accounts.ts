import { z } from 'zod';
import { parsed, thumbprint } from './jws.ts';
import { newId } from './orders.ts';
import { AcmeProblem } from './problem.ts';
import type { Account, AcmeCaState, PublicJwk } from './state.ts';

const newAccountPayload = z.object({
  contact: z.array(z.string()).optional(),
  termsOfServiceAgreed: z.boolean().optional(),
  onlyReturnExisting: z.boolean().optional(),
  externalAccountBinding: z.unknown().optional(),
});

const updatePayload = z.object({
  contact: z.array(z.string()).optional(),
  status: z.string().optional(),
});

export type Registration = Readonly<{ account: Account; isNew: boolean }>;

/** The account of a key, made when it is new and asked for (RFC 8555 section 7.3). */
export function registration(state: AcmeCaState, jwk: PublicJwk, payload: string): Registration {
  const asked = parsed(newAccountPayload, payload, 'the newAccount payload');
  const existing = accountOfKey(state, jwk);
  if (existing) return { account: usable(existing), isNew: false };
  if (asked.onlyReturnExisting)
    throw new AcmeProblem('accountDoesNotExist', 'no account exists with this key');
  if (!asked.termsOfServiceAgreed)
    throw new AcmeProblem('malformed', 'must agree to terms of service');
  if (asked.externalAccountBinding !== undefined)
    throw new AcmeProblem('malformed', 'external account binding is not implemented by this CA');
  const account: Account = {
    id: newId(),
    status: 'valid',
    contact: acceptedContacts(asked.contact ?? []),
    jwk,
    thumbprint: thumbprint(jwk),
  };
  return { account, isNew: true };
}

function accountOfKey(state: AcmeCaState, jwk: PublicJwk): Account | undefined {
  const wanted = thumbprint(jwk);
  return Object.values(state.accounts).find((account) => account.thumbprint === wanted);
}

/** The account itself, or `unauthorized` once it was deactivated. */
export function usable(account: Account): Account {
  if (account.status === 'valid') return account;
  throw new AcmeProblem('unauthorized', 'the account was deactivated');
}

/** The account after an update: new contacts, or deactivation, which nothing undoes (section 7.3.6). */
export function updatedAccount(account: Account, payload: string): Account {
  const { contact, status } = parsed(updatePayload, payload, 'the account update');
  if (status !== undefined && status !== 'deactivated' && status !== account.status)
    throw new AcmeProblem('malformed', `an account cannot be given status ${status}`);
  return {
    ...account,
    ...(contact && { contact: acceptedContacts(contact) }),
    ...(status === 'deactivated' && { status }),
  };
}

const MAILBOX = /^[^@\s,;?]+@([a-z0-9-]+\.)+[a-z0-9-]+$/i;

function acceptedContacts(contacts: readonly string[]): readonly string[] {
  for (const contact of contacts) {
    if (!contact.startsWith('mailto:'))
      throw new AcmeProblem('unsupportedContact', `contact "${contact}" is not a mailto: URL`);
    if (!MAILBOX.test(contact.slice('mailto:'.length)))
      throw new AcmeProblem('invalidContact', `contact "${contact}" is not one plain mail address`);
  }
  return contacts;
}

/** An account as its owner sees it; like Let's Encrypt's it has no list of orders. */
export const accountDocument = ({ status, contact }: Account) => ({ status, contact });
