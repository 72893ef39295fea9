import { expect } from 'vitest';
import { leftIn, NAMES, type Place, runOnce } from './process.ts';

/** A process is killed after that time and started again on the same state: everything is there, once. */
export async function killedOnce(place: Place, afterMs: number): Promise<void> {
  const killed = await runOnce(place, afterMs);
  const end = await runOnce(place);
  expect(end).toMatchObject({ code: 0, report: { ok: true } });
  expect(end.report?.certificates).toHaveLength(NAMES.length);
  const { orders, ...left } = leftIn(place);
  expect(left).toEqual({ certificates: 3, txt: [], versions: [1, 1, 1], pendingKeys: 0 });
  expect(new Set(orders).size).toBe(NAMES.length);
  // Whoever was killed may have been inside newOrder; the CA gives a pending order for the same names out again.
  expect(orders.length).toBe(NAMES.length);
  expect(killed.code === null || killed.code === 0).toBe(true);
}
