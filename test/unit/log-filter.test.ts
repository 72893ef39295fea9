import { expect, test } from 'vitest';
import { type Entry, parseFilter } from '../real/terraform-plan/log-filter.ts';

const ENTRY: Entry = {
  logName: 'projects/p/logs/run.googleapis.com%2Fstdout',
  severity: 'WARNING',
  resource: { type: 'cloud_run_revision', labels: { service_name: 'herd-sync' } },
  jsonPayload: { message: 'host not proven', lifeLeft: 0.2 },
};

test.for<[string, string, boolean]>([
  ['an equal text', 'resource.type = "cloud_run_revision"', true],
  ['another text', 'resource.type = "gce_instance"', false],
  ['text in capitals is the same', 'jsonPayload.message = "Host not proven"', true],
  ['one of several', 'resource.labels.service_name = ("herd-api" OR "herd-sync")', true],
  ['none of several', 'resource.labels.service_name = ("herd-api" OR "herd-issue")', false],
  ['a severity of that rank', 'severity >= WARNING', true],
  ['a severity below', 'severity >= ERROR', false],
  ['a number at the boundary is not below it', 'jsonPayload.lifeLeft < 0.2', false],
  ['a number at the boundary is not under it either', 'jsonPayload.lifeLeft >= 0.2', true],
  ['all of several comparisons', 'severity = WARNING AND jsonPayload.lifeLeft <= 0.2', true],
  ['all but one', 'severity = WARNING AND jsonPayload.lifeLeft > 0.2', false],
  ['a field that is not there equals nothing', 'jsonPayload.code = "internal"', false],
  ['and differs from nothing', 'jsonPayload.code != "internal"', false],
  ['but its comparison may be denied', 'NOT jsonPayload.code = "internal"', true],
])('%s: %s', ([, filter, matches]) => {
  expect(parseFilter(filter)(ENTRY)).toBe(matches);
});

test.for(['(((', 'severity >= ERROR OR severity = INFO', 'jsonPayload.message =~ "x"', ''])(
  'a filter that is not understood is refused: %s',
  (filter) => {
    expect(() => parseFilter(filter)).toThrow('does not know');
  },
);

test('a severity that there is not is refused', () => {
  expect(() => parseFilter('severity >= FATAL')(ENTRY)).toThrow('no severity');
});
