import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconcileDependencies } from '../../../functions/dependencies.ts';
import { certificateId } from '../../../shared/domain/certificate.ts';
import { newRecord } from '../../../shared/domain/record.ts';
import { issueTask } from '../../../shared/domain/task.ts';
import { issue } from '../../../shared/jobs/issue.ts';
import { type Death, type Life, life, mortalWorker, openWay } from './mortal.ts';
import { ingress, type Running, started } from './running.ts';

test('probe', async () => {
  const key = 'k000';
  const t0 = Date.now();
  const one = await started({
    document: { issuers: { k000: { directory: 'https://ca.test/' } }, defaultIssuer: 'k000' },
    zones: ['k000.test'],
    manifests: { one: [ingress(key, [`${key}.test`, `*.${key}.test`], key)] },
  });
  console.log('start', Date.now() - t0);
  const of = life();
  const way = await openWay(one.system, (text) => (text.includes('k000') ? of : undefined));
  const worker = await mortalWorker(one.system, way);
  const identity = {
    names: [`*.${key}.test`, `${key}.test`],
    issuer: key,
    keyType: 'ec-p256',
  } as const;
  const id = certificateId(identity);
  const { records } = await reconcileDependencies(one.system.configOf('reconcile')).ports();
  const stored = await records.create(
    id,
    newRecord(identity, { askers: [{ cluster: 'one', namespace: 'web' }], manual: undefined }),
  );
  const task = issueTask(id, identity, 'missing', stored.record);
  const t1 = Date.now();
  const time = {
    now: one.clock.now,
    sleep: (ms: number) => new Promise<void>((r) => setTimeout(r, ms)),
  };
  console.log(await issue(task, 'holder', worker.portsOf(of, time), worker.settings));
  console.log('issue', Date.now() - t1);
  console.log(of.calls);
  await one.tick();
  console.log((await one.plan()).map((p) => p.action + p.reason));
  await way.close();
  await one.stop();
});
