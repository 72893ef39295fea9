import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { isWildcard, parentOf, parseName } from '../shared/domain/names.ts';
import type { KubeconfigFiles } from './clusters.ts';
import { makeFolder } from './state.ts';

/** What `npm start` was asked to do. A pair begins with the cluster's name. */
export type StartOptions = Readonly<{
  once: boolean;
  json: boolean;
  config: string | undefined;
  manifests: readonly Pair<string>[];
  cluster: readonly Pair<KubeconfigFiles>[];
  zone: readonly string[];
  acmeDirectory: string | undefined;
  acmeCa: string | undefined;
  dnsPort: number;
  port: number;
  state: string | undefined;
  front: 'auto' | 'nginx' | 'node' | 'none' | undefined;
  record: string | undefined;
}>;

type Pair<T> = readonly [string, T];

/** What to run, or what is to be said in place of a run: help on stdout, or one sentence about wrong use on stderr. */
export type ParsedOptions = Readonly<{ options: StartOptions } | { exitCode: 0 | 2; text: string }>;

/** Parses the command line. */
export function parseOptions(argv: readonly string[]): ParsedOptions {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  const command = program().configureOutput({ writeOut: write, writeErr: write });
  try {
    command.parse([...argv], { from: 'user' });
    const options = command.opts<StartOptions>();
    const fault = combinationFault(options);
    if (fault) command.error(`error: ${fault}`);
    return { options };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { exitCode: error.exitCode === 0 ? 0 : 2, text };
  }
}

const OPTIONS: readonly Option[] = [
  flag(
    '--once',
    'stop when the first run has settled; exit 0 only if everything asked for is served',
  ),
  flag('--json', 'one JSON document on stdout at the end (with --once), every log line on stderr'),
  new Option('--config <file>', "the configuration document; without it the example's").argParser(
    readable,
  ),
  repeated(
    '--manifests <cluster=dir>',
    'YAML manifests for the embedded API server of that cluster',
    pairOf(folder),
  ),
  repeated(
    '--cluster <cluster=reader[,writer]>',
    'a real API server in place of the embedded one, by one kubeconfig or by those of two users',
    pairOf(kubeconfigs),
  ),
  repeated('--zone <name>', 'a public zone in the embedded Cloud DNS', zoneName),
  new Option('--acme-directory <url>', 'that ACME server for every issuer').argParser(httpsUrl),
  new Option('--acme-ca <file>', "PEM of the root of that server's own TLS certificate").argParser(
    certificateFile,
  ),
  new Option('--dns-port <n>', 'where the embedded DNS answers, UDP and TCP (0: a free port)')
    .argParser(port)
    .default(0),
  new Option('--port <n>', 'API and status page (0: a free port)').argParser(port).default(8080),
  new Option(
    '--state <dir>',
    "keep the embedded services' state there, keys included; for development only",
  ).argParser(folderToBe),
  new Option(
    '--front <kind>',
    'who serves the Secrets (default: auto; none for --cluster)',
  ).choices(['auto', 'nginx', 'node', 'none']),
  new Option(
    '--record <file>',
    'every call to the embedded Google APIs, one JSON line each, without secrets',
  ).argParser(writable),
];

function program(): Command {
  const command = new Command('npm start --')
    .description(
      'The whole system on this machine, on embedded parts: from Ingresses to certificates that a front serves.',
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 fine; 1 something is not, with --once an asked-for certificate that is not served too;\n2 wrong use, such as a port that is taken.',
    )
    .allowExcessArguments(false)
    .exitOverride();
  for (const option of OPTIONS) command.addOption(option);
  return command;
}

function flag(name: string, description: string): Option {
  return new Option(name, description).default(false);
}

function combinationFault({
  json,
  once,
  config,
  zone,
  acmeCa,
  acmeDirectory,
  cluster,
  manifests,
}: StartOptions): string | undefined {
  if (json && !once) return '--json needs --once: a document is printed at the end of a run';
  if (config !== undefined && zone.length === 0)
    return '--config needs --zone: name each zone that the embedded Cloud DNS is to hold';
  if (acmeCa !== undefined && acmeDirectory === undefined)
    return '--acme-ca needs --acme-directory';
  const both = manifests.find(([name]) => cluster.some(([other]) => other === name));
  return (
    both &&
    `--manifests ${both[0]}=… and --cluster ${both[0]}=… exclude each other: apply the manifests to the real cluster with kubectl`
  );
}

function repeated<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, `${description}; repeatable`)
    .default([], 'none')
    .argParser((text: string, previous: readonly T[]) => [...previous, parse(text)]);
}

function pairOf<T>(checked: (value: string) => T): (text: string) => Pair<T> {
  return (text) => {
    const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || value === undefined)
      throw new InvalidArgumentError('Write NAME=PATH.');
    return [name, checked(value)];
  };
}

function kubeconfigs(paths: string): KubeconfigFiles {
  const [reader, writer = reader, ...others] = paths.split(',').map(readable);
  if (reader === undefined || writer === undefined || others.length > 0)
    throw new InvalidArgumentError('Write NAME=READER or NAME=READER,WRITER.');
  return { reader, writer };
}

function zoneName(text: string): string {
  const parsed = parseName(text);
  if ('problem' in parsed) throw new InvalidArgumentError(`It ${parsed.problem}.`);
  if (isWildcard(parsed.name))
    throw new InvalidArgumentError(`It is a wildcard; name the zone, ${parentOf(parsed.name)}.`);
  return parsed.name;
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError('Give a port from 0 to 65535.');
  return Number(text);
}

function httpsUrl(text: string): string {
  if (URL.parse(text)?.protocol !== 'https:')
    throw new InvalidArgumentError('Give an https:// URL.');
  return text;
}

function readable(path: string): string {
  return looked(path, readFileSync);
}

function certificateFile(path: string): string {
  if (readFileSync(readable(path), 'utf8').includes('-----BEGIN CERTIFICATE-----')) return path;
  throw new InvalidArgumentError(`${path} holds no certificate in PEM text.`);
}

function folder(path: string): string {
  return looked(path, readdirSync);
}

function folderToBe(path: string): string {
  return looked(path, makeFolder);
}

function writable(path: string): string {
  return looked(path, (file) => appendFileSync(file, '', { mode: 0o600 }));
}

function looked(path: string, look: (path: string) => unknown): string {
  try {
    look(path);
    return path;
  } catch (error) {
    throw new InvalidArgumentError(
      `${path} cannot be used (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
}
