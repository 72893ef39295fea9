import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { expectWhole } from './killed-process.ts';
import { makePlace, type Place, runOnce } from './process.ts';

/** Resolves when another process has the state. */
async function lockChanges({ state }: Place): Promise<void> {
  const lock = join(state, 'lock');
  const owner = () => (existsSync(lock) ? readFileSync(lock, 'utf8') : '');
  const before = owner();
  while (owner() === before || owner() === '') await sleep(10);
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('what a killed process left is private, goes to one process at a time, and is ended by the next', async () => {
  const place = makePlace(mkdtempSync(join(tmpdir(), 'certherd-sigkill-')));
  onTestFinished(() => rmSync(place.folder, { recursive: true }));
  const killed = await runOnce(place, 300);
  expect(killed.code).toBeNull();

  const next = runOnce(place);
  await lockChanges(place);
  const loser = await runOnce(place);
  expectWhole(place, await next);
  expect(loser).toMatchObject({ code: 1, report: undefined });
  expect(loser.log).toMatch(/state is in use by process \d+; stop it first, or name another/);

  expect(modeOf(place.state)).toBe('700');
  const files = readdirSync(place.state);
  expect(files).toContain('acme-ca.json');
  expect(new Set(files.map((file) => modeOf(join(place.state, file))))).toEqual(new Set(['600']));
});
