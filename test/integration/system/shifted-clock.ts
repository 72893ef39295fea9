import { type Clock, systemClock } from '../../../local/clock.ts';

/** The machine's clock, moved by an offset: time goes on by itself, and can be made to jump ahead. */
export type ShiftedClock = Clock & { advance(ms: number): void };

type Timer = { due: number; run: () => void; cancel: () => void };

/** A clock that starts at the machine's time. Timers that a jump passes run at once, in order. */
export function shiftedClock(): ShiftedClock {
  let offset = 0;
  const timers = new Set<Timer>();
  const arm = (timer: Timer) => {
    timer.cancel = systemClock.at(new Date(timer.due - offset), () => {
      timers.delete(timer);
      timer.run();
    });
  };
  return {
    now: () => new Date(Date.now() + offset),
    at(moment, run) {
      const timer: Timer = { due: moment.getTime(), run, cancel: () => {} };
      timers.add(timer);
      arm(timer);
      return () => {
        timers.delete(timer);
        timer.cancel();
      };
    },
    advance(ms) {
      offset += ms;
      for (const timer of [...timers].sort((a, b) => a.due - b.due)) {
        timer.cancel();
        arm(timer);
      }
    },
  };
}
