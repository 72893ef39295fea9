import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Folder, temporaryFolder } from '../parts/folder.ts';

const ROOT = join(import.meta.dirname, '../../..');

type Ended = Readonly<{ code: number; output: string; seconds: number }>;

/** A root in a folder of its own, with a copy of the module beneath, so that neither state nor lock lies in the tree. */
export type Workspace = Readonly<{
  folder: Folder;
  /** Runs one command to its end, whatever that is. */
  run(...args: readonly string[]): Promise<Ended>;
}>;

/** The filesystem mirror with the providers. Throws a sentence when it is absent. */
export function providerMirror(): string {
  const parts = process.env.CERTHERD_PARTS ?? join(process.env.KUBEBUILDER_ASSETS ?? '', '..');
  const mirror = join(parts, 'terraform');
  if (existsSync(join(mirror, 'registry.terraform.io/hashicorp/google'))) return mirror;
  throw new Error(`there is no provider below ${mirror}`);
}

/** Makes the workspace and `terraform init`s it. `files` are laid into it by name, over what is there. */
export async function workspace(
  token: string,
  files: Readonly<Record<string, unknown>>,
): Promise<Workspace> {
  const folder = temporaryFolder();
  cpSync(join(ROOT, 'terraform'), join(folder.path, 'certherd'), {
    recursive: true,
    filter: (path) => !/\/(\.terraform|tests|examples|modules)/.test(path.slice(ROOT.length)),
  });
  folder.write('main.tf', readFileSync(join(import.meta.dirname, 'root/main.tf'), 'utf8'));
  for (const [name, content] of Object.entries(files)) folder.write(name, content);
  const configuration = folder.write(
    'terraformrc',
    `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(providerMirror())}\n  }\n}\n`,
  );
  const env = {
    PATH: process.env.PATH,
    HOME: folder.path,
    TF_CLI_CONFIG_FILE: configuration,
    TF_IN_AUTOMATION: '1',
    CHECKPOINT_DISABLE: '1',
    GOOGLE_OAUTH_ACCESS_TOKEN: token,
    // The provider looks up whose token it has; a closed port answers at once, and a forgotten endpoint is named.
    HTTPS_PROXY: 'http://127.0.0.1:9',
  };
  const run: Workspace['run'] = (...args) => ended(args, folder.path, env);
  const init = await run('init', '-input=false', '-no-color');
  if (init.code !== 0) throw new Error(`terraform init fails:\n${init.output}`);
  return { folder, run };
}

async function ended(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Ended> {
  const from = performance.now();
  const options = { cwd, env, maxBuffer: 64 * 1024 * 1024 };
  const seconds = () => (performance.now() - from) / 1000;
  try {
    const { stdout, stderr } = await promisify(execFile)('terraform', [...args], options);
    return { code: 0, output: stdout + stderr, seconds: seconds() };
  } catch (error) {
    const { code, stdout, stderr } = error as Error & Ended & { stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, output: stdout + stderr, seconds: seconds() };
  }
}
