import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { expect, test } from 'vitest';
import { type FunctionName, foreignPackages } from '../../functions/build/bundle.ts';
import { startFiles } from '../../functions/build/compile-cache.ts';
import { lockedSubtree, packageFiles, zipped } from '../../functions/build/package.ts';

test.for<[string, FunctionName, readonly string[], readonly string[]]>([
  ['reconcile has no ACME client', 'reconcile', ['zod', 'acme-client'], ['acme-client']],
  ['reconcile may read clusters', 'reconcile', ['@kubernetes/client-node'], []],
  [
    'issue does not reach a cluster',
    'issue',
    ['@kubernetes/client-node'],
    ['@kubernetes/client-node'],
  ],
  ['sync writes no record set', 'sync', ['@google-cloud/dns'], ['@google-cloud/dns']],
  ['api asks for tasks', 'api', ['@google-cloud/tasks'], []],
  ['nothing speaks gRPC', 'api', ['@grpc/grpc-js'], ['@grpc/grpc-js']],
])('%s', ([, name, packages, foreign]) => {
  const empty = new Uint8Array();
  const shares = packages.map((found) => ({ name: found, bytes: 1 }));
  expect(
    foreignPackages(name, { code: empty, map: empty, licenses: empty, packages: shares }),
  ).toEqual(foreign);
});

test('a lock keeps what one dependency needs, where it stands', () => {
  const packages = {
    '': { dependencies: { framework: '1.0.0', other: '1.0.0' } },
    'node_modules/framework': { dependencies: { shared: '^2.0.0', deep: '^1.0.0' } },
    'node_modules/framework/node_modules/shared': { dependencies: { leaf: '^1.0.0' } },
    'node_modules/deep': { dependencies: { framework: '^1.0.0', shared: '^1.0.0' } },
    'node_modules/shared': {},
    'node_modules/leaf': { optionalDependencies: { absent: '^1.0.0' } },
    'node_modules/other': { dependencies: { alone: '^1.0.0' } },
    'node_modules/alone': {},
  };
  expect(Object.keys(lockedSubtree(packages, 'framework'))).toEqual([
    'node_modules/deep',
    'node_modules/framework',
    'node_modules/framework/node_modules/shared',
    'node_modules/leaf',
    'node_modules/shared',
  ]);
});

test('a zip has the same bytes in whatever order its files come', () => {
  const [a, b] = [Buffer.from('a'), Buffer.from('b')];
  const zip = zipped({ 'b.js': b, 'a.js': a });
  expect(zip).toEqual(zipped({ 'a.js': a, 'b.js': b }));
  expect(Object.keys(unzipSync(zip))).toEqual(['a.js', 'b.js']);
});

test('a zip holds no compiled code: the platform makes it with the Node that will run it', async () => {
  const files = startFiles('sync');
  expect(Object.keys(files)).toEqual(['index.js', 'compile-cache.js']);
  const { 'package.json': manifest } = await packageFiles(
    join(import.meta.dirname, '../..'),
    'sync',
  );
  expect(JSON.parse(new TextDecoder().decode(manifest)).scripts).toEqual({
    'gcp-build': 'node compile-cache.js',
  });
});
