import { describe, expect, test } from 'vitest';
import {
  type IssueTask,
  isStale,
  issueTask,
  type Planned,
  taskName,
} from '../../shared/domain/task.ts';
import { day, identity, issued, later, record } from './build.ts';

const HOUR = 3_600_000;
const ORDER = { url: 'https://ca.test/order/1', after: 0 };
const failure = { code: 'ca-unavailable', message: 'm', count: 2, retryAt: day(11) };

describe('a task', () => {
  test.for<[string, Parameters<typeof record>[0], number, number]>([
    ['is made for no version and no failure at first', { issued: undefined }, 0, 0],
    ['is made for the version that is there', { issued: issued({ version: 3 }) }, 3, 0],
    ['is made for the failures so far', { issued: undefined, failure }, 0, 2],
  ])('%s', ([, differs, replaces, failures]) => {
    const task = issueTask('id', identity(), 'due', record(differs));
    expect(task).toEqual({
      certificate: 'id',
      identity: identity(),
      reason: 'due',
      replaces,
      failures,
    });
    expect(isStale(task, record(differs))).toBe(false);
  });

  test.for<[string, IssueTask['reason'], Parameters<typeof record>[0], string | undefined]>([
    ['names the order that it gives up', 'clean-up', { order: ORDER }, ORDER.url],
    ['names no order where there is none', 'clean-up', {}, undefined],
    ['names no order that it goes on with', 'resume', { order: ORDER }, undefined],
  ])('%s', ([, reason, differs, order]) => {
    expect(issueTask('id', identity(), reason, record(differs)).order).toBe(order);
  });

  test.for<[string, Parameters<typeof record>[0]]>([
    ['another version is there', { issued: issued({ version: 2 }) }],
    ['its version is gone', { issued: undefined }],
    ['another failure was recorded', { failure }],
  ])('is stale when %s', ([, differs]) => {
    expect(isStale(issueTask('id', identity(), 'due', record()), record(differs))).toBe(true);
  });
});

describe('the name of a task', () => {
  const at = day(10);
  const named = (task: Partial<IssueTask> = {}, planned: Partial<Planned> = {}) =>
    taskName(
      {
        certificate: 'www',
        identity: identity(),
        reason: 'due',
        replaces: 1,
        failures: 0,
        ...task,
      },
      { at, of: { createdAt: day(0), etag: 'e1' }, now: at, ...planned },
    );

  test('is a hash and the id, within the letters and length of Cloud Tasks', () => {
    expect(named()).toMatch(/^[0-9a-f]{32}-www$/);
  });

  test.for<[string, Partial<Planned>, boolean]>([
    ['at the next tick', { now: later(at, HOUR) }, true],
    ['before its moment', { now: later(at, -HOUR) }, true],
    ['right before six hours have passed', { now: later(at, 6 * HOUR - 1) }, true],
    ['six hours after its moment, for it was lost', { now: later(at, 6 * HOUR) }, false],
    ['for another moment', { at: later(at, 1) }, false],
    ['for "now"', { at: undefined, of: { createdAt: at, etag: 'e1' } }, false],
    ['after a write of the record', { of: { createdAt: day(0), etag: 'e2' } }, true],
  ])('stays or changes: %s: %o', ([, planned, same]) => {
    expect(named({}, planned) === named()).toBe(same);
  });

  test.for<[string, Partial<IssueTask>]>([
    ['certificate', { certificate: 'other' }],
    ['version', { replaces: 2 }],
    ['count of failures', { failures: 1 }],
    ['reason', { reason: 'manual' }],
    ['order', { order: ORDER.url }],
  ])('is another for another %s', ([, differs]) => expect(named(differs)).not.toBe(named()));

  test.for<[string, number, number, boolean]>([
    ['is the same for six hours of "now"', 0, 6 * HOUR - 1, true],
    ['is a new one after six hours of "now"', 6 * HOUR - 1, 6 * HOUR, false],
    ['is the same for the next six hours', 6 * HOUR, 12 * HOUR - 1, true],
    ['is a new one after twelve', 12 * HOUR - 1, 12 * HOUR, false],
  ])('%s', ([, one, other, same]) => {
    const of = { createdAt: at, etag: 'e1' };
    const nameAfter = (ms: number) => named({}, { at: undefined, of, now: later(at, ms) });
    expect(nameAfter(one) === nameAfter(other)).toBe(same);
  });

  test('is a new one for "now" after a write of the record: it was taken back, and is asked for again', () => {
    const nameOf = (etag: string) => named({}, { at: undefined, of: { createdAt: at, etag } });
    expect(nameOf('e2')).not.toBe(nameOf('e1'));
  });
});
