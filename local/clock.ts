/** The time a stand-in lives in. Stand-ins never look at any other clock, so that tests can move it. */
export interface Clock {
  now(): Date;
  /** Runs `run` once `moment` is reached (at once when it is past) and returns what cancels it. */
  at(moment: Date, run: () => void): () => void;
}

// setTimeout turns a longer delay into 1 ms, so far moments are reached in steps.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. Its timers keep the process alive until they ran or were cancelled. */
export const systemClock: Clock = {
  now: () => new Date(),
  at(moment, run) {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const left = moment.getTime() - Date.now();
      timer =
        left > LONGEST_TIMER_MS
          ? setTimeout(arm, LONGEST_TIMER_MS)
          : setTimeout(run, Math.max(0, left));
    };
    arm();
    return () => clearTimeout(timer);
  },
};

export type ManualClock = Clock & {
  /** Moves the time forward, running every timer that falls due on its own moment, in order. */
  advance(ms: number): void;
};

/** A clock that stands still until it is told to move. A timer that is due already runs on the next turn of the event loop. */
export function manualClock(start: Date): ManualClock {
  let now = start.getTime();
  let timers: { due: number; run: () => void }[] = [];
  return {
    now: () => new Date(now),
    at(moment, run) {
      if (moment.getTime() <= now) {
        const immediate = setImmediate(run);
        return () => clearImmediate(immediate);
      }
      const timer = { due: moment.getTime(), run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const next = timers.filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)[0];
        if (!next) break;
        timers = timers.filter((other) => other !== next);
        now = next.due;
        next.run();
      }
      now = until;
    },
  };
}
