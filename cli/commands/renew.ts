import { type Answer, documentOf } from '../client.ts';
import type { Outcome, Session } from '../command.ts';
import { certificateSchema } from '../documents.ts';
import { waitedFor } from '../waiting.ts';

const POLL_MS = 2_000;
const POLLS = 30;

/** Replaces the version there is. Asking twice could renew twice, so waiting longer means looking again. */
export async function renew(
  { id, wait }: Readonly<{ id: string; wait: boolean }>,
  session: Session,
): Promise<Outcome> {
  const path = `/v1/certificates/${encodeURIComponent(id)}`;
  const before = wait ? versionOf(await session.client.get(path)) : 0;
  const ask = (query: string): Promise<Answer> => session.client.post(`${path}:renew${query}`);
  return waitedFor({ wait, ask, again: () => lookAgain(path, before, session) }, session);
}

const versionOf = (answer: Answer): number => documentOf(answer, certificateSchema).version ?? 0;

/** Status 200 means that the new version is there and delivered, as in the answer to a request that waits. */
async function lookAgain(
  path: string,
  before: number,
  { client, sleep, now }: Session,
): Promise<Answer> {
  const until = now().getTime() + POLLS * POLL_MS;
  for (let poll = 1; ; poll += 1) {
    const answer = await client.get(path);
    const { version, delivered, targets, askers } = documentOf(answer, certificateSchema);
    const isDelivered = targets.length + askers.length === 0 || delivered?.version === version;
    if ((version ?? 0) > before && isDelivered) return answer;
    if (poll === POLLS || now().getTime() >= until) return { ...answer, status: 202 };
    await sleep(POLL_MS);
  }
}
