import { CertificateError } from '../errors.ts';
import type { Attempt } from './order.ts';

/** Sleeps, unless that would outlive the attempt: then it throws `unfinished`, and the next attempt goes on from the record. */
export async function pause(
  { deadline, ports: { time } }: Attempt,
  ms: number,
  forWhat: string,
): Promise<void> {
  const end = new Date(time.now().getTime() + ms);
  if (end >= deadline)
    throw new CertificateError('unfinished', `still waiting for ${forWhat}`, { retryAt: end });
  if (ms > 0) await time.sleep(ms);
}
