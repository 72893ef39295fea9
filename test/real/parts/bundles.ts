import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import type { FunctionName } from '../../../functions/build/bundle.ts';
import { buildDeployable } from '../../../functions/build/deployable.ts';

const run = promisify(execFile);

/** The folder of the sources. */
export const ROOT = join(import.meta.dirname, '../../..');
// What the platform starts once it has installed the package.json of the zip.
const FRAMEWORK = join(ROOT, 'node_modules/@google-cloud/functions-framework/build/src/main.js');

/**
 * Builds one function below `folder`, makes of its zip what the platform makes of it, in a folder of its own whose path is the answer,
 * and closes that for writing.
 */
export async function unpackedBundle(name: FunctionName, folder: string): Promise<string> {
  const out = join(folder, 'dist');
  const unpacked = join(folder, name);
  await buildDeployable(ROOT, name, out);
  mkdirSync(unpacked);
  for (const [file, content] of Object.entries(unzipSync(readFileSync(join(out, `${name}.zip`)))))
    writeFileSync(join(unpacked, file), content);
  await run(process.execPath, ['compile-cache.js'], { cwd: unpacked });
  closeForWriting(unpacked);
  chmodSync(folder, 0o755);
  return unpacked;
}

const NOBODY = 65_534;

function closeForWriting(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o555 : 0o444);
  chmodSync(folder, 0o555);
}

/** A function under the framework, in a process of its own. */
export type BundleProcess = Readonly<{
  url: string;
  exitCode: Promise<number | null>;
  /** All of stdout and of stderr, once the process has ended. */
  log: Promise<string>;
  errors: Promise<string>;
  close(): Promise<void>;
}>;

/** Starts an unpacked bundle as the platform does, with nothing else in its environment. The port is one that is free. */
export function startBundle(
  folder: string,
  { name, port, config }: Readonly<{ name: FunctionName; port: number; config: unknown }>,
): BundleProcess {
  const child = spawn(process.execPath, [FRAMEWORK], {
    cwd: folder,
    env: {
      FUNCTION_TARGET: name,
      PORT: String(port),
      CERTHERD_CONFIG: JSON.stringify(config),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // To root no folder is read-only.
    ...(process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  const exited = once(child, 'exit');
  return {
    url: `http://127.0.0.1:${port}`,
    exitCode: exited.then(([code]) => code),
    log: text(child.stdout),
    errors: text(child.stderr),
    async close() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const START_LIMIT_MS = 20_000;

/** Waits until it answers a health check. Throws what it said when it ends instead. */
export async function healthy({ url, exitCode, errors }: BundleProcess): Promise<void> {
  let ended = false;
  void exitCode.then(() => {
    ended = true;
  });
  for (const end = Date.now() + START_LIMIT_MS; Date.now() < end; await wait(10)) {
    if (ended) throw new Error(await errors);
    const status = await fetch(`${url}/health`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
  }
  throw new Error(`${url}/health is not answered`);
}
