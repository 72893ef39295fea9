import { CertificateError } from '../errors.ts';
import type { GoogleAuth } from './google-auth.ts';

const LIMIT_MS = 60_000;

export type ReconcileFunctionOptions = Readonly<{
  /** Also the audience of the tokens. */
  url: string;
  auth: Pick<GoogleAuth, 'identityToken'>;
}>;

/** POSTs to the reconcile function in our own name and returns its JSON. Throws `cluster-unreachable` when it does not answer. */
export type AskReconcile = (path: '/plan' | '/look', body: unknown) => Promise<unknown>;

export function createReconcileFunction({ url, auth }: ReconcileFunctionOptions): AskReconcile {
  return async (path, body) => {
    try {
      const token = await auth.identityToken(url);
      const response = await fetch(`${url.replace(/\/$/, '')}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(LIMIT_MS),
      });
      if (!response.ok) throw new Error(`it answers ${response.status}`);
      return await response.json();
    } catch (cause) {
      throw new CertificateError(
        'cluster-unreachable',
        'the reconcile function gives no answer; look at its log, and whether the api may invoke it',
        { cause },
      );
    }
  };
}
