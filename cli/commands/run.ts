import { documentOf } from '../client.ts';
import type { Outcome, Session } from '../command.ts';
import { startedSchema } from '../documents.ts';

/** Fires the schedule's job now. */
export async function run({ client }: Session): Promise<Outcome> {
  const answer = await client.post('/v1/run');
  documentOf(answer, startedSchema);
  return {
    exitCode: 0,
    document: answer.document,
    show: ({ out }) => out('A run has started; "status" shows how it ends.'),
  };
}
