import type { Client } from './client.ts';
import type { Screen } from './screen.ts';

/** What every command works with. None prints: what it came to is shown in one place, for people or as JSON. */
export type Session = Readonly<{
  client: Client;
  sleep: (ms: number) => Promise<void>;
  now: () => Date;
}>;

/** What a command came to. Exit code 1: something is not as it should be. */
export type Outcome = Readonly<{
  exitCode: 0 | 1;
  /** The one document of `--json`. */
  document: unknown;
  /** The same for people. */
  show: (screen: Screen) => void;
}>;
