import { expect, test } from 'vitest';
import { waited } from '../../../functions/api/waiting.ts';
import type { CertificateRecord } from '../../../shared/domain/record.ts';
import { CertificateError } from '../../../shared/errors.ts';
import type { Accepted } from '../../../shared/jobs/manual.ts';
import { day, issued, later, stored } from '../build.ts';

const NOW = day(10);
const ACCEPTED: Accepted = {
  state: 'accepted',
  before: stored(),
  awaits: { version: true, delivery: false },
};

/** Ports whose time passes in sleep alone; `at` is what a read finds after so many seconds. */
function portsOver(at: (seconds: number) => Partial<CertificateRecord>) {
  let passedMs = 0;
  const pauses: number[] = [];
  const ports: Parameters<typeof waited>[2] = {
    time: {
      now: () => later(NOW, passedMs),
      async sleep(ms) {
        pauses.push(ms);
        passedMs += ms;
      },
    },
    records: {
      list: async () => [],
      read: async () => stored(at(passedMs / 1000)),
      create: () => expect.unreachable('nothing is written'),
      update: () => expect.unreachable('nothing is written'),
    },
  };
  return { ports, pauses };
}

test('a wait of a minute costs few reads, and the first ones come quickly', async () => {
  const { ports, pauses } = portsOver(() => ({}));
  expect(await waited(ACCEPTED, 60_000, ports)).toMatchObject({ reached: { state: 'open' } });
  expect(pauses).toEqual([
    ...[250, 500, 1000, 2000, 4000],
    ...Array.from({ length: 10 }, () => 5000),
    2250,
  ]);
});

test('it ends as soon as the record shows the end, and a failure to read is no end', async () => {
  const { ports, pauses } = portsOver((seconds) => {
    if (seconds < 1) throw new CertificateError('store-unavailable', 'no answer');
    return { issued: issued({ version: 2 }) };
  });
  expect(await waited(ACCEPTED, 60_000, ports)).toMatchObject({ reached: { state: 'done' } });
  expect(pauses).toEqual([250, 500, 1000]);
});
