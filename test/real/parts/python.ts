import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../../..');
const CLIENTS = 'google-api-python-client==2.202.0';
const FOLDER = join(ROOT, 'dist', `python-${CLIENTS.replace('==', '-')}`);
const PYTHON = join(FOLDER, 'bin', 'python');
const PROBE = 'import googleapiclient.discovery, httplib2, google.auth';

/**
 * A Python that has Google's own client library: the one that CERTHERD_PYTHON names, or one of a virtual environment below
 * `dist/`, which is made at the first call. Throws a sentence that says what is missing and how to get it.
 */
export async function googleClients(): Promise<string> {
  const own = process.env.CERTHERD_PYTHON;
  if (own) {
    await tried(own, ['-c', PROBE], `CERTHERD_PYTHON: give it ${CLIENTS} with pip install`);
    return own;
  }
  if (existsSync(PYTHON) && (await succeeds(PYTHON, ['-c', PROBE]))) return PYTHON;
  await tried('python3', ['--version'], 'apt-get install -y python3');
  await tried(
    'python3',
    ['-m', 'venv', '--clear', FOLDER],
    'apt-get install -y python3-venv, or set CERTHERD_PYTHON',
  );
  await tried(
    PYTHON,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', CLIENTS],
    `pip must reach PyPI once; or set CERTHERD_PYTHON to a python that has ${CLIENTS}`,
  );
  return PYTHON;
}

/** Runs a script below `test/` and returns what it says. Throws all of that when it fails. */
export async function runPython(
  script: string,
  args: readonly string[],
): Promise<Readonly<{ stdout: string; stderr: string }>> {
  return run(await googleClients(), [join(ROOT, 'test', script), ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
}

const succeeds = (command: string, args: readonly string[]) =>
  run(command, [...args]).then(
    () => true,
    () => false,
  );

async function tried(command: string, args: readonly string[], remedy: string): Promise<void> {
  try {
    await run(command, [...args]);
  } catch (cause) {
    const [problem = ''] = String((cause as Error).message)
      .split('\n')
      .slice(-2);
    throw new Error(`${command} ${args.join(' ')} fails (${problem}): ${remedy}`, { cause });
  }
}
