import type { StoredRecord } from '../../shared/domain/record.ts';
import { CertificateError } from '../../shared/errors.ts';
import { type Accepted, type Progress, progress } from '../../shared/jobs/manual.ts';
import type { ApiPorts } from '../dependencies.ts';

// Secret Manager answers 600 reads a minute for the whole project, whoever waits.
const POLL_MS = [250, 500, 1000, 2000, 4000] as const;
const LONGEST_POLL_MS = 5000;

/** Reads the record again until the request has come to its end, or the time is over. */
export async function waited(
  accepted: Accepted,
  ms: number,
  { time, records }: Pick<ApiPorts, 'time' | 'records'>,
): Promise<Readonly<{ stored: StoredRecord; reached: Progress }>> {
  const until = time.now().getTime() + ms;
  let stored = accepted.before;
  for (let poll = 0; ; poll += 1) {
    const reached = progress(accepted, stored.record);
    const left = until - time.now().getTime();
    if (reached.state !== 'open' || left <= 0) return { stored, reached };
    await time.sleep(Math.min(left, POLL_MS[poll] ?? LONGEST_POLL_MS));
    stored = (await readIfPossible(records, stored.id)) ?? stored;
  }
}

// The request was accepted: a moment in which its record cannot be read must not make it look refused.
async function readIfPossible(
  records: ApiPorts['records'],
  id: string,
): Promise<StoredRecord | undefined> {
  try {
    return await records.read(id);
  } catch (error) {
    if (error instanceof CertificateError && error.retryable) return undefined;
    throw error;
  }
}
