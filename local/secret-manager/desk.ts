import type { Clock } from '../clock.ts';
import type { Events } from './events.ts';
import type { SecretManagerState } from './state.ts';

/** What every method works with. `save` comes after a change and before its events. */
export type Desk = Readonly<{
  state: SecretManagerState;
  clock: Clock;
  events: Events;
  save(): void;
}>;
