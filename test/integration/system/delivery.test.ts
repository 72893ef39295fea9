import { describe, expect, test } from 'vitest';
import {
  add,
  certificateFor,
  elsewhere,
  makeSecret,
  patchSecret,
  planned,
  removeIngress,
  removeSecret,
  secretManager,
  served,
  turn,
} from './hands.ts';
import { ingress, type Running, running } from './running.ts';

const DAY_MS = 86_400_000;

/** A system whose one Ingress has its certificate, twice renewed. */
async function delivered(versions = 1): Promise<Running & Readonly<{ id: string }>> {
  const one = await running({ manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] } });
  for (let version = 1; version <= versions; version += 1) {
    if (version > 1) one.clock.advance(63 * DAY_MS);
    await one.tick();
  }
  const { id } = await certificateFor(one, 'shop.a.test');
  return { ...one, id };
}

describe('a Secret that is no longer what was written', () => {
  test('drift of any kind is repaired at the next tick, in place, without an order', async () => {
    const one = await delivered();
    const before = await served(one, 'one', 'shop-tls');

    await patchSecret(one, 'one', 'shop-tls', { data: { 'tls.crt': 'bm9uZQ==' } });
    expect(await planned(one)).toEqual(['shop.a.test sync secret-drifted']);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toEqual(before);
    expect(await planned(one)).toEqual(['shop.a.test keep fresh']);

    const annotations = { 'certherd/fingerprint': 'edited' };
    await patchSecret(one, 'one', 'shop-tls', { metadata: { annotations } });
    expect(await planned(one)).toEqual(['shop.a.test sync secret-outdated']);
    await one.tick();
    expect(await served(one, 'one', 'shop-tls')).toEqual(before);

    await removeSecret(one, 'one', 'shop-tls');
    expect(await planned(one)).toEqual(['shop.a.test sync secret-missing']);
    await one.tick();
    const { uid, ...made } = await served(one, 'one', 'shop-tls');
    expect(made).toEqual({ ...before, uid: undefined });
    expect(uid).not.toBe(before.uid);
    expect(one.system.ca?.counts().orders).toBe(1);
  });
});
