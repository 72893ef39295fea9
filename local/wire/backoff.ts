type Backoff = Readonly<{ minMs: number; maxMs: number; maxDoublings: number }>;

/** The wait before retry `retry` (1 is the first): doubled `maxDoublings` times, then linear, never above the maximum. */
export function backoffMs({ minMs, maxMs, maxDoublings }: Backoff, retry: number): number {
  const doublings = Math.min(retry - 1, maxDoublings);
  const steps = Math.max(1, retry - maxDoublings);
  return Math.min(maxMs, minMs * 2 ** doublings * steps);
}
