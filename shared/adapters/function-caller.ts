import { CertificateError, messageOf } from '../errors.ts';
import type { GoogleAuth } from './google-auth.ts';

const LIMIT_MS = 60_000;

export type FunctionOptions = Readonly<{
  /** As people know it: `reconcile` or `issue`. */
  name: string;
  /** Also the audience of the tokens. */
  url: string;
  auth: Pick<GoogleAuth, 'identityToken'>;
}>;

/** POSTs to another function in our own name and returns its JSON. Throws `cluster-unreachable` when it does not answer. */
type Ask<Path extends string> = (path: Path, body: unknown) => Promise<unknown>;
export type AskReconcile = Ask<'/plan' | '/look' | '/deliver'>;
export type AskIssue = Ask<'/zones'>;

/** The door to one of the other functions. */
export function createFunctionCaller({ name, url, auth }: FunctionOptions): Ask<string> {
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
        `the ${name} function gives no answer (${messageOf(cause)}); look at its log, and whether the api may invoke it`,
        { cause },
      );
    }
  };
}
