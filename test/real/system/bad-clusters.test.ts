import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { spoilable, type Way } from '../../integration/system/faults.ts';
import { certificateFor, removeSecret, served } from '../../integration/system/hands.ts';
import { ingress, type Running, started } from '../../integration/system/running.ts';
import { leaks } from '../../integration/system/traces.ts';

const allow = [{ namespaces: ['*'], names: ['*'] }];
let one: Running;
let far: Awaited<ReturnType<typeof spoilable>>;

beforeAll(async () => {
  one = await started({
    haste: 10,
    document: {
      clusters: [
        { name: 'near', allow },
        { name: 'far', allow },
      ],
    },
    manifests: {
      near: [ingress('near', ['near.a.test'], 'near'), ingress('both', ['both.a.test'], 'both')],
      far: [ingress('far', ['far.a.test'], 'far'), ingress('both', ['both.a.test'], 'both')],
    },
  });
  far = await spoilable(one, 'far');
  await one.tick();
});
beforeEach(() => far.turn('open'));
afterAll(async () => {
  await one.stop();
  await far.close();
});

const orders = () => one.system.ca?.counts().orders ?? 0;
const DAY_MS = 86_400_000;

const SPOILED: readonly Readonly<{ way: Way; says: RegExp }>[] = [
  { way: 'closed', says: /cluster far .*https:\/\/127\.0\.0\.1/ },
  { way: 'forbidden', says: /cluster far.*grant/ },
  { way: 'nonsense', says: /cluster far/ },
];

test.each(SPOILED)(
  'a cluster whose API is $way is named, loses nothing, orders nothing new, and holds up no other',
  async ({ way, says }) => {
    const before = orders();
    await one.apply('far', ingress(way, [`${way}.a.test`], way));
    await one.apply('near', ingress(way, [`${way}-near.a.test`], way));
    far.turn(way);
    await one.tick();

    expect(one.log).toContainEqual(
      expect.objectContaining({
        ...{ message: 'cluster unreadable', cluster: 'far' },
        reason: expect.stringMatching(says),
      }),
    );
    expect(orders() - before).toBe(1);
    expect(await served(one, 'near', way)).toMatchObject({ version: '1' });
    expect((await certificateFor(one, 'far.a.test')).record.askers).toEqual([
      { cluster: 'far', namespace: 'web' },
    ]);

    far.turn('open');
    await one.tick();
    expect(await served(one, 'far', way)).toMatchObject({ version: '1' });
    expect(orders() - before).toBe(2);
  },
);

test('what a lost cluster serves is renewed all the same, and delivered when it is back', async () => {
  const before = orders();
  far.turn('closed');
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  const { record } = await certificateFor(one, 'far.a.test');
  expect(record).toMatchObject({ issued: { version: 2 }, delivered: { version: 1 } });
  expect(await served(one, 'near', 'both')).toMatchObject({ version: '2' });
  const renewed = orders() - before;

  far.turn('open');
  await one.tick();
  expect(await served(one, 'far', 'far')).toMatchObject({ version: '2' });
  expect(await served(one, 'far', 'both')).toMatchObject({ version: '2' });
  expect(orders() - before).toBe(renewed);
});

test('a Secret that cannot be looked at costs no order, and one that was there is left alone', async () => {
  const before = orders();
  await one.apply('far', ingress('veiled', ['veiled.a.test'], 'veiled'));
  far.turn('without-secrets');
  await one.tick();
  const plan = (await one.plan()).find(({ names }) => names.includes('veiled.a.test'));
  expect(plan).toMatchObject({
    ...{ action: 'wait', reason: 'targets-unreadable' },
    message: expect.stringMatching(/Secret far\/web\/veiled .*nothing is ordered/),
  });
  expect(orders()).toBe(before);
});

test('a Secret that is gone comes back, whatever its cluster went through', async () => {
  await removeSecret(one, 'far', 'far');
  far.turn('closed');
  await one.tick();
  far.turn('open');
  await one.tick();
  expect(await served(one, 'far', 'far')).toMatchObject({ version: '2' });
  expect(await leaks(one)).toEqual([]);
});
