import type { RateLimits } from './queue.ts';

// How long a queue rests after a target said 429 or 503 without a Retry-After.
const REST_MS = 1000;
const LONGEST_REST_MS = 3_600_000;

/** When a queue may dispatch next: a token bucket, and rests that its targets ask for. */
export type Throttle = Readonly<{
  /** The first moment (ms) at which a token is there and no rest lasts. */
  readyAt(limits: RateLimits, now: Date): number;
  take(limits: RateLimits, now: Date): void;
  rest(retryAfterMs: number | undefined, now: Date): void;
}>;

/** Starts with a full bucket. */
export function createThrottle(): Throttle {
  let bucket: { tokens: number; at: number } | undefined;
  let restUntil = 0;
  const tokens = ({ maxBurstSize, maxDispatchesPerSecond }: RateLimits, now: Date) =>
    bucket === undefined
      ? maxBurstSize
      : Math.min(
          maxBurstSize,
          bucket.tokens + ((now.getTime() - bucket.at) / 1000) * maxDispatchesPerSecond,
        );
  return {
    readyAt(limits, now) {
      const missing = Math.max(0, 1 - tokens(limits, now));
      const refilled = now.getTime() + Math.ceil((missing / limits.maxDispatchesPerSecond) * 1000);
      return Math.max(restUntil, refilled);
    },
    take(limits, now) {
      bucket = { tokens: Math.max(0, tokens(limits, now) - 1), at: now.getTime() };
    },
    rest(retryAfterMs, now) {
      const rest = Math.min(retryAfterMs ?? REST_MS, LONGEST_REST_MS);
      restUntil = Math.max(restUntil, now.getTime() + rest);
    },
  };
}
