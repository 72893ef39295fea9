import { expect, test } from 'vitest';
import { served } from '../../integration/system/hands.ts';
import { ingress, running } from '../../integration/system/running.ts';
import { add } from '../../integration/system/traces.ts';

test('a kubeconfig that is renewed is used within minutes, by instances that run already', async () => {
  const manifests = { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] };
  const one = await running({ manifests });
  const kubeconfig = one.system.clusters[0]?.kubeconfigs?.writer;
  if (!kubeconfig) expect.unreachable('an embedded cluster has a kubeconfig');
  const expired = JSON.parse(kubeconfig.text);
  expired.users[0].user.token = 'expired';
  await add(one, kubeconfig.secret, JSON.stringify(expired));
  await one.tick();
  const unreadable = () => one.log.filter(({ message }) => message === 'cluster unreadable').length;
  expect(unreadable()).toBe(1);

  await add(one, kubeconfig.secret, kubeconfig.text);
  one.clock.advance(5 * 60_000);
  await one.tick();
  expect(unreadable()).toBe(1);
  expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '1' });
});

test('of two kubeconfigs reconcile reads with the one and sync writes with the other', async () => {
  const one = await running({
    document: { clusters: [{ name: 'one', kubeconfigSecret: { reader: 'r', writer: 'w' } }] },
    manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
  });
  const { reader, writer } = one.system.clusters[0]?.kubeconfigs ?? expect.unreachable();
  expect(reader.text).not.toBe(writer.text);
  const said = () => JSON.stringify(one.log);

  await add(one, 'w', 'none');
  await one.tick();
  expect(said()).toContain("secret w, the writer's kubeconfig of cluster one, cannot be used");
  expect(said()).not.toContain('cluster unreadable');

  await add(one, 'w', writer.text);
  one.clock.advance(60 * 60_000);
  await one.tick();
  expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '1' });

  await add(one, 'r', 'none');
  one.clock.advance(60 * 60_000);
  await one.tick();
  expect(one.log).toContainEqual(
    expect.objectContaining({
      message: 'cluster unreadable',
      reason: expect.stringContaining("secret r, the reader's kubeconfig of cluster one"),
    }),
  );
});
