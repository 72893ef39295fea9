import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KubernetesFault } from '../../../local/kubernetes/kubernetes.ts';
import {
  certificateFor,
  delivered,
  planned,
  removeIngress,
  served,
} from '../../integration/system/hands.ts';
import { ingress, running } from '../../integration/system/running.ts';

const DAY_MS = 86_400_000;

describe('what is wanted', () => {
  test('what a Secret still serves is renewed while its successor cannot be proven, and no longer when that is delivered', async () => {
    const one = await running({
      manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
    });
    await one.tick();
    const { uid } = await served(one, 'one', 'shop-tls');
    const alias = { name: '_acme-challenge.new.a.test', type: 'CNAME' };
    one.system.services.dns.addRecords([{ ...alias, rrdatas: ['lost.elsewhere.test.'] }]);
    await one.apply('one', ingress('shop', ['shop.a.test', 'new.a.test'], 'shop-tls'));
    await one.tick();
    expect(await planned(one)).toEqual([
      'new.a.test,shop.a.test wait backing-off',
      'shop.a.test keep fresh',
    ]);

    one.clock.advance(63 * DAY_MS);
    await one.tick();
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2', uid });
    const { id } = await certificateFor(one, 'shop.a.test');
    expect((await served(one, 'one', 'shop-tls')).certificate).toBe(id);

    const inside = '_acme-challenge.inside.a.test.';
    one.system.services.dns.addRecords([{ ...alias, rrdatas: [inside] }]);
    one.clock.advance(DAY_MS);
    await one.tick();
    const successor = await certificateFor(one, 'new.a.test');
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({
      ...{ certificate: successor.id, version: '1', uid },
    });
    expect(await planned(one)).toEqual([
      'new.a.test,shop.a.test keep fresh',
      'shop.a.test keep not-wanted',
    ]);
    one.clock.advance(40 * DAY_MS);
    await one.tick();
    expect((await one.versions(id)).map(({ number }) => number)).toEqual([2, 1]);
  });

  test('an Ingress that no longer opts in keeps its Secret renewed; when it is deleted, nothing is', async () => {
    const one = await delivered();
    await one.apply('one', ingress('shop', ['shop.a.test'], 'shop-tls', { annotations: {} }));
    one.clock.advance(63 * DAY_MS);
    await one.tick();
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2' });

    await removeIngress(one, 'one', 'shop');
    await one.tick();
    expect(await planned(one)).toEqual(['shop.a.test keep not-wanted']);
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2' });
    one.clock.advance(63 * DAY_MS);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2' });
  });

  test('a cluster that cannot be read keeps its certificates wanted, and gets what it missed', async () => {
    let isForbidden = false;
    const one = await running({
      document: { clusters: CLUSTERS },
      manifests: { two: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
      trouble: {
        kubernetes(cluster) {
          if (isForbidden && cluster === 'two') throw new KubernetesFault(403, 'Forbidden', 'no');
        },
      },
    });
    await one.tick();
    const before = await one.records();
    isForbidden = true;
    await one.tick();
    expect(await one.records()).toEqual(before);
    one.clock.advance(63 * DAY_MS);
    await one.tick();
    const [stored] = await one.records();
    expect((await one.versions(stored?.id ?? '')).map(({ number }) => number)).toEqual([2, 1]);
    expect(stored?.record).toMatchObject({
      askers: [{ cluster: 'two', namespace: 'web' }],
      delivered: { version: 1 },
    });

    isForbidden = false;
    expect(await served(one, 'two', 'shop-tls')).toMatchObject({ version: '1' });
    await one.tick();
    expect(await served(one, 'two', 'shop-tls')).toMatchObject({ version: '2' });
  });

  test('a cluster that leaves the configuration keeps its certificates wanted', async () => {
    const state = mkdtempSync(join(tmpdir(), 'certherd-'));
    onTestFinished(() => rmSync(state, { recursive: true }));
    const before = await running({
      ...{ state, document: { clusters: CLUSTERS } },
      manifests: { two: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
    });
    await before.tick();
    await before.stop();
    const after = await running({ state });
    after.clock.advance(63 * DAY_MS);
    await after.tick();
    const [stored] = await after.records();
    expect((await after.versions(stored?.id ?? '')).map(({ number }) => number)).toEqual([2, 1]);
    expect(stored?.record.askers).toEqual([{ cluster: 'two', namespace: 'web' }]);
  });
});

const CLUSTERS = ['one', 'two'].map((name) => ({
  ...{ name, allow: [{ namespaces: ['*'], names: ['*'] }] },
}));
