import { execFile } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Folder, temporaryFolder } from './folder.ts';

const SOURCES = join(import.meta.dirname, '../../../terraform');

/** The filesystem mirror with the providers, beside kube-apiserver unless CERTHERD_PARTS says where else. Throws a sentence when it is absent. */
export function providerMirror(): string {
  const parts = process.env.CERTHERD_PARTS ?? join(process.env.KUBEBUILDER_ASSETS ?? '', '..');
  const mirror = join(parts, 'terraform');
  if (existsSync(join(mirror, 'registry.terraform.io/hashicorp/google'))) return mirror;
  throw new Error(`there is no provider below ${mirror}`);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** All that Terraform gets from its surroundings: providers from the mirror, and nothing from the network. `token` is a Google account's. */
export const offline = (folder: Folder, token = 'none'): Environment => ({
  PATH: process.env.PATH,
  HOME: folder.path,
  TF_CLI_CONFIG_FILE: folder.write(
    'terraformrc',
    `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(providerMirror())}\n  }\n}\n`,
  ),
  // The provider looks up whose token it has; a closed port answers at once, and a forgotten endpoint is named.
  HTTPS_PROXY: 'http://127.0.0.1:9',
  GOOGLE_OAUTH_ACCESS_TOKEN: token,
  CHECKPOINT_DISABLE: '1',
  TF_IN_AUTOMATION: '1',
  TF_INPUT: '0',
});

const run = promisify(execFile);

type Command = Readonly<{ cwd: string; env: Environment }>;
type Said = Readonly<{ stdout: string; stderr: string }>;

/** Runs a program to its end; what it printed. Throws all that it said when it fails. */
export async function ran(
  program: string,
  args: readonly string[],
  command: Command,
): Promise<Said> {
  try {
    return await run(program, [...args], { ...command, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & Partial<Said>;
    throw new Error(`${program} ${args.join(' ')}: ${stdout}${stderr || message}`);
  }
}

/** Copies the module to `to`, so that neither `.terraform` nor a state ever lies in the tree. */
export const copyModule = (to: string): void =>
  cpSync(SOURCES, to, { recursive: true, filter: (path) => !/\.terraform|tfstate/.test(path) });

/** A copy of the module beside four zips of no content. */
export type Workplace = Readonly<{
  /** The module's own folder; the examples lie below it. */
  module: string;
  /** `terraform ARGUMENTS` in a folder; what it printed. Throws all that it said when it fails. */
  terraform(folder: string, ...args: readonly string[]): Promise<string>;
  remove(): void;
}>;

export function workplace(): Workplace {
  const folder = temporaryFolder();
  const module = join(folder.path, 'terraform');
  copyModule(module);
  for (const name of ['reconcile', 'issue', 'sync', 'api'])
    folder.write(`dist/${name}.zip`, `no zip, but something to hash: ${name}`);
  const env = offline(folder);
  return {
    module,
    terraform: async (cwd, ...args) => (await ran('terraform', args, { cwd, env })).stdout,
    remove: folder.remove,
  };
}
