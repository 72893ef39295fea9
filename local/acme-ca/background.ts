import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../clock.ts';

/** Work that starts after the reply that caused it. */
export type BackgroundWork = Readonly<{
  start(work: () => Promise<void>): void;
  /** Resolves when nothing has been begun or is to be. */
  idle(): Promise<void>;
  /** Cancels what has not begun, and resolves when what has begun is over. */
  stop(): Promise<void>;
}>;

/** Runs each piece of work on a turn of its own. A piece that rejects is a bug and ends the process. */
export function createBackgroundWork(clock: Clock): BackgroundWork {
  const cancels = new Set<() => void>();
  const running = new Set<Promise<void>>();
  return {
    start(work) {
      const cancel = clock.at(clock.now(), () => {
        cancels.delete(cancel);
        const run = work().finally(() => running.delete(run));
        running.add(run);
      });
      cancels.add(cancel);
    },
    async idle() {
      while (cancels.size + running.size > 0) {
        await Promise.allSettled(running);
        await setImmediate();
      }
    },
    async stop() {
      for (const cancel of cancels) cancel();
      await Promise.allSettled(running);
    },
  };
}
