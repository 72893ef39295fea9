import { expect, test } from 'vitest';
import type { CertificateIdentity } from '../../shared/domain/certificate.ts';
import type { CertificateRecord } from '../../shared/domain/record.ts';
import { type IssueReason, issueTask } from '../../shared/domain/task.ts';
import type { IssuePorts } from '../../shared/jobs/attempt.ts';
import { issue } from '../../shared/jobs/issue.ts';
import { day, identity, record, stored } from './build.ts';

const SETTINGS = { installation: 'certherd', zoneProjects: ['p'], settleMs: 0 };

/** One attempt on day 10 for the identity of a task, at a record; it ends at the first thing that it asks beyond that. */
async function attempted(asked: CertificateIdentity, reason: IssueReason, of: CertificateRecord) {
  const touched: string[] = [];
  let latest = of;
  const ports = {
    records: {
      async update(id, change) {
        latest = change(latest) ?? latest;
        return { ...stored(), id, record: latest };
      },
    } satisfies Pick<IssuePorts['records'], 'update'>,
    time: { now: () => day(10) },
  };
  const all = new Proxy(ports as unknown as IssuePorts, {
    get(known, name: keyof typeof ports) {
      if (!Object.hasOwn(known, name)) touched.push(name);
      return known[name];
    },
  });
  const task = issueTask(stored().id, asked, reason, of);
  const outcome = await issue(task, 'worker', all, SETTINGS).catch(() => undefined);
  return { outcome, touched, isLeased: latest.lease !== undefined };
}

const refused = {
  outcome: {
    certificate: stored().id,
    state: 'refused',
    reason: 'its record is that of another certificate',
  },
  ...{ touched: [], isLeased: false },
};

const NONE = { issued: undefined, delivered: undefined };

test.for<[string, Partial<CertificateIdentity>]>([
  ['other names', { names: ['bank.test'] }],
  ['more names', { names: ['new.a.test', 'www.a.test'] }],
  ['another issuer', { issuer: 'staging' }],
  ['another type of key', { keyType: 'rsa-2048' }],
])('a task for %s than the record has is refused before any order', async ([, differs]) => {
  for (const reason of ['missing', 'manual', 'clean-up'] as const)
    expect(await attempted(identity(differs), reason, record(NONE))).toEqual(refused);
});

test('a task for what the record has goes on under a lease', async () => {
  const { touched, isLeased } = await attempted(identity(), 'missing', record(NONE));
  expect(touched).not.toEqual([]);
  expect(isLeased).toBe(true);
});
