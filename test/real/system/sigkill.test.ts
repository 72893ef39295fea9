import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { expectWhole } from '../../integration/system/killed-process.ts';
import { makePlace, NAMES, type Place, runOnce } from '../../integration/system/process.ts';

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

/** Resolves when another process has the state. */
async function lockChanges({ state }: Place): Promise<void> {
  const lock = join(state, 'lock');
  const owner = () => (existsSync(lock) ? readFileSync(lock, 'utf8') : '');
  const before = owner();
  while (owner() === before || owner() === '') await sleep(10);
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('what a killed process left is private, goes to one process at a time, and is ended by the next', async () => {
  const place = freshPlace();
  const killed = await runOnce(place, 300);
  expect(killed.code).toBeNull();

  const next = runOnce(place);
  await lockChanges(place);
  const loser = await runOnce(place);
  expectWhole(place, await next);
  expect(loser).toMatchObject({ code: 2, report: undefined });
  expect(loser.log).toMatch(/state is in use by process \d+; stop it first, or name another/);

  expect(modeOf(place.state)).toBe('700');
  const files = readdirSync(place.state);
  expect(files).toContain('acme-ca.json');
  expect(new Set(files.map((file) => modeOf(join(place.state, file))))).toEqual(new Set(['600']));
});
