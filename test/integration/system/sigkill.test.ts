import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { killedOnce } from './killed-process.ts';
import { leftIn, makePlace, NAMES, type Place, runOnce } from './process.ts';

let place: Place;

beforeEach(() => {
  place = makePlace(mkdtempSync(join(tmpdir(), 'certherd-sigkill-')));
});
afterEach(() => rmSync(place.folder, { recursive: true }));

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('the state is private, one process has it at a time, and a second run finds all done', async () => {
  const [first, second] = await Promise.all([
    runOnce(place),
    new Promise((resolve) => setTimeout(resolve, 400)).then(() => runOnce(place)),
  ]);
  const [winner, loser] = first.code === 0 ? [first, second] : [second, first];
  expect(winner).toMatchObject({ code: 0, report: { ok: true, acme: { orders: 3 } } });
  expect(loser).toMatchObject({ code: 1, report: undefined });
  expect(loser.log).toMatch(/state is in use by process \d+; stop it first or name another/);

  expect(modeOf(place.state)).toBe('700');
  const files = readdirSync(place.state);
  expect(files).toContain('acme-ca.json');
  expect(new Set(files.map((file) => modeOf(join(place.state, file))))).toEqual(new Set(['600']));

  const again = await runOnce(place);
  expect(again).toMatchObject({ code: 0, report: { ok: true, acme: { orders: 0 } } });
  expect(again.report?.certificates.map(({ state }) => state)).toEqual(NAMES.map(() => 'kept'));
  expect(leftIn(place).versions).toEqual([1, 1, 1]);
});

test('killed in the middle and started again, it ends what it began', async () => {
  await killedOnce(place, 120);
});
