import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ingress, running } from '../integration/system/running.ts';
import { ROOT } from './parts/bundles.ts';

const CERTIFICATES = 10;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONTH_HOURS = 30 * 24;
// The month in which certificates of ninety days reach two thirds of their life.
const FIRST_DAY = 45;

const LINES: Readonly<Record<string, string>> = {
  reconciled: 'function reconcile',
  'certificate issued': 'function issue',
  'certificate kept': 'function issue',
  'certificate delivered': 'function sync',
  'certificate nothing': 'function sync',
};

/** The priced kinds of call; what differs from call to call is left out. */
function kindOf(service: string, method = '', url = ''): string {
  const path = url.split('?')[0] ?? '';
  const verb = path.match(/:([a-zA-Z]+)$/)?.[1];
  const collection = path
    .replace(/:[a-zA-Z]+$/, '')
    .split('/')
    .filter((part) => /^(secrets|versions|managedZones|rrsets|changes|tasks|topics)$/.test(part))
    .at(-1);
  return `${service} ${verb ?? method} ${collection ?? 'other'}`;
}

/** The counts that the page states, by kind. */
const stated = (): Readonly<Record<string, number>> => {
  const page = readFileSync(join(ROOT, 'docs/cost.md'), 'utf8');
  const [, block = ''] = /```counted\n([\s\S]*?)\n```/.exec(page) ?? [];
  return Object.fromEntries(
    block.split('\n').map((line) => [line.slice(8), Number(line.slice(0, 8))]),
  );
};

// Renewals that fall together share what an instance has read once.
const TOLERANCE = 0.02;

test('a month of hourly ticks over ten certificates, each renewed once, makes the calls that docs/cost.md counts', {
  timeout: 300_000,
}, async () => {
  const calls: Record<string, number> = {};
  let isCounting = false;
  const count = (kind: string) => {
    if (isCounting) calls[kind] = (calls[kind] ?? 0) + 1;
  };
  const hosts = Array.from({ length: CERTIFICATES }, (_, index) => `h${index}.a.test`);
  const one = await running({
    manifests: { one: hosts.map((host, index) => ingress(`i${index}`, [host], `tls-${index}`)) },
    trouble: {
      before: (service, { method, url }) => count(kindOf(service, method, url)),
      kubernetes: (_cluster, { method }) => count(`kubernetes ${method}`),
    },
  });
  await one.tick();
  expect(await issuedVersions()).toEqual(hosts.map(() => 1));
  one.clock.advance(FIRST_DAY * DAY_MS);
  await one.settle();
  const said = one.log.length;
  isCounting = true;
  for (let hour = 0; hour < MONTH_HOURS; hour += 1) {
    const before = runs();
    one.clock.advance(HOUR_MS);
    // The Scheduler's own cron fires: a run by hand beside it would be a second one.
    await expect.poll(runs, { interval: 2 }).toBe(before + 1);
    await one.settle();
  }
  isCounting = false;
  for (const { message } of one.log.slice(said)) {
    const kind = LINES[message];
    if (kind) calls[kind] = (calls[kind] ?? 0) + 1;
  }
  expect(await issuedVersions()).toEqual(hosts.map(() => 2));
  const expected = stated();
  expect(Object.keys(calls).sort()).toEqual(Object.keys(expected).sort());
  for (const [kind, number] of Object.entries(expected))
    expect(Math.abs((calls[kind] ?? 0) - number) / number, kind).toBeLessThanOrEqual(TOLERANCE);

  function runs() {
    return one.log.filter(({ message }) => message === 'reconciled').length;
  }

  async function issuedVersions() {
    return (await one.records()).map(({ record }) => record.issued?.version);
  }
});
