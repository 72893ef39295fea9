import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Folder, temporaryFolder } from '../parts/folder.ts';
import { copyModule, offline, ran } from '../parts/terraform.ts';

/** The root that applies the module to a cloud of stand-ins; it looks for the module beside it, in `certherd`. */
export const ROOT_MODULE = readFileSync(join(import.meta.dirname, 'root/main.tf'), 'utf8');

/** A root in a folder of its own, with a copy of the module beneath, so that neither state nor lock lies in the tree. */
export type Workspace = Readonly<{
  folder: Folder;
  /** Runs one command to its end. Throws all that it said when it fails. */
  run(...args: readonly string[]): Promise<void>;
}>;

/** Makes the workspace and `terraform init`s it. `files` are laid into it by name, over what is there. */
export async function workspace(
  token: string,
  files: Readonly<Record<string, unknown>>,
): Promise<Workspace> {
  const folder = temporaryFolder();
  copyModule(join(folder.path, 'certherd'));
  folder.write('main.tf', ROOT_MODULE);
  for (const [name, content] of Object.entries(files)) folder.write(name, content);
  const command = { cwd: folder.path, env: offline(folder, token) };
  const run: Workspace['run'] = async (...args) =>
    void (await ran('terraform', [...args, '-no-color'], command));
  await run('init');
  return { folder, run };
}
