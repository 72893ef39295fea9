import { expect, onTestFinished, test } from 'vitest';
import { GoogleFault } from '../../../local/google-api.ts';
import {
  type Fault,
  on,
  type Place,
  refusing,
  silence,
  spoilable,
  weather,
} from '../../integration/system/faults.ts';
import { certificateFor, served } from '../../integration/system/hands.ts';
import { ingress, running } from '../../integration/system/running.ts';

const HOST = 'shop.a.test';
const shop = ingress('shop', [HOST], 'shop');

type SlowDay = Readonly<{ what: string; place: Place; fault: Fault; code: string; says: RegExp }>;

const unavailable = refusing(() => new GoogleFault('UNAVAILABLE', 'Not now'));

// Each lasts as long as the time limit that ends it.
const SLOW_DAYS: readonly SlowDay[] = [
  {
    what: 'the CA does not answer',
    ...{ place: 'ca', fault: silence, code: 'ca-unavailable' },
    says: /no answer from the CA at https:.*nothing within 15 seconds; check that the address/,
  },
  {
    what: 'Cloud DNS does not answer',
    ...{ place: 'cloud-dns', fault: on(/POST .*changes/, silence), code: 'dns-unavailable' },
    says: /cannot reach zone a-test of project p in Cloud DNS: no answer within 20000 ms/,
  },
  {
    what: 'Secret Manager takes no version',
    ...{ place: 'secret-manager', fault: on(/cert-.*:addVersion/, unavailable) },
    code: 'store-unavailable',
    says: /cannot add a version to .*certherd-cert-.*: Not now/,
  },
];

test.each(SLOW_DAYS)('$what: said in one sentence, and made good', async (day) => {
  const sky = weather();
  const one = await running({ trouble: sky.trouble, manifests: { one: [shop] } });
  sky.set(day.place, day.fault);
  await one.tick();
  const { failure } = (await certificateFor(one, HOST)).record;
  expect(failure).toMatchObject({
    ...{ code: day.code, count: 1 },
    message: expect.stringMatching(day.says),
  });
  sky.clear();
  one.clock.advance(121_000);
  await one.settle();
  const { record } = await certificateFor(one, HOST);
  expect(record).toMatchObject({ failure: undefined, order: undefined, challenges: [] });
  expect(await served(one, 'one', 'shop')).toMatchObject({ version: '1' });
  expect(one.system.ca?.counts().orders).toBe(1);
});

test('a cluster that does not answer is named, and holds up no other', async () => {
  const allow = [{ namespaces: ['*'], names: ['*'] }];
  const clusters = ['near', 'far'].map((name) => ({ name, allow }));
  const one = await running({ document: { clusters }, manifests: { near: [shop] } });
  const far = await spoilable(one, 'far');
  onTestFinished(far.close);
  far.turn('silent');
  await one.tick();
  expect(one.log).toContainEqual(
    expect.objectContaining({
      ...{ message: 'cluster unreadable', cluster: 'far' },
      reason: expect.stringMatching(/no answer in time/),
    }),
  );
  expect(await served(one, 'near', 'shop')).toMatchObject({ version: '1' });
});

test('within the documented limits of Secret Manager everything is done, only later', async () => {
  const one = await running({ trouble: { limits: true }, manifests: { one: [shop] } });
  await one.tick();
  const { record } = await certificateFor(one, HOST);
  expect(record).toMatchObject({ failure: undefined, delivered: { version: 1 } });
});
