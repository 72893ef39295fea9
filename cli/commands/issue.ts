import type { Answer } from '../client.ts';
import type { Outcome, Session } from '../command.ts';
import { waitedFor } from '../waiting.ts';

/** What a person asks for. `targets` are CLUSTER/NAMESPACE/SECRET. */
export type IssueOptions = Readonly<{
  names: readonly string[];
  issuer: string | undefined;
  targets: readonly string[];
  wait: boolean;
}>;

/** Asks for a certificate. Asking again for the same is no second request, so waiting longer means asking again. */
export async function issue(options: IssueOptions, session: Session): Promise<Outcome> {
  const { names, issuer, targets } = options;
  const body = { names, issuer, targets };
  const ask = (query: string): Promise<Answer> =>
    session.client.post(`/v1/certificates${query}`, body);
  return waitedFor({ wait: options.wait, ask, again: () => ask('?wait=60') }, session);
}
