import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * @google-cloud/tasks reads its JSON files by path when it is loaded, which a bundle has not: they become imports. Its index also
 * loads two beta clients that nothing here uses.
 */
export const tasksClient: Plugin = {
  name: 'tasks-client',
  setup({ onLoad }) {
    onLoad({ filter: /@google-cloud\/tasks\/build\/esm\/src\/index\.js$/ }, ({ path }) => ({
      contents: `export * from './v2/index.js';`,
      resolveDir: dirname(path),
    }));
    onLoad({ filter: /@google-cloud\/tasks\/.*_client\.js$/ }, async ({ path }) => ({
      contents: withImportedJson(await readFile(path, 'utf8')),
      resolveDir: dirname(path),
    }));
  },
};

function withImportedJson(source: string): string {
  const imports: string[] = [];
  const code = source
    .replace(/^const dirname = .*$/m, '')
    .replace(/getJSON\(path\.join\(dirname, ([^)]*)\)\)/g, (_call, parts: string) => {
      const file = join(...[...parts.matchAll(/'([^']*)'/g)].map(([, part = '']) => part));
      imports.push(`import json${imports.length} from './${file}';`);
      return `json${imports.length - 1}`;
    });
  return [...imports, code].join('\n');
}

const parts: readonly Readonly<{ filter: RegExp; contents: string }>[] = [
  {
    filter: /\/google-gax\/build\/src\/index\.js$/,
    contents: `
      exports.fallback = require('./fallback');
      exports.loggingUtils = require('google-logging-utils');
      exports.decodeAnyProtosInArray = require('./util').decodeAnyProtosInArray;
    `,
  },
  {
    filter: /\/google-gax\/build\/protos\/(iam_service|locations|operations)\.js$/,
    contents: 'module.exports = {};',
  },
  {
    filter: /\/client-node\/dist\/gen\/index\.js$/,
    contents: `
      export { createConfiguration } from './configuration.js';
      export { ServerConfiguration } from './servers.js';
    `,
  },
  {
    filter: /\/client-node\/dist\/gen\/http\/isomorphic-fetch\.js$/,
    contents: 'export class IsomorphicFetchHttpLibrary {}',
  },
  {
    filter: /\/undici\/index\.js$/,
    contents: `
      exports.Agent = require('./lib/dispatcher/agent');
      exports.ProxyAgent = require('./lib/dispatcher/proxy-agent');
      Object.assign(require('./lib/dispatcher/dispatcher').prototype, require('./lib/api'));
    `,
  },
  {
    filter: /\/zod\/v4\/locales\/index\.js$/,
    contents: `export { default as en } from './en.js';`,
  },
];

/**
 * Modules whose whole is loaded for a part give the bundle that part alone, because to parse a megabyte takes 25 ms of every cold start:
 * of google-gax what the generated clients take from it when they speak REST, of the Kubernetes client what authenticates a call, of
 * undici what sends one, and of zod the one language it answers in.
 */
export const withoutUnused: Plugin = {
  name: 'without-unused',
  setup({ onLoad }) {
    for (const { filter, contents } of parts)
      onLoad({ filter }, ({ path }) => ({ contents, resolveDir: dirname(path) }));
  },
};
