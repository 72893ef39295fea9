import { documentOf } from '../client.ts';
import { type ExitCode, type Session, showDocument } from '../command.ts';
import { startedSchema } from '../documents.ts';

/** Fires the schedule's job now. */
export async function run(session: Session): Promise<ExitCode> {
  const answer = await session.client.post('/v1/run');
  showDocument(session, answer);
  documentOf(answer, startedSchema);
  if (!session.json) session.screen.out('A run has started; "status" shows how it ends.');
  return 0;
}
