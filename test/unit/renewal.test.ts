import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { spread } from '../../shared/domain/certificate.ts';
import type { IssuedCertificate } from '../../shared/domain/record.ts';
import { nextAttempt, type RenewalReason, renewal } from '../../shared/domain/renewal.ts';
import { day, issued, later } from './build.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MINUTE = 60_000;

const lasting = (days: number, ms = 0) => issued({ notAfter: later(day(days), ms) });
const share = spread(issued().serial) / 50;

describe('the renewal of a certificate', () => {
  test.for<[string, IssuedCertificate | undefined, Date, RenewalReason, Date]>([
    ['is due now when there is none', undefined, day(3), 'missing', day(3)],
    [
      'is due at two thirds of ninety days',
      lasting(90),
      day(3),
      'due',
      later(day(60), share * 90 * DAY),
    ],
    [
      'is due at the same moment when that is past',
      lasting(90),
      day(70),
      'due',
      later(day(60), share * 90 * DAY),
    ],
    [
      'is due at two thirds of exactly ten days',
      lasting(10),
      day(3),
      'due',
      later(day(0), (2 / 3 + share) * 10 * DAY),
    ],
    [
      'is due at half of a little less',
      lasting(10, -1),
      day(3),
      'due',
      later(day(0), (1 / 2 + share) * (10 * DAY - 1)),
    ],
    ['is due at half of six days', lasting(6), day(1), 'due', later(day(3), share * 6 * DAY)],
    [
      'is no emergency right before five sixths',
      lasting(90),
      later(day(75), -1),
      'due',
      later(day(60), share * 90 * DAY),
    ],
    ['is an emergency at five sixths', lasting(90), day(75), 'emergency', day(75)],
    ['is an emergency when it has expired', lasting(90), day(100), 'emergency', day(75)],
    ['is an emergency at five sixths of six days', lasting(6), day(5), 'emergency', day(5)],
  ])('%s', ([, certificate, now, reason, at]) => {
    const found = renewal(certificate, now);
    expect(found.reason).toBe(reason);
    expect(Math.abs(found.at.getTime() - at.getTime())).toBeLessThanOrEqual(1);
  });

  test('falls into a fiftieth of life, before any emergency, wherever its serial puts it', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 400 }), (serial, days) => {
        const { at } = renewal({ ...lasting(days), serial }, day(0));
        const from = (days < 10 ? 1 / 2 : 2 / 3) * days * DAY;
        const waited = at.getTime() - day(0).getTime();
        expect(waited).toBeGreaterThanOrEqual(Math.floor(from));
        expect(waited).toBeLessThanOrEqual(Math.ceil(from + (days * DAY) / 50));
      }),
    );
  });
});

describe('the next attempt', () => {
  const now = day(10);
  const left = (ms: number) => issued({ notAfter: later(now, ms) });

  test.for<[string, number, IssuedCertificate | undefined, Date | undefined, number]>([
    ['is a minute after the first failure', 1, undefined, undefined, MINUTE],
    ['is ten minutes after the second', 2, undefined, undefined, 10 * MINUTE],
    ['is a hundred minutes after the third', 3, undefined, undefined, 100 * MINUTE],
    ['is a day after the fourth without a certificate', 4, undefined, undefined, DAY],
    ['is a day after the fourth with thirty days left', 4, left(30 * DAY), undefined, DAY],
    ['is a day with exactly ten days left', 4, left(10 * DAY), undefined, DAY],
    [
      'is a tenth of what is left with a little less',
      4,
      left(10 * DAY - 10_000),
      undefined,
      DAY - 1000,
    ],
    ['is an hour with ten hours left', 4, left(10 * HOUR), undefined, HOUR],
    ['is an hour with less', 5, left(HOUR), undefined, HOUR],
    ['is an hour when it has expired', 99, left(-DAY), undefined, HOUR],
    [
      'is a minute after the first failure, however little is left',
      1,
      left(HOUR),
      undefined,
      MINUTE,
    ],
    ['is when the CA says', 1, undefined, later(now, 3 * DAY), 3 * DAY],
    ['is not when the CA says too soon', 1, undefined, later(now, 1000), MINUTE],
    ['is not when the CA says too soon again and again', 50, undefined, later(now, 1000), DAY],
    ['is not when the CA names the past', 2, undefined, later(now, -1), 10 * MINUTE],
    ['is when the CA says within a tenth of life', 1, left(10 * DAY), later(now, DAY), DAY],
    ['is a tenth of life when the CA says later', 1, left(10 * DAY), later(now, 7 * DAY), DAY],
    ['is an hour when the CA says a week to the last', 9, left(HOUR), later(now, 7 * DAY), HOUR],
    ['is never beyond an hour with ten hours left', 3, left(10 * HOUR), undefined, HOUR],
  ])('%s', ([, count, issued, retryAt, waitMs]) => {
    const failed = { code: 'ca-unavailable', count, now, issued, retryAt };
    expect(nextAttempt(failed)).toEqual(later(now, waitMs));
  });

  test('is when a rate limit ends, however little is left', () => {
    const failed = { code: 'ca-rate-limited', count: 1, now, issued: left(DAY) };
    const retryAt = later(now, 7 * DAY);
    expect(nextAttempt({ ...failed, retryAt })).toEqual(retryAt);
  });
});
