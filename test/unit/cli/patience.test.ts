import { expect, test } from 'vitest';
import type { Session } from '../../../cli/command.ts';
import { renew } from '../../../cli/commands/renew.ts';
import { deliveries } from '../../../cli/doctor/delivery.ts';
import { parseConfig } from '../../../shared/config.ts';

const certificate = {
  ...{ id: 'a', names: ['a.test'], issuer: 'i', state: 'issued', serial: '0a' },
  ...{ notBefore: null, notAfter: null, version: 1, failure: null, delivered: null },
  ...{ targets: [], askers: [{ cluster: 'prod', namespace: 'shop' }] },
};

/** An api that never has anything new and takes `seconds` for each answer, by the clock of the session. */
function slow(seconds: number) {
  const asked: string[] = [];
  let now = 0;
  const answer = async (path: string) => {
    asked.push(path);
    now += seconds * 1000;
    const isList = path === '/v1/certificates';
    return { status: 202, document: isList ? { certificates: [certificate] } : certificate };
  };
  const session: Session = {
    client: { get: answer, post: answer },
    sleep: async (ms) => {
      now += ms;
    },
    now: () => new Date(now),
  };
  return { session, asked, seconds: () => now / 1000 };
}

// The second minute of `--wait` begins after what was asked before it.
test.for<[seconds: number, looks: number]>([
  [0, 30],
  [20, 3],
])('renew --wait ends in its time when each answer takes %i s', async ([each, looks]) => {
  const { session, asked } = slow(each);
  const { exitCode, document } = await renew({ id: 'a', wait: true }, session);
  expect([exitCode, document]).toEqual([1, { ...certificate, requested: true }]);
  expect(asked.filter((path) => path === '/v1/certificates/a')).toHaveLength(looks + 1);
});

test.for<[seconds: number, looks: number]>([
  [0, 60],
  [20, 2],
])('doctor waits half a minute when each answer takes %i s', async ([each, looks]) => {
  const parsed = parseConfig({
    project: 'p',
    issuers: { test: { directory: 'https://ca.test/directory' } },
    clusters: [{ name: 'prod', gke: 'projects/q/locations/l/clusters/c' }],
    runtime: {
      ...{ reconcileUrl: 'https://r.test', issueUrl: 'https://i.test', queues: { test: 'q' } },
      ...{ topic: 'projects/p/topics/t', schedulerJob: 'j', audience: 'a', invoker: 'i@p.test' },
    },
  });
  if (!('config' in parsed)) throw new Error(parsed.faults.join());
  const { session, asked } = slow(each);
  const { topic } = await deliveries(session, parsed.config);
  expect(topic.state).toBe('fault');
  expect(asked.filter((path) => path === '/v1/certificates/a')).toHaveLength(looks);
});
