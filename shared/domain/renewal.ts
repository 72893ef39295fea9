import { spread } from './certificate.ts';
import type { IssuedCertificate } from './record.ts';

export type RenewalReason = 'missing' | 'emergency' | 'due';

/** When a certificate must be issued, and why; `at` may lie ahead, and is then when it will be due. */
export type Renewal = Readonly<{ reason: RenewalReason; at: Date }>;

const DAY_MS = 86_400_000;
const SHORT_LIFE_MS = 10 * DAY_MS;
// As wide as the window that Let's Encrypt suggests: a fleet issued in one minute is not renewed in one.
const WINDOW = 1 / 50;
const EMERGENCY = 5 / 6;

/**
 * Two thirds of life (half of it when shorter than ten days, as Let's Encrypt advises), spread over a fiftieth of life by a hash of the
 * serial, so that every tick gives the same answer. Past five sixths nothing may hold it back any more.
 */
export function renewal(issued: IssuedCertificate | undefined, now: Date): Renewal {
  if (!issued) return { reason: 'missing', at: now };
  const emergencyAt = pointInLife(issued, EMERGENCY);
  if (now >= emergencyAt) return { reason: 'emergency', at: emergencyAt };
  return {
    reason: 'due',
    at: pointInLife(issued, renewalPoint(issued) + spread(issued.serial) * WINDOW),
  };
}

const renewalPoint = (issued: IssuedCertificate) =>
  lifeMs(issued) < SHORT_LIFE_MS ? 1 / 2 : 2 / 3;

const lifeMs = ({ notBefore, notAfter }: IssuedCertificate) =>
  notAfter.getTime() - notBefore.getTime();

const pointInLife = (issued: IssuedCertificate, fraction: number) =>
  new Date(Math.round(issued.notBefore.getTime() + fraction * lifeMs(issued)));

/**
 * Whether a task may be made for that moment already. None waits longer than a day, or a queue whose task waits could not be told from
 * one that stands still; until then the record knows the moment, and a later tick makes the task.
 */
export const isWithinDay = (at: Date, now: Date): boolean => at.getTime() - now.getTime() <= DAY_MS;

const MINUTE_MS = 60_000;
const LADDER_MS = [1, 10, 100].map((minutes) => minutes * MINUTE_MS);

/** The last of `count` failures in a row; `retryAt` is what the other side said of it. */
export type FailedAttempt = Readonly<{
  code: string;
  count: number;
  now: Date;
  issued: IssuedCertificate | undefined;
  retryAt: Date | undefined;
}>;

/**
 * The moment of the next attempt: after 1, 10 and 100 minutes, then a tenth of the life that is left, at most a day (Let's Encrypt's
 * integration guide names this ladder). The CA's own word makes it later, never sooner; nothing but a rate limit makes it later than
 * a tenth of what is left of a certificate, or an hour.
 */
export function nextAttempt({ code, count, now, issued, retryAt }: FailedAttempt): Date {
  const left = issued
    ? Math.max(0, issued.notAfter.getTime() - now.getTime())
    : Number.POSITIVE_INFINITY;
  // An hour is the tick: nothing expired or about to expire is tried in a tighter loop than that.
  const latest = Math.max(60 * MINUTE_MS, left / 10);
  const ladder = LADDER_MS[count - 1] ?? Math.min(DAY_MS, latest);
  const asked = Math.max(ladder, (retryAt?.getTime() ?? 0) - now.getTime());
  return new Date(now.getTime() + (code === 'ca-rate-limited' ? asked : Math.min(asked, latest)));
}
