import { type Answer, documentOf } from './client.ts';
import type { Outcome, Session } from './command.ts';
import { type Certificate, certificateSchema } from './documents.ts';
import { showCertificates, troubles } from './render.ts';
import type { Screen } from './screen.ts';

/** A request by hand. `again` goes on with it once, when a minute of waiting was not enough. */
export type Waiting = Readonly<{
  wait: boolean;
  ask: (query: '' | '?wait=60') => Promise<Answer>;
  again: () => Promise<Answer>;
}>;

/** Sends the request, and waits up to two minutes for the certificate when that is wished for. */
export async function waitedFor({ wait, ask, again }: Waiting, { now }: Session): Promise<Outcome> {
  const first = await ask(wait ? '?wait=60' : '');
  const answer = wait && first.status === 202 ? await again() : first;
  const certificate = documentOf(answer, certificateSchema);
  const isOpen = answer.status === 202;
  const isFine = !wait || (!isOpen && troubles(certificate, now()).length === 0);
  return {
    exitCode: isFine ? 0 : 1,
    document: isOpen ? underWay(answer.document) : answer.document,
    show: (screen) => {
      showCertificates([certificate], screen, now());
      if (isOpen || !wait) sayThatItGoesOn(certificate, wait, screen);
    },
  };
}

function sayThatItGoesOn({ id }: Certificate, wait: boolean, { out, err }: Screen): void {
  if (wait) err(`${id} is not there after two minutes; "status" shows how it goes on`);
  else out(`${id} is on its way; "status" shows how it goes.`);
}

// Until its work is done, the document is that of what was there before.
const underWay = (document: unknown) => ({ ...Object(document), requested: true });
