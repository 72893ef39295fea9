import { expect, test } from 'vitest';
import type { IssueTask } from '../../shared/domain/task.ts';
import type { IssueQueue } from '../../shared/ports.ts';

/** A task for a certificate of the issuer `production`. */
export const issueTask = (differs: Partial<IssueTask> = {}): IssueTask => ({
  certificate: 'a-test-0123',
  identity: { names: ['*.a.test', 'a.test'], issuer: 'production', keyType: 'ec-p256' },
  reason: 'missing',
  replaces: 0,
  failures: 0,
  ...differs,
});

export type WorkedQueue = Readonly<{
  queue: IssueQueue;
  /** The next task that reaches the worker. */
  next(): Promise<unknown>;
}>;

/** What an IssueQueue promises. Each call of `create` may give the same queue: names are not used twice. */
export function issueQueueContract(create: () => WorkedQueue): void {
  test('a task reaches the worker as it was enqueued', async () => {
    const task = issueTask({ certificate: 'ä-test', reason: 'due', replaces: 3, failures: 2 });
    expect(await create().queue.enqueue('as-it-was', task, undefined)).toBe('enqueued');
    expect(await create().next()).toEqual(task);
  });

  test('a name is taken once, while its task waits and after it is gone', async () => {
    const { queue, next } = create();
    const outcomes = [await queue.enqueue('once', issueTask(), undefined)];
    await next();
    for (let again = 0; again < 2; again += 1)
      outcomes.push(await queue.enqueue('once', issueTask(), undefined));
    expect(outcomes).toEqual(['enqueued', 'exists', 'exists']);
  });

  test('another name is another task', async () => {
    const { queue, next } = create();
    await queue.enqueue('another-1', issueTask(), undefined);
    await next();
    expect(await queue.enqueue('another-2', issueTask(), undefined)).toBe('enqueued');
    await next();
  });

  test('a task for later waits, one for the past does not', async () => {
    const { queue, next } = create();
    const later = new Date(Date.now() + 3_600_000);
    await queue.enqueue('later', issueTask({ reason: 'due' }), later);
    await queue.enqueue('past', issueTask({ reason: 'retry' }), new Date(0));
    expect(await next()).toMatchObject({ reason: 'retry' });
    expect(await queue.enqueue('later', issueTask(), later)).toBe('exists');
  });
}
