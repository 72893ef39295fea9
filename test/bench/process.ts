import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type Command = Readonly<{
  command: string;
  args: readonly string[];
  /** Added to this process's own environment. */
  env?: Readonly<Record<string, string>>;
  limitMs: number;
}>;

/** Runs a command to its end and returns the seconds it took. Throws its last words when it fails or takes too long. */
export async function secondsOf(of: Command): Promise<number> {
  const start = performance.now();
  const running = started(of);
  const timer = setTimeout(() => running.child.kill('SIGKILL'), of.limitMs);
  const code = await running.ended;
  const taken = (performance.now() - start) / 1000;
  clearTimeout(timer);
  if (code === 0) return taken;
  throw new Error(
    `${of.command} ${of.args.join(' ')} ended with ${code ?? 'a signal'} after ${taken.toFixed(1)} s:\n${running.said()}`,
  );
}

export type Running = Readonly<{
  child: ChildProcess;
  /** The exit code; null after a signal. */
  ended: Promise<number | null>;
  /** The end of what it printed. */
  said(): string;
  stop(): Promise<void>;
}>;

/** Starts a command in the root of the sources. */
export function started({ command, args, env = {} }: Omit<Command, 'limitMs'>): Running {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let words = '';
  const keep = (chunk: Buffer) => {
    words = `${words}${chunk}`.slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => {});
  return {
    child,
    ended,
    said: () => words,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

/** MiB that a running process holds, and the most that it ever held, unrounded. Linux counts both: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html */
export function memoryOf(pid: number | undefined): Readonly<{ resident: number; peak: number }> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { resident: mebibytes('VmRSS'), peak: mebibytes('VmHWM') };
}
