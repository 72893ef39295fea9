import { expect, test } from 'vitest';
import { ingress, running } from './running.ts';

test('an Ingress that opts in gets its certificate into its Secret, and a second tick does nothing', async () => {
  const one = await running({
    manifests: { one: [ingress('shop', ['shop.a.test', 'www.a.test'], 'shop-tls')] },
  });
  await one.tick();

  const [stored] = await one.records();
  expect(stored?.record).toMatchObject({
    lease: undefined,
    order: undefined,
    challenges: [],
    failure: undefined,
    delivered: { version: 1 },
  });
  const secret = await one.secret('one', 'web', 'shop-tls');
  expect(secret).toMatchObject({
    type: 'kubernetes.io/tls',
    metadata: { annotations: { 'certherd/serial': stored?.record.issued?.serial } },
  });

  await one.tick();
  expect((await one.versions(stored?.id ?? '')).length).toBe(1);
  expect((await one.plan()).map(({ action, reason }) => `${action} ${reason}`)).toEqual([
    'keep fresh',
  ]);
  expect(one.system.ca?.counts().orders).toBe(1);
});

test('what has reached two thirds of its life is renewed, once', async () => {
  const one = await running({ manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] } });
  await one.tick();
  one.clock.advance(63 * 86_400_000);
  await one.tick();
  await one.tick();

  const [stored] = await one.records();
  expect(
    (await one.versions(stored?.id ?? '')).map(({ number, state }) => `${number} ${state}`),
  ).toEqual(['2 enabled', '1 enabled']);
  expect((await one.secret('one', 'web', 'shop-tls'))?.metadata).toMatchObject({
    annotations: { 'certherd/version': '2' },
  });
});
