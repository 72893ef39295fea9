import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Folder, temporaryFolder } from '../parts/folder.ts';

const SOURCES = join(import.meta.dirname, '../../../terraform');

/** A copy of the module, so that neither `.terraform` nor a state ever lies in the tree. */
export type Workplace = Readonly<{
  /** The module's own folder; the examples lie below it. */
  module: string;
  /** `terraform ARGUMENTS` there; what it printed. Throws all that it said when it fails. */
  terraform(folder: string, ...args: readonly string[]): Promise<string>;
  remove(): void;
}>;

/** Copies the module beside four zips of no content. Providers come from a mirror on disk, and nothing from the network. */
export function workplace(): Workplace {
  const folder = temporaryFolder();
  const module = join(folder.path, 'terraform');
  cpSync(SOURCES, module, { recursive: true, filter: (path) => !/\.terraform|tfstate/.test(path) });
  for (const name of ['reconcile', 'issue', 'sync', 'api'])
    folder.write(`dist/${name}.zip`, `no zip, but something to hash: ${name}`);
  const env = offline(folder);
  return {
    module,
    terraform: (cwd, ...args) => terraform(args, { cwd, env }),
    remove: folder.remove,
  };
}

/** The providers lie beside kube-apiserver, unless CERTHERD_PARTS says where else. */
const mirror = () =>
  join(process.env.CERTHERD_PARTS ?? join(process.env.KUBEBUILDER_ASSETS ?? '', '..'), 'terraform');

const offline = (folder: Folder) => ({
  PATH: process.env.PATH,
  HOME: folder.path,
  TF_CLI_CONFIG_FILE: folder.write(
    'terraform.rc',
    `provider_installation {\n  filesystem_mirror {\n    path = "${mirror()}"\n  }\n}\n`,
  ),
  // The provider asks for the token's owner when it is configured: at a closed port that fails at once, and no plan needs the answer.
  HTTPS_PROXY: 'http://127.0.0.1:9',
  GOOGLE_OAUTH_ACCESS_TOKEN: 'none',
  CHECKPOINT_DISABLE: '1',
  TF_IN_AUTOMATION: '1',
  TF_INPUT: '0',
});

const run = promisify(execFile);

type Surroundings = Readonly<{ cwd: string; env: Readonly<Record<string, string | undefined>> }>;

async function terraform(args: readonly string[], surroundings: Surroundings): Promise<string> {
  try {
    const options = { ...surroundings, maxBuffer: 32 * 1024 * 1024 };
    return (await run('terraform', [...args], options)).stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & Record<string, string>;
    throw new Error(`terraform ${args.join(' ')}: ${stdout}${stderr || message}`);
  }
}
