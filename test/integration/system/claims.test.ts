import { expect, test } from 'vitest';
import { ingress, running } from './running.ts';

test('a Secret that a refused request names as well gets what the good request asks for', async () => {
  const one = await running({
    manifests: {
      one: [
        ingress('good', ['shop.a.test'], 'tls'),
        ingress('bad', ['shop.elsewhere.test'], 'tls'),
      ],
    },
  });
  await one.tick();
  await one.tick();

  const [stored] = await one.records();
  expect(stored?.record.identity.names).toEqual(['shop.a.test']);
  expect((await one.secret('one', 'web', 'tls'))?.metadata.annotations).toMatchObject({
    'certherd/certificate': stored?.id,
  });
  expect((await one.plan()).map(({ action, reason }) => `${action} ${reason}`)).toEqual([
    'keep fresh',
  ]);
});

test('what a Secret serves is replaced by what the good request asks for, once reconcile names the Secret', async () => {
  const one = await running({ manifests: { one: [ingress('shop', ['old.a.test'], 'tls')] } });
  await one.tick();
  await one.apply(
    'one',
    ingress('shop', ['new.a.test'], 'tls'),
    ingress('bad', ['shop.elsewhere.test'], 'tls'),
  );
  await one.tick();
  await one.tick();

  const stored = (await one.records()).find(({ record }) =>
    record.identity.names?.includes('new.a.test'),
  );
  expect((await one.secret('one', 'web', 'tls'))?.metadata.annotations).toMatchObject({
    'certherd/certificate': stored?.id,
  });
});
