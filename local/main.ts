import { fileURLToPath } from 'node:url';
import { messageOf } from '../shared/errors.ts';
import { createLog, type LogEntry } from '../shared/log.ts';
import type { Log } from '../shared/ports.ts';
import { systemClock } from './clock.ts';
import { ConfigurationFaults, checkClusters, readDocument } from './document.ts';
import { frontText, startFronts } from './fronts.ts';
import { createJournal } from './journal.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import { applyManifests, loadManifests } from './kubernetes/manifests.ts';
import { parseOptions, type StartOptions } from './options.ts';
import { brokenOff, type Report, reported } from './report.ts';
import { settled } from './settling.ts';
import type { ExampleRecord } from './setup.ts';
import { type System, startSystem } from './system.ts';
import { plain, progressLine, reportText } from './table.ts';

const EXAMPLE = fileURLToPath(new URL('examples/mybinder/', import.meta.url));

// npm goes to the repository first, and has where the person stands here: relative paths are theirs (as in cli/main.ts).
if (process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

// The clients of Google take a proxy from the environment, and the embedded parts are on this machine.
const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];
process.env.NO_PROXY = [process.env.NO_PROXY ?? process.env.no_proxy, ...LOOPBACK]
  .filter(Boolean)
  .join();
delete process.env.no_proxy;

async function main(options: StartOptions): Promise<number> {
  const keeper = createKeeper(options.state);
  try {
    return await run(options, keeper);
  } catch (error) {
    if (options.json && !wrongUse(error)) print(brokenOff(error));
    throw error;
  } finally {
    await keeper.close();
  }
}

async function run(options: StartOptions, keeper: Keeper): Promise<number> {
  const say = (text: string) => (options.json ? process.stderr : process.stdout).write(`${text}\n`);
  const journal = createJournal((entry) => shown(entry, options));
  const log = createLog(journal.write);
  const acme = { signedRequests: 0, requests: 0 };
  const onAcmeRequest = ({ signed }: Readonly<{ signed: boolean }>) => {
    acme.requests += 1;
    if (signed) acme.signedRequests += 1;
  };
  const system = await startSystem({
    ...startingPoint(options),
    keeper,
    clock: systemClock,
    surroundings: { log, onAcmeRequest },
  });
  if (options.state !== undefined)
    say(plain(`State, private keys included, is kept in ${options.state}: for development only.`));
  const fronts = await startFronts(system.clusters, options.front, keeper, log);
  if (!options.json) for (const [name, front] of fronts) say(plain(frontText(name, front)));
  const loaded = await loadAll({ system, log }, options);
  await system.tick();
  await settled(system.services);
  await Promise.allSettled([...fronts.values()].map((front) => front.settled(10_000)));
  const report = await reported({
    system,
    journal,
    fronted: new Set(fronts.keys()),
    loaded,
    acme,
  });
  if (options.json) print(report);
  // Absent where it is no terminal, and 0 where that does not say.
  else say(reportText(report, process.stdout.columns || undefined));
  if (options.once) return report.ok ? 0 : 1;
  say(
    `\nAPI and status page: ${system.door.url}\nLog in once with:    ${system.door.loginUrl}\nThe next tick is at 17 minutes past the hour; Ctrl-C ends.`,
  );
  await interrupted();
  return 0;
}

// Whoever scripts against the document finds every key in it, known or not.
const nullForAbsent = (_: string, value: unknown) => (value === undefined ? null : value);

const print = (report: Report) =>
  process.stdout.write(`${JSON.stringify(report, nullForAbsent, 2)}\n`);

function shown(entry: LogEntry, { json }: StartOptions): void {
  if (json) process.stderr.write(`${plain(JSON.stringify(entry))}\n`);
  else if (entry.severity !== 'DEBUG') process.stdout.write(`${progressLine(entry)}\n`);
}

