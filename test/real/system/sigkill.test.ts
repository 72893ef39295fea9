import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { expectWhole } from '../../integration/system/killed-process.ts';
import { makePlace, NAMES, runOnce } from '../../integration/system/process.ts';

const KILLS = 12;

function freshPlace() {
  const place = makePlace(mkdtempSync(join(tmpdir(), 'certherd-sigkill-')));
  onTestFinished(() => rmSync(place.folder, { recursive: true }));
  return place;
}

test('killed at any moment and started again, a process ends what it began', async () => {
  const { ms, code } = await runOnce(freshPlace());
  expect(code).toBe(0);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const place = freshPlace();
    await runOnce(place, (ms * (kill + 0.5)) / KILLS);
    expectWhole(place, await runOnce(place));
  }
});

test('killed again and again on one state, it still gets there, and a last run finds all done', async () => {
  const place = freshPlace();
  for (const ms of [50, 150, 300, 450, 600]) await runOnce(place, ms);
  expectWhole(place, await runOnce(place));
  const last = await runOnce(place);
  expectWhole(place, last);
  expect(last.report?.acme.orders).toBe(0);
  expect(last.report?.certificates.map(({ state }) => state)).toEqual(NAMES.map(() => 'kept'));
});
