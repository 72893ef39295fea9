import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import type { Report } from '../../../local/report.ts';

const ROOT = join(import.meta.dirname, '../../..');

export type Run = Readonly<{ code: number | null; stdout: string; stderr: string }>;

/** The document of `--once --json` as it comes out of the pipe: moments are texts, and what is undefined is left out. */
export type Printed = Omit<Report, 'certificates'> &
  Readonly<{
    certificates: readonly Readonly<
      Omit<Report['certificates'][number], 'notAfter'> & { notAfter?: string }
    >[];
  }>;

/** `npm start -- ARGS` to its end. */
export const start = (args: readonly string[]): Promise<Run> => ended(launch(args));

async function ended(child: ReturnType<typeof launch>): Promise<Run> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** `npm start -- --once --json ARGS`, its document parsed. Throws what it said when there is none. */
export async function runOnce(
  args: readonly string[],
): Promise<Readonly<{ code: number | null; document: Printed; log: string }>> {
  const { code, stdout, stderr } = await start(['--once', '--json', '--port', '0', ...args]);
  try {
    return { code, document: JSON.parse(stdout) as Printed, log: stderr };
  } catch {
    throw new Error(`no document, exit ${code}:\n${stdout.slice(0, 2000)}\n${stderr.slice(-2000)}`);
  }
}

/** `npm start -- ARGS` that stays up. */
export type Staying = Readonly<{
  /** Of the API and status page. */
  url: string;
  said(): string;
  /** Ctrl-C; the exit code. */
  interrupt(): Promise<number | null>;
}>;

const UP_WITHIN_MS = 60_000;

/** Resolves when the first run has settled. */
export async function startAndStay(args: readonly string[]): Promise<Staying> {
  const child = launch(['--port', '0', ...args]);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const said = () => Buffer.concat(chunks).toString();
  const interrupt = async () => {
    if (child.exitCode === null) child.kill('SIGINT');
    return (await closed)[0];
  };
  const until = Date.now() + UP_WITHIN_MS;
  for (;;) {
    const [, url] = /^API and status page: (\S+)$/m.exec(said()) ?? [];
    if (url) return { url, said, interrupt };
    if (child.exitCode !== null || Date.now() > until) {
      await interrupt();
      throw new Error(`npm start does not stay up:\n${said().slice(-3000)}`);
    }
    await wait(25);
  }
}

/** `npm run certherd -- ARGS` to its end. */
export const certherd = (args: readonly string[]): Promise<Run> =>
  ended(launch(args, 'cli/main.ts'));

// A person's shell has none of what the test runner puts into the environment.
const launch = (args: readonly string[], program = 'local/main.ts') =>
  spawn(process.execPath, [program, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR },
  });
