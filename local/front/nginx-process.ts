import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { FrontLog } from './front-server.ts';

/** A running nginx master; one that dies is started again on the configuration that lies there. */
export type NginxProcess = Readonly<{
  /** Sends SIGHUP and resolves when the former worker has stopped to accept; rejects when nginx objects, dies or takes longer. */
  reload(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}>;

/** `prefix` is nginx's own folder, below which all its files lie. */
export type Place = Readonly<{ binary: string; prefix: string; log: FrontLog }>;

const RESTART_MS = 500;
const KILL_MS = 3_000;

// `-e` counts before the configuration is read, where the built-in path may not be ours to write.
const argumentsFor = (prefix: string, config: string) => [
  ...['-e', 'stderr', '-p', `${prefix}/`, '-c', config],
];

/** Has nginx check a configuration (`nginx -t`); throws its objection. */
export async function testConfig({ binary, prefix }: Place, config: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  execFile(binary, ['-t', '-q', ...argumentsFor(prefix, config)], (error, _stdout, stderr) => {
    if (!error) return resolve();
    reject(new Error(objectionIn(stderr) ?? error.message));
  });
  await promise;
}

const objectionIn = (text: string) => /\[emerg\] (?:\d+#\d+: )?(.*)/.exec(text)?.[1];

/** Starts nginx in the foreground as our child; `prefix` holds `nginx.conf`. */
export function superviseNginx(place: Place): NginxProcess {
  const { log } = place;
  const said = new EventEmitter<{ line: [string]; exit: [] }>();
  let closing = false;
  let restart: NodeJS.Timeout | undefined;
  let child: ChildProcess;
  const start = () => {
    child = spawnNginx(place, (line) => said.emit('line', line));
    child.once('exit', (code, signal) => {
      endGroup(child, 'SIGKILL');
      said.emit('exit');
      if (closing) return;
      log({ message: 'nginx ended and is started again', code, signal });
      restart = setTimeout(start, RESTART_MS);
    });
  };
  start();
  return {
    async reload(timeoutMs) {
      const changed = farewell(said, timeoutMs);
      child.kill('SIGHUP');
      await changed;
    },
    async close() {
      closing = true;
      clearTimeout(restart);
      await ended(child);
    },
  };
}

/** In a process group of its own: a Ctrl-C is for us, and with the master gone its workers can still be ended. */
function spawnNginx({ binary, prefix, log }: Place, onLine: (line: string) => void): ChildProcess {
  const child = spawn(binary, [...argumentsFor(prefix, 'nginx.conf'), '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  createInterface(child.stderr).on('line', (line) => {
    onLine(line);
    if (!/\[(notice|info)\]/.test(line)) log({ message: 'nginx says', line });
  });
  child.once('error', (error) => log({ message: 'nginx says', line: error.message }));
  return child;
}

async function farewell(
  said: EventEmitter<{ line: [string]; exit: [] }>,
  timeoutMs: number,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onLine = (line: string) => {
    if (line.includes('gracefully shutting down')) resolve();
    const objection = objectionIn(line);
    if (objection) reject(new Error(objection));
  };
  const onExit = () => reject(new Error('nginx ended while it was told to reload'));
  const timer = setTimeout(
    () => reject(new Error(`nginx did not reload within ${timeoutMs} ms`)),
    timeoutMs,
  );
  said.on('line', onLine).once('exit', onExit);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    said.off('line', onLine).off('exit', onExit);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  const timer = setTimeout(() => endGroup(child, 'SIGKILL'), KILL_MS);
  endGroup(child, 'SIGTERM');
  await exited;
  clearTimeout(timer);
}

function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}

const GUARD =
  'cat >/dev/null; pid=$(cat "$1/nginx.pid") && kill -s TERM -- "-$pid"; rm -rf -- "$1"';

/**
 * Removes the folder, and ends the nginx that runs in it, at `close` or when this process ends, even
 * by SIGKILL: a shell waits for the end of a pipe that only we hold open.
 */
export function guardFolder(prefix: string): Readonly<{ close(): Promise<void> }> {
  const guard = spawn('sh', ['-c', GUARD, 'sh', prefix], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  const exited = once(guard, 'exit').catch(() => {});
  guard.stdin.once('error', () => {});
  return {
    async close() {
      guard.ref();
      guard.stdin.end();
      await exited;
      await rm(prefix, { recursive: true, force: true });
    },
  };
}
