import { expect, test } from 'vitest';
import { AcmeProblem, type ProblemType } from '../../../local/acme-ca/problem.ts';
import { weather } from './faults.ts';
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
