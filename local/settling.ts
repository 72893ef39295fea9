import type { Services } from './services.ts';

/** Whether an engine has something to do now. What waits for a later moment does not count. */
const isBusy = ({ scheduler, tasks, pubsub }: Services): boolean =>
  scheduler.running() || tasks.pending().due > 0 || pubsub.unacknowledged().due > 0;

/** Resolves when no job runs, no task is due and no message is under way. */
export function settled(services: Services): Promise<void> {
  return new Promise((resolve) => {
    const stops = [services.tasks.onChange(check), services.scheduler.onChange(check)];
    services.pubsub.onChange(check);
    check();
    function check() {
      // One engine wakes the next before it rests itself, so a look on the next turn of the event loop sees both.
      if (!isBusy(services))
        setImmediate(() => {
          if (isBusy(services)) return;
          for (const stop of stops) stop();
          resolve();
        });
    }
  });
}
