import { expect, onTestFinished, test } from 'vitest';
import { AcmeProblem, type ProblemType } from '../../../local/acme-ca/problem.ts';
import { spoilable, type Way, weather } from './faults.ts';
import { ingress, running } from './running.ts';

test.for<[string, string, string[]]>([
  ['what waiting does not mend calls a person, once', 'rejectedIdentifier', ['ERROR', 'WARNING']],
  ['what may mend itself calls nobody', 'serverInternal', ['WARNING', 'WARNING']],
])('%s', async ([, problem, severities]) => {
  const sky = weather();
  const manifests = { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] };
  const one = await running({ trouble: sky.trouble, manifests });
  sky.set('ca', ({ url }) => {
    if (/new-?order/i.test(url ?? '')) throw new AcmeProblem(problem as ProblemType, 'no');
  });
  await one.tick();
  one.clock.advance(10 * 60_000);
  await one.settle();
  const failed = one.log.filter(({ message }) => message === 'certificate failed');
  expect(failed.map(({ severity }) => severity)).toEqual(severities);
});

test.for<[string, Way, object]>([
  [
    'may be back at the next tick calls nobody',
    'busy',
    { severity: 'WARNING', code: 'cluster-unreachable' },
  ],
  ['lets nobody in calls a person', 'forbidden', { severity: 'ERROR', code: 'cluster-forbidden' }],
])('a cluster that %s', async ([, way, expected]) => {
  const one = await running();
  const { turn, close } = await spoilable(one, 'one');
  onTestFinished(close);
  turn(way);
  await one.tick();
  expect(one.log.filter(({ message }) => message === 'cluster unreadable')).toEqual([
    expect.objectContaining({ cluster: 'one', ...expected }),
  ]);
});
