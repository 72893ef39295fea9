import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigurationFaults } from './document.ts';

/**
 * Where one stand-in keeps what a real service would have on its disks. A stand-in saves before it
 * answers a call that changed something: an answered call must survive a SIGKILL.
 */
export type Store<State> = Readonly<{
  /** What was saved last, or undefined at the first start. */
  load(): State | undefined;
  save(state: State): void;
}>;

/** Keeps nothing beyond the process. */
export const memoryStore = <State>(): Store<State> => ({ load: () => undefined, save: () => {} });

/** A folder of private JSON files (0700, 0600), one a stand-in, for one process at a time. */
export type StateFolder = Readonly<{ store<State>(name: string): Store<State>; release(): void }>;

/** Opens the folder, making it when it is absent. Throws ConfigurationFaults when it cannot be used, as when another living process has it. */
export function openStateFolder(folder: string): StateFolder {
  const lock = join(folder, 'lock');
  try {
    makeFolder(folder);
    chmodSync(folder, 0o700);
    takeLock(lock, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new ConfigurationFaults([`--state ${folder} cannot be used (${code})`]);
  }
  return {
    store: (name) => fileStore(join(folder, `${name}.json`)),
    release: () => rmSync(lock, { force: true }),
  };
}

/** Makes the folder, and what is missing above it, one by one: Node's own way of doing so never returns below /proc. */
export function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
}

function takeLock(lock: string, folder: string): void {
  const owner = readIfPresent(lock);
  if (owner !== undefined && isAlive(Number(owner))) throw inUse(folder, owner);
  rmSync(lock, { force: true });
  try {
    // Exclusive: of two processes that found the folder free, one gets it.
    writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw inUse(folder, readIfPresent(lock));
    throw error;
  }
}

const inUse = (folder: string, owner: string | undefined) =>
  new ConfigurationFaults([
    `${folder} is in use by process ${owner}; stop it first, or name another --state folder`,
  ]);

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

// A killed process stays in the table until its parent looks, which in a container may take long or forever.
const isZombie = (pid: number) => /\) Z /.test(readIfPresent(`/proc/${pid}/stat`) ?? '');

function fileStore<State>(path: string): Store<State> {
  return {
    load() {
      const text = readIfPresent(path);
      return text === undefined ? undefined : parsedState<State>(path, text);
    },
    // A rename is atomic: after a kill the file holds the old state or the new one, never half of one.
    save(state) {
      writePrivate(`${path}.new`, JSON.stringify(state));
      renameSync(`${path}.new`, path);
    },
  };
}

function parsedState<State>(path: string, text: string): State {
  try {
    return JSON.parse(text) as State;
  } catch {
    throw new ConfigurationFaults([
      `${path} is not as it was saved; put it back, or begin with an empty --state folder`,
    ]);
  }
}

function writePrivate(path: string, text: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
