import type { Answer, Client } from './client.ts';
import type { Screen } from './screen.ts';

/** What every command works with. */
export type Session = Readonly<{
  client: Client;
  screen: Screen;
  /** Print one document and nothing else. */
  json: boolean;
  sleep: (ms: number) => Promise<void>;
  now: () => Date;
}>;

export type ExitCode = 0 | 1;

/** Prints the document when that is wished for; every command does so before it judges it. */
export function showDocument({ json, screen }: Session, { document }: Answer): void {
  if (json) screen.out(JSON.stringify(document, undefined, 2));
}
