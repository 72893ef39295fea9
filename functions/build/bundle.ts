import { basename } from 'node:path';
import { build, type Metafile, type OutputFile } from 'esbuild';
import { tasksClient, withoutUnused } from './plugins.ts';

/** The functions, each of which is deployed on its own. */
export const functionNames = ['reconcile', 'issue', 'sync', 'api'] as const;
export type FunctionName = (typeof functionNames)[number];

// What a function's rights give it no use for: finding one means that a wrong adapter was pulled in.
const foreign: Readonly<Record<FunctionName, readonly string[]>> = {
  reconcile: ['acme-client'],
  issue: ['@kubernetes/client-node'],
  sync: ['acme-client', '@google-cloud/dns', '@google-cloud/tasks'],
  api: ['acme-client', '@google-cloud/dns', '@kubernetes/client-node'],
};
const foreignToAll = ['@google-cloud/functions-framework', '@grpc/grpc-js', 'esbuild'];

/** The packages in the bundle that its function must not have. */
export const foreignPackages = (name: FunctionName, { packages }: Bundle): readonly string[] =>
  packages
    .map((share) => share.name)
    .filter((found) => foreign[name].includes(found) || foreignToAll.includes(found));

/** A bundle's source, the map from it to ours, the licences it has to carry, and the packages in it, the largest first. */
export type Bundle = Readonly<{
  code: Uint8Array;
  map: Uint8Array;
  licenses: Uint8Array;
  packages: readonly PackageShare[];
}>;

/** How many bytes of a bundle come from one package; our own code goes by the name `certherd`. */
type PackageShare = Readonly<{ name: string; bytes: number }>;

/**
 * One ES module that holds a function and all it imports, and exports it under its name: that is how the framework finds its target
 * in a module that does not import the framework. `root` is the folder of the sources.
 */
export async function bundleFunction(root: string, name: FunctionName): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: entryOf(name), resolveDir: root, loader: 'ts' },
    absWorkingDir: root,
    outfile: 'bundle.js',
    // Beside the bundle, and not in it: to read it would cost every cold start.
    sourcemap: 'external',
    sourcesContent: false,
    // Beside it too: one letter in them that is not ASCII, and the whole source takes two bytes for each of its own.
    legalComments: 'external',
    write: false,
    metafile: true,
    bundle: true,
    minify: true,
    // protobuf's JSON knows a Long, a Buffer and others by the names of their classes.
    keepNames: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: banner },
    plugins: [tasksClient, withoutUnused],
    logLevel: 'warning',
  });
  return {
    code: output(outputFiles, 'bundle.js'),
    map: output(outputFiles, 'bundle.js.map'),
    licenses: output(outputFiles, 'bundle.js.LEGAL.txt'),
    packages: packageShares(metafile),
  };
}

const entryOf = (name: FunctionName): string => `
  import './functions/no-domains.ts';
  import { configFromEnvironment } from './shared/config.ts';
  import { ${name}Dependencies } from './functions/dependencies.ts';
  import { ${name}Function } from './functions/${name}.ts';
  import { leaveBodiesRaw } from './functions/raw-bodies.ts';
  leaveBodiesRaw();
  export const ${name} = ${name}Function(${name}Dependencies(configFromEnvironment()));
`;

// CommonJS parts ask for these three. Outside production, express answers with stacks.
const banner = [
  `import{createRequire as __createRequire}from'node:module';`,
  `const require=__createRequire(import.meta.url),__filename=import.meta.filename,__dirname=import.meta.dirname;`,
  `process.env.NODE_ENV??='production';`,
].join('');

function output(files: readonly OutputFile[], name: string): Uint8Array {
  const file = files.find(({ path }) => basename(path) === name);
  if (!file) throw new Error(`there is no ${name} among ${files.length} files`);
  return file.contents;
}

function packageShares({ outputs }: Metafile): readonly PackageShare[] {
  const bytes = new Map<string, number>();
  for (const { inputs } of Object.values(outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name = packageOf(path);
      if (bytesInOutput > 0) bytes.set(name, (bytes.get(name) ?? 0) + bytesInOutput);
    }
  return [...bytes]
    .map(([name, size]) => ({ name, bytes: size }))
    .sort((a, b) => b.bytes - a.bytes);
}

/** The innermost package that a file belongs to: `node_modules/a/node_modules/@b/c/index.js` is `@b/c`. */
function packageOf(path: string): string {
  const inside = path.split('node_modules/').at(-1);
  if (!inside || inside === path) return 'certherd';
  return inside
    .split('/')
    .slice(0, inside.startsWith('@') ? 2 : 1)
    .join('/');
}
