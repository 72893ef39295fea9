import { test } from 'vitest';
import { ingress, running } from '/work/main/test/integration/system/running.ts';
test.for([10, 50, 100])('%i', async (count) => {
  const t0 = performance.now();
  const one = await running({ manifests: { one: [ingress('m', Array.from({ length: count }, (_, n) => `h${n}.many.a.test`), 'm')] } });
  const t1 = performance.now();
  await one.tick();
  const t2 = performance.now();
  await one.plan();
  console.log(count, t1 - t0, t2 - t1, performance.now() - t2);
  console.log(one.log.map(({ time, message, reason }) => `${time} ${message} ${reason}`).join('\n'));
}, 60000);
