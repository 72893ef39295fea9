import { CertificateError, messageOf } from '../../errors.ts';

/** The header value for a token. Refuses what could not be one before a client quotes it in its own error. */
export function authorization(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`;
  throw new CertificateError(
    'cluster-unreachable',
    'the access token for a cluster is empty or holds characters that no header can; check where it comes from',
  );
}

/** Why a request failed, in the words of whatever lies deepest: fetch itself says no more than that it failed. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  if (error.cause) return reasonOf(error.cause);
  // One attempt for each address of the host, and nothing said about them all.
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return messageOf(error);
}
