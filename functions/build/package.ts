import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zipSync } from 'fflate';

/** The framework is what the platform starts; the bundle itself imports nothing that is not in it. */
const FRAMEWORK = '@google-cloud/functions-framework';

type Manifest = Readonly<{ version: string; dependencies: Readonly<Record<string, string>> }>;
type LockEntry = Readonly<{
  dependencies?: Readonly<Record<string, string>>;
  optionalDependencies?: Readonly<Record<string, string>>;
}>;
type Lock = Readonly<{ lockfileVersion: number; packages: Readonly<Record<string, LockEntry>> }>;

/**
 * The package.json and package-lock.json of a deployed function. With the lock, the platform's `npm ci` installs the very framework
 * that was tested; without a framework of ours it would bring its own.
 */
export async function packageFiles(
  root: string,
  name: string,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const manifest: Manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const lock: Lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const described = {
    name: `certherd-${name}`,
    version: manifest.version,
    private: true,
    type: 'module',
    main: 'index.js',
    engines: { node: '24' },
    // Google's buildpack runs it once everything is installed, with the Node that will run the function.
    scripts: { 'gcp-build': 'node compile-cache.js' },
    dependencies: { [FRAMEWORK]: manifest.dependencies[FRAMEWORK] },
  };
  return {
    'package.json': json(described),
    'package-lock.json': json({
      name: described.name,
      version: described.version,
      lockfileVersion: lock.lockfileVersion,
      requires: true,
      packages: { '': described, ...lockedSubtree(lock.packages, FRAMEWORK) },
    }),
  };
}

const json = (value: unknown): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);

/** The entries that one dependency of the root needs, where they are: nothing is resolved anew. */
export function lockedSubtree(packages: Lock['packages'], dependency: string): Lock['packages'] {
  const kept = new Set<string>();
  const queue = [pathOf(packages, '', dependency)];
  for (const path of queue) {
    if (!path || kept.has(path)) continue;
    kept.add(path);
    const { dependencies, optionalDependencies } = packages[path] as LockEntry;
    const names = Object.keys({ ...dependencies, ...optionalDependencies });
    queue.push(...names.map((name) => pathOf(packages, path, name)));
  }
  return Object.fromEntries([...kept].sort().map((path) => [path, packages[path] as LockEntry]));
}

/** Where Node would find a package from `path`: in its own node_modules, else in those of the folders above. */
function pathOf(packages: Lock['packages'], path: string, name: string): string | undefined {
  const candidate = `${path && `${path}/`}node_modules/${name}`;
  if (candidate in packages) return candidate;
  return path ? pathOf(packages, parentOf(path), name) : undefined;
}

const parentOf = (path: string): string =>
  path.slice(0, Math.max(0, path.lastIndexOf('node_modules/') - 1));

// The earliest date that a zip file can hold. Its fields are local time, so this is the same in every time zone.
const mtime = new Date(1980, 0, 1);

/** The same files give the same bytes, wherever and whenever: the deployment tool compares hashes. */
export const zipped = (files: Readonly<Record<string, Uint8Array>>): Uint8Array =>
  zipSync(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))), {
    level: 9,
    mtime,
    os: 3,
    attrs: 0o644 << 16,
  });
