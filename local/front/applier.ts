/** Brings about what changed: changes that come close together cause one run, runs never overlap. */
export type Applier = Readonly<{
  changed(): void;
  /** Resolves when no run is due or under way; rejects with the reason when the last run failed. */
  settled(): Promise<void>;
  close(): Promise<void>;
}>;

const DEBOUNCE_MS = 20;
const RETRY_MS = 1_000;

/** `apply` is run again a second after it failed; `onFault` hears of each failure before the end. */
export function createApplier({
  apply,
  onFault,
}: Readonly<{ apply: () => Promise<void>; onFault: (error: unknown) => void }>): Applier {
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  let fault: { error: unknown } | undefined;
  let closed = false;
  // A timer that stands is left alone: steady change must not put the run off for ever.
  const schedule = (ms: number) => {
    if (!closed) timer ??= setTimeout(start, ms);
  };
  const unschedule = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const start = () => {
    unschedule();
    running = running.then(apply).then(
      () => {
        fault = undefined;
      },
      (error: unknown) => {
        fault = { error };
        if (!closed) onFault(error);
        schedule(RETRY_MS);
      },
    );
  };
  return {
    changed: () => schedule(DEBOUNCE_MS),
    async settled() {
      if (timer) start();
      await running;
      if (fault) throw fault.error;
    },
    async close() {
      closed = true;
      unschedule();
      await running;
    },
  };
}
