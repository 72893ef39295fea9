import { join } from 'node:path';
import { functionNames } from './build/bundle.ts';
import { buildDeployable, type Deployable } from './build/deployable.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'dist');

const kB = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;

function summary({ name, bundle, zipBytes }: Deployable): string {
  const largest = bundle.packages
    .slice(0, 6)
    .map((share) => `${share.name} ${kB(share.bytes)}`)
    .join(', ');
  return `dist/${name}.zip ${kB(zipBytes)}, unpacked ${kB(bundle.code.length)}: ${largest}`;
}

for (const name of functionNames) console.log(summary(await buildDeployable(root, name, out)));
