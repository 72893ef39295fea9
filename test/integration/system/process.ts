import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../../local/report.ts';
import { ingress } from './running.ts';

const MAIN = fileURLToPath(new URL('../../../local/main.ts', import.meta.url));
export const NAMES = ['one', 'two', 'three'] as const;

/** A configuration with three certificates, and where it and the state lie. */
export type Place = Readonly<{ folder: string; state: string }>;

export function makePlace(folder: string): Place {
  const manifests = join(folder, 'manifests');
  mkdirSync(manifests, { recursive: true });
  for (const name of NAMES)
    writeFileSync(
      join(manifests, `${name}.yaml`),
      JSON.stringify(ingress(name, [`${name}.a.test`, `www.${name}.a.test`], name)),
    );
  const document = {
    project: 'p',
    issuers: { test: { directory: 'https://ca.test/directory' } },
    clusters: [{ name: 'one' }],
  };
  writeFileSync(join(folder, 'certherd.yaml'), JSON.stringify(document));
  return { folder, state: join(folder, 'state') };
}

/** How a process ended: `code` is null after a kill; `report` is there when it printed one. */
export type End = Readonly<{
  code: number | null;
  report: Report | undefined;
  log: string;
  /** From its first line of log to its end. */
  ms: number;
}>;

/** Runs `npm start -- --once --json` on the place; `killAfterMs` counts from its first decision. */
export async function runOnce({ folder, state }: Place, killAfterMs?: number): Promise<End> {
  const child = spawn(
    process.execPath,
    [
      ...[MAIN, '--once', '--json', '--front', 'none', '--port', '0', '--zone', 'a.test'],
      ...['--config', join(folder, 'certherd.yaml'), '--state', state],
      ...['--manifests', `one=${join(folder, 'manifests')}`],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  let log = '';
  let since = 0;
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    log += chunk;
    if (since > 0 || !log.includes('"severity"')) return;
    since = Date.now();
    if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const report = output === '' ? undefined : (JSON.parse(output) as Report);
  return { code, report, log, ms: Date.now() - since };
}

type CaState = Readonly<{
  orders: Readonly<Record<string, Readonly<{ names: readonly string[]; certificate?: string }>>>;
  certificates: object;
}>;
type DnsState = Readonly<{ zones: readonly Readonly<{ recordSets: object }>[] }>;
type SecretsState = Readonly<{
  secrets: Readonly<Record<string, Readonly<{ versions: readonly Readonly<{ data?: string }>[] }>>>;
}>;

/** What the embedded services remember of it all. */
export function leftIn({ state }: Place) {
  const read = <T>(name: string) =>
    JSON.parse(readFileSync(join(state, `${name}.json`), 'utf8')) as T;
  const { orders, certificates } = read<CaState>('acme-ca');
  const { secrets } = read<SecretsState>('secret-manager');
  const readable = (kind: string) =>
    Object.entries(secrets)
      .filter(([name]) => name.includes(kind))
      .map(([, { versions }]) => versions.filter(({ data }) => data !== undefined).length);
  return {
    orders: Object.values(orders).map(({ names }) => names[0] ?? ''),
    certificates: Object.keys(certificates).length,
    txt: read<DnsState>('cloud-dns').zones.flatMap(({ recordSets }) =>
      Object.keys(recordSets).filter((key) => key.endsWith(' TXT')),
    ),
    versions: readable('-cert-'),
    pendingKeys: readable('-pending-').reduce((sum, count) => sum + count, 0),
  };
}
