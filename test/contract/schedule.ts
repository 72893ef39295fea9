import { expect, test } from 'vitest';
import type { Schedule } from '../../shared/ports.ts';

export type WatchedSchedule = Readonly<{
  /** A job that never ran. */
  schedule: Schedule;
  /** The next time that the job's target is woken; it answers `status` then. */
  woken(status: number): Promise<unknown>;
}>;

/** What a Schedule promises. Each call of `create` gives a new job. */
export function scheduleContract(create: () => Promise<WatchedSchedule>): void {
  test('a job that never ran says so, and when it will', async () => {
    const { schedule } = await create();
    const state = await schedule.state();
    expect(state).toMatchObject({
      state: 'ENABLED',
      lastRunAt: undefined,
      lastResult: 'never ran',
    });
    expect(state.nextRunAt?.getTime()).toBeGreaterThan(Date.now());
  });

  test('a run wakes the target at once and is what ran last', async () => {
    const { schedule, woken } = await create();
    const waking = woken(200);
    await schedule.run();
    await waking;
    await expect.poll(async () => (await schedule.state()).lastResult).toBe('ok');
    const { lastRunAt } = await schedule.state();
    expect(Math.abs(Date.now() - (lastRunAt?.getTime() ?? 0))).toBeLessThan(60_000);
  });

  test('a run that the target refused is told apart', async () => {
    const { schedule, woken } = await create();
    const waking = woken(503);
    await schedule.run();
    await waking;
    await expect.poll(async () => (await schedule.state()).lastResult).toMatch(/^failed/);
  });
}
