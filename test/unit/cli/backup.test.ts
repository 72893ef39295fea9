import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { backup } from '../../../cli/commands/backup.ts';

const DOCUMENT = { format: 1, configuration: {}, records: [{ secret: 's' }], invalid: [] };
const INVALID = { ...DOCUMENT, invalid: [{ id: 'x-1', problem: 'is not understood' }] };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'backup-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** Runs the command against an api that answers the document. */
async function backedUp(
  out: string | undefined,
  { json = false, document = DOCUMENT as object } = {},
) {
  const lines: string[] = [];
  const errors: string[] = [];
  const answer = async () => ({ status: 200, document });
  const outcome = await backup(
    { out },
    {
      client: { get: answer, post: answer },
      sleep: async () => {},
      now: () => new Date(0),
    },
  );
  if (json) lines.push(JSON.stringify(outcome.document));
  else
    outcome.show({
      out: (text) => void lines.push(text),
      err: (text) => void errors.push(text),
      colors: false,
    });
  return { code: outcome.exitCode, out: lines.join('\n'), err: errors.join('\n') };
}

test('a backup is for its owner alone, whatever was there, and leaves nothing beside it', async () => {
  const at = folder();
  const file = join(at, 'b.json');
  writeFileSync(file, 'the last one', { mode: 0o644 });
  const { code, out } = await backedUp(file);
  expect([code, out]).toEqual([0, `1 records and the configuration are in ${file}; no key is.`]);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(DOCUMENT);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(at)).toEqual(['b.json']);
});

test("what an earlier run that was killed has left behind is in nobody's way", async () => {
  const at = folder();
  const file = join(at, 'b.json');
  for (const run of [1, 2]) {
    writeFileSync(`${file}.tmp`, `half of ${run}`);
    expect((await backedUp(file)).code).toBe(0);
  }
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(DOCUMENT);
  expect(readdirSync(at)).toEqual(['b.json', 'b.json.tmp']);
});

test('nothing is left behind where nothing can be put', async () => {
  const at = folder();
  mkdirSync(join(at, 'b.json'));
  await expect(backedUp(join(at, 'b.json'))).rejects.toMatchObject({ exitCode: 1 });
  await expect(backedUp(join(at, 'none', 'b.json'))).rejects.toMatchObject({ exitCode: 1 });
  expect(readdirSync(at)).toEqual(['b.json']);
});

test('a link goes on leading to the backup, and a device stays one', async () => {
  const at = folder();
  const [real, link] = [join(at, 'real.json'), join(at, 'link.json')];
  writeFileSync(real, 'the last one');
  symlinkSync(real, link);
  await backedUp(link);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(JSON.parse(readFileSync(real, 'utf8'))).toEqual(DOCUMENT);
  await backedUp('/dev/null');
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
});

test('--json prints one document and nothing else, with a file or without', async () => {
  const file = join(folder(), 'b.json');
  const options = { json: true, document: INVALID };
  const filed = await backedUp(file, options);
  const { invalid } = INVALID;
  expect([filed.code, filed.err]).toEqual([1, '']);
  expect(JSON.parse(filed.out)).toEqual({ file, records: 1, invalid });
  const printed = await backedUp(undefined, options);
  expect([printed.code, printed.err]).toEqual([1, '']);
  expect(JSON.parse(printed.out)).toEqual(INVALID);
});

test('a record that is not in it is named', async () => {
  const { code, err } = await backedUp(undefined, { document: INVALID });
  expect([code, err]).toEqual([
    1,
    'the record of x-1 is not understood, so it is not in the backup',
  ]);
});
