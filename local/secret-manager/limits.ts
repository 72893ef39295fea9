import type { Clock } from '../clock.ts';
import { GoogleFault } from '../google-api.ts';

/** Counts a call against one limit, or throws RESOURCE_EXHAUSTED when it is used up. */
export type Limiter = (limit: keyof typeof LIMITS, resource: string) => void;

// https://cloud.google.com/secret-manager/quotas
const LIMITS = {
  read: { calls: 600, windowMs: 60_000, metric: 'Read requests per minute' },
  write: { calls: 600, windowMs: 60_000, metric: 'Write requests per minute' },
  access: { calls: 90_000, windowMs: 60_000, metric: 'Access requests per minute' },
  'secret-change': { calls: 2, windowMs: 1000, metric: 'Changes of one secret per second' },
  'version-change': { calls: 1, windowMs: 1000, metric: 'Changes of one version per second' },
} as const;

export const unlimited: Limiter = () => {};

/** The documented rates, counted over the window that ends now. */
export function documentedLimits(clock: Clock): Limiter {
  const calls = new Map<string, number[]>();
  return (limit, resource) => {
    const { calls: allowed, windowMs, metric } = LIMITS[limit];
    const now = clock.now().getTime();
    const key = `${limit} ${resource}`;
    const moments = calls.get(key) ?? [];
    while (moments[0] !== undefined && moments[0] <= now - windowMs) moments.shift();
    if (moments.length >= allowed)
      throw new GoogleFault(
        'RESOURCE_EXHAUSTED',
        `Quota exceeded for limit '${metric}' of service 'secretmanager.googleapis.com' for '${resource}'.`,
      );
    moments.push(now);
    calls.set(key, moments);
  };
}
