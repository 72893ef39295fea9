import { type Answer, documentOf } from './client.ts';
import { type ExitCode, type Session, showDocument } from './command.ts';
import { certificateSchema } from './documents.ts';
import { showCertificates, troubles } from './render.ts';

/** A request by hand. `again` goes on with it once, when a minute of waiting was not enough. */
export type Waiting = Readonly<{
  wait: boolean;
  ask: (query: '' | '?wait=60') => Promise<Answer>;
  again: () => Promise<Answer>;
}>;

/** Sends the request, waits up to two minutes when that is wished for, and shows the certificate. */
export async function waitedFor(
  { wait, ask, again }: Waiting,
  session: Session,
): Promise<ExitCode> {
  const first = await ask(wait ? '?wait=60' : '');
  const answer = wait && first.status === 202 ? await again() : first;
  showDocument(session, answer.status === 202 ? underWay(answer) : answer);
  const certificate = documentOf(answer, certificateSchema);
  const { screen, json } = session;
  if (!json) showCertificates([certificate], screen);
  if (!wait) {
    if (!json) screen.out(`${certificate.id} is on its way; "status" shows how it goes.`);
    return 0;
  }
  if (answer.status === 202) {
    screen.err(`${certificate.id} is not there after two minutes; "status" shows how it goes on`);
    return 1;
  }
  return troubles(certificate).length > 0 ? 1 : 0;
}

// Until its work is done, the document is that of what was there before.
const underWay = ({ status, document }: Answer): Answer => ({
  status,
  document: { ...Object(document), requested: true },
});
