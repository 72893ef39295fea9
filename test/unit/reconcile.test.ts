import { expect, test } from 'vitest';
import type { CertificateRecord } from '../../shared/domain/record.ts';
import type { IssueTask } from '../../shared/domain/task.ts';
import { type ReconcilePorts, reconcile } from '../../shared/jobs/reconcile.ts';
import { day, ingress, issued, later, record, rules, secret, stored } from './build.ts';

const SETTINGS = { rules: rules(), zoneProjects: ['p'] };
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** A certificate whose only version is disabled when it is looked at; `since` is what its record says by the time it is written. */
function disabled(since: Partial<CertificateRecord>) {
  const tasks: IssueTask[] = [];
  let latest = record(since);
  const ports: ReconcilePorts = {
    readers: async () => ({ ingresses: async () => [ingress()], secret: async () => secret() }),
    zones: {
      list: async () => [{ project: 'p', zone: 'a-test', dnsName: 'a.test', nameServers: [] }],
    },
    records: {
      list: async () => [stored()],
      read: async () => undefined,
      create: async () => stored(),
      async update(_, change) {
        latest = change(latest) ?? latest;
        return { ...stored(), record: latest };
      },
    },
    versions: { list: async () => [{ number: 1, state: 'disabled' }] },
    queue: {
      async enqueue(_, task) {
        tasks.push(task);
        return 'enqueued';
      },
    },
    repairs: { publish: async () => {} },
    time: { now: () => day(10) },
    log: SILENT,
  };
  return { ports, tasks, latest: () => latest };
}

const TWO = { issued: issued({ version: 2 }), delivered: { version: 2, at: day(10), failed: [] } };
const NONE = { issued: undefined, delivered: undefined };
const leased = (until: Date) => ({ lease: { holder: 'worker', until } });

test.for<[string, Partial<CertificateRecord>, Partial<CertificateRecord>, readonly string[]]>([
  ['is forgotten, and another is issued', {}, NONE, ['missing']],
  ['is issued anew when another tick was first to forget it', NONE, NONE, ['missing']],
  ['is nothing to what was issued since', TWO, TWO, []],
  ['is left to the worker that has it since', leased(later(day(10), 1)), record(), []],
  ['is left to no worker whose lease is over', leased(day(10)), NONE, ['missing']],
])('a version that was disabled %s', async ([, since, expected, reasons]) => {
  const one = disabled(since);
  const { faults } = await reconcile(one.ports, SETTINGS);
  expect(faults).toEqual([]);
  const { issued: version, delivered } = one.latest();
  expect({ issued: version, delivered }).toEqual({
    ...{ issued: expected.issued, delivered: expected.delivered },
  });
  expect(one.tasks.map(({ reason }) => reason)).toEqual(reasons);
});
