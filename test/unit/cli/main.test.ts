import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { listenOnLoopback } from '../../../local/google-api.ts';

const MAIN = join(import.meta.dirname, '../../../cli/main.ts');

test('whoever reads no further, as head, is told of no error', async () => {
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const errors = text(child.stderr);
  const [code] = await once(child, 'exit');
  expect([code, await errors]).toEqual([0, '']);
});

/** As `npm run` starts it: in the repository, and told in which folder the person stands. */
async function fromFolder(folder: string, args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: join(MAIN, '../..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, INIT_CWD: folder },
  });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await once(child, 'close');
  return { code, said: (await said).join('') };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'stands-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test.for<[string, RegExp]>([
  ['--terraform-output', /^mine\.json is not what terraform output -json prints$/m],
  ['--config', /^mine\.json is no configuration: project: is missing/],
])(
  '%s of doctor is read where the person stands, not in the repository',
  async ([option, says]) => {
    const at = folder();
    writeFileSync(join(at, 'mine.json'), '');
    const { code, said } = await fromFolder(at, ['doctor', option, 'mine.json']);
    expect([code, said]).toEqual([2, expect.stringMatching(says)]);
  },
);

test('the last backup stays when the disk is full before the new one is whole', async () => {
  const records = Array.from({ length: 99 }, (_, n) => ({ secret: `certherd-cert-${n}` }));
  const api = createServer((_, response) =>
    response.end(JSON.stringify({ format: 1, configuration: {}, records, invalid: [] })),
  );
  const { url, close } = await listenOnLoopback(api, 0);
  onTestFinished(close);
  const at = folder();
  writeFileSync(join(at, 'b.json'), 'the last one');
  const args = ['--url', url, '--token-command', 'echo x.y.z', 'backup', '--out', 'b.json'];
  const limited = ['-c', 'ulimit -f 2; exec "$@"', 'sh', process.execPath, MAIN, ...args];
  const child = spawn('sh', limited, { cwd: at, stdio: ['ignore', 'pipe', 'pipe'] });
  const errors = text(child.stderr);
  const [code] = await once(child, 'close');
  expect([code, await errors]).toEqual([
    1,
    expect.stringMatching(/^b\.json cannot be written: EFBIG.*\n$/),
  ]);
  expect(readdirSync(at)).toEqual(['b.json']);
  expect(readFileSync(join(at, 'b.json'), 'utf8')).toBe('the last one');
});

test('a backup is written, and a token command found, where the person stands', async () => {
  const api = createServer((_, response) =>
    response.end(JSON.stringify({ format: 1, configuration: {}, records: [], invalid: [] })),
  );
  const { url, close } = await listenOnLoopback(api, 0);
  onTestFinished(close);
  const at = folder();
  writeFileSync(join(at, 'token'), '#!/bin/sh\necho x.y.z\n');
  chmodSync(join(at, 'token'), 0o700);
  const args = ['--url', url, '--token-command', './token', 'backup', '--out', 'before.json'];
  const { code, said } = await fromFolder(at, args);
  expect([code, said]).toEqual([
    0,
    '0 records and the configuration are in before.json; no key is.\n',
  ]);
  expect(readdirSync(at)).toEqual(['before.json', 'token']);
});
