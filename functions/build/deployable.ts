import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bundle, bundleFunction, type FunctionName, foreignPackages } from './bundle.ts';
import { startFiles } from './compile-cache.ts';
import { packageFiles, zipped } from './package.ts';

/** What was built of one function. */
export type Deployable = Readonly<{ name: FunctionName; bundle: Bundle; zipBytes: number }>;

/** Writes `<name>/`, `<name>.zip` and `<name>.map` below `out`; the map is for reading stacks, and is not deployed. Throws, and writes nothing, when the bundle holds a package that its function must not have. */
export async function buildDeployable(
  root: string,
  name: FunctionName,
  out: string,
): Promise<Deployable> {
  const bundle = await bundleFunction(root, name);
  const foreign = foreignPackages(name, bundle);
  if (foreign.length > 0) throw new Error(`${name} must not hold ${foreign.join(', ')}`);
  const files = {
    'bundle.js': bundle.code,
    'LICENSES.txt': bundle.licenses,
    ...startFiles(name),
    ...(await packageFiles(root, name)),
  };
  const zip = zipped(files);
  await rm(join(out, name), { recursive: true, force: true });
  await mkdir(join(out, name), { recursive: true });
  for (const [file, content] of Object.entries(files))
    await writeFile(join(out, name, file), content);
  await writeFile(join(out, `${name}.zip`), zip);
  await writeFile(join(out, `${name}.map`), bundle.map);
  return { name, bundle, zipBytes: zip.length };
}
