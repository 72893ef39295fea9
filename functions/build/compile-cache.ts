import type { FunctionName } from './bundle.ts';

const CACHE = "import.meta.dirname + '/compile-cache'";

/**
 * The files that start a bundle with its code compiled before. The cache is good for one Node, one kind of processor and one user id, so
 * the platform's own build makes it (`gcp-build`), and the zip holds text alone. Without a cache, or with one of another Node,
 * everything works and starts slower; a folder that cannot be written to does no harm either.
 */
export function startFiles(name: FunctionName): Readonly<Record<string, Uint8Array>> {
  const text = (lines: readonly string[]) => new TextEncoder().encode(`${lines.join('\n')}\n`);
  return {
    'index.js': text([
      `import { enableCompileCache } from 'node:module';`,
      `enableCompileCache({ directory: ${CACHE}, portable: true });`,
      `export const { ${name} } = await import('./bundle.js');`,
    ]),
    'compile-cache.js': text([
      `import { flushCompileCache } from 'node:module';`,
      '// A bundle has no configuration here and says so; it is compiled by then.',
      `await import('./index.js').catch(() => {});`,
      'flushCompileCache();',
    ]),
  };
}
