import type { AuthClient } from 'google-auth-library';

const accounts = new WeakMap<AuthClient, string>();

/** Remembers as whom a client calls; found out beside its first token, so that it is known before a refusal comes. */
export function noteAccount(client: AuthClient, email: string): void {
  accounts.set(client, email);
}

/** What ends "grant PERMISSION on RESOURCE": to whom, as far as that is known. */
export function toAccount(client: AuthClient | undefined): string {
  const email = client && accounts.get(client);
  return email ? ` to ${email}` : '';
}
