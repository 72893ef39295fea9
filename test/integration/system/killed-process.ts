import { expect } from 'vitest';
import { type End, leftIn, NAMES, type Place } from './process.ts';

/** Whatever was killed before: everything is there, once, and nothing is left over. */
export function expectWhole(place: Place, end: End): void {
  expect(end).toMatchObject({ code: 0, report: { ok: true } });
  expect(end.report?.certificates).toHaveLength(NAMES.length);
  const { orders, ...left } = leftIn(place);
  expect(left).toEqual({ certificates: 3, txt: [], versions: [1, 1, 1], pendingKeys: 0 });
  // Whoever was killed may have been inside newOrder; the CA gives a pending order for the same names out again.
  expect(orders.toSorted()).toEqual(NAMES.map((name) => `${name}.a.test`).toSorted());
}