/** What the options name; without a configuration the example's. */
function startingPoint(options: StartOptions) {
  const { config, acmeDirectory, acmeCa, cluster, manifests, dnsPort, port, record, zone } =
    options;
  const document = readDocument(config ?? `${EXAMPLE}certherd.yaml`);
  const namesOf = (pairs: readonly (readonly [string, unknown])[]) => pairs.map(([name]) => name);
  checkClusters(document, { '--cluster': namesOf(cluster), '--manifests': namesOf(manifests) });
  const example =
    config === undefined ? readDocument(`${EXAMPLE}zones.yaml`) : { zones: [], records: [] };
  return {
    document,
    zones: [...(example.zones as readonly string[]), ...zone],
    records: example.records as readonly ExampleRecord[],
    realClusters: new Map(cluster),
    acme: acmeDirectory === undefined ? undefined : { directory: acmeDirectory, caFile: acmeCa },
    dnsPort,
    port,
    record,
  };
}

type Running = Readonly<{ system: System; log: Log }>;
type Loaded = Readonly<Pick<Report, 'faults' | 'refused'>>;

/** Loads the manifests into the embedded clusters; what does not parse or is refused is said, and the rest is loaded. */
async function loadAll(
  running: Running,
  { config, manifests, cluster }: StartOptions,
): Promise<Loaded> {
  const real = new Set(cluster.map(([name]) => name));
  const given: StartOptions['manifests'] =
    config === undefined && manifests.length === 0
      ? ['prod', 'ovh']
          .filter((name) => !real.has(name))
          .map((name) => [name, `${EXAMPLE}manifests/${name}`])
      : manifests;
  const loaded = await Promise.all(given.map(([name, folder]) => loadInto(running, name, folder)));
  return {
    faults: loaded.flatMap(({ faults }) => faults),
    refused: loaded.flatMap(({ refused }) => refused),
  };
}

async function loadInto(
  { system, log }: Running,
  cluster: string,
  folder: string,
): Promise<Loaded> {
  const admin = system.clusters.find(({ name }) => name === cluster)?.admin;
  if (!admin) throw new Error(`cluster ${cluster} is not an embedded one`);
  const isTime = every(SILENCE_MS);
  const { objects, faults } = loadManifests(folder);
  const refused = await applyManifests(objects, admin, (count) => {
    if (!isTime()) return;
    log.info('manifests loading', {
      cluster,
      explanation: `${count} of ${objects.length} objects`,
    });
  });
  return {
    faults: faults.map(({ file, line, message }) => ({ resource: `${file}:${line}`, message })),
    refused: refused.faults.map((refusal) => ({ cluster, ...refusal, reason: 'manifest-refused' })),
  };
}

// Longer, and a person wonders whether it hangs.
const SILENCE_MS = 3_000;

/** True when so long has passed since it was last true, or since the start. */
function every(ms: number): () => boolean {
  let since = performance.now();
  return () => {
    if (performance.now() - since < ms) return false;
    since = performance.now();
    return true;
  };
}

const interrupted = () =>
  new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });

/** What was wrong with how it was started; undefined when that was right. */
function wrongUse(error: unknown): readonly string[] | undefined {
  if (error instanceof ConfigurationFaults) return error.faults;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (port === undefined) return undefined;
  if (code === 'EADDRINUSE')
    return [
      `port ${port} is taken; end what listens there, or give another one (0 takes a free one)`,
    ];
  return code === 'EACCES' ? [`port ${port} is not for you; give one above 1023`] : undefined;
}

// Who reads along may leave (`| head`): then nobody is left to be told anything. What is running ends with this process.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(1));

const parsed = parseOptions(process.argv.slice(2));
if ('text' in parsed) {
  (parsed.exitCode === 0 ? process.stdout : process.stderr).write(parsed.text);
  process.exit(parsed.exitCode);
}
try {
  process.exitCode = await main(parsed.options);
} catch (error) {
  const faults = wrongUse(error);
  const sentences = faults ?? [messageOf(error)];
  process.stderr.write(
    `${sentences.map((sentence) => `certherd: ${plain(sentence)}`).join('\n')}\n`,
  );
  process.exitCode = faults ? 2 : 1;
}
process.exit();
