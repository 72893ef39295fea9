import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { createClient } from './client.ts';
import type { Outcome, Session } from './command.ts';
import { backup } from './commands/backup.ts';
import { doctor } from './commands/doctor.ts';
import { issue } from './commands/issue.ts';
import { plan } from './commands/plan.ts';
import { renew } from './commands/renew.ts';
import { run } from './commands/run.ts';
import { status } from './commands/status.ts';
import { type KnownFiles, known } from './doctor/known.ts';
import { CliFault } from './fault.ts';
import { painted, type Screen } from './screen.ts';
import { DEFAULT_URL, parseUrl } from './token.ts';

type GlobalOptions = Readonly<{ url: string; tokenCommand?: string; json?: boolean }>;
type DoctorOptions = KnownFiles & Readonly<{ accessTokenCommand: string }>;
type Start = (command: (session: Session) => Promise<Outcome>) => Promise<void>;

/** Runs one command line and answers its exit code: 0 fine, 1 something is not, 2 wrong use. */
export async function main(args: readonly string[], screen: Screen): Promise<number> {
  let exitCode = 0;
  const program = globalOptions(screen);
  const start: Start = async (command) => {
    const options = program.opts<GlobalOptions>();
    const outcome = await command(sessionOf(options));
    if (options.json) screen.out(jsonText(outcome.document));
    else outcome.show(screen);
    exitCode = outcome.exitCode;
  };
  addCommands(program, start);
  addKeepers(program, start);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has written its own sentence.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const document = documentOfFault(error);
    if (program.opts<GlobalOptions>().json && document) screen.out(jsonText(document));
    if (!(error instanceof CliFault)) throw error;
    screen.err(painted(error.sentence, 'plain', screen));
    return error.exitCode;
  }
}

const jsonText = (document: unknown) => JSON.stringify(document, undefined, 2);

/** What `--json` prints in place of what could not be done; undefined for wrong use that the api never heard of. */
function documentOfFault(error: unknown): unknown {
  if (!(error instanceof CliFault))
    return { error: 'certherd itself is at fault; stderr has more' };
  const { document, exitCode, sentence } = error;
  return document ?? (exitCode === 1 ? { error: sentence } : undefined);
}

const line = (write: (text: string) => void) => (text: string) => write(text.trimEnd());

const EXIT_CODES = `
Exit codes: 0 fine; 1 something is not as it should be, or could not be done; 2 wrong use,
on the command line or in the eyes of the api (an invalid name, an unknown issuer).

With --json stdout holds exactly one document whenever the code is 0 or 1: what was found, the
api's problem document (RFC 9457), or {"error": SENTENCE} where the api gave none. With 2 it holds
the api's problem document, or nothing. Sentences about faults are on stderr as well.`;

const globalOptions = (screen: Screen) =>
  new Command('certherd')
    .description('Asks a running Certherd for certificates, and what it is about.')
    .option('--url <URL>', 'where the api is', DEFAULT_URL)
    .option('--token-command <COMMAND>', 'prints an ID token; default: the running npm start')
    .option('--json', 'print one JSON document and nothing else')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({ writeOut: line(screen.out), writeErr: line(screen.err) });

function addCommands(program: Command, start: Start): void {
  program
    .command('issue')
    .description('a certificate now; without a target it is only stored')
    .argument('<names...>', 'DNS names, wildcards as *.example.org')
    .option('--issuer <ISSUER>', 'an issuer of the configuration; default: its default')
    .option('--target <CLUSTER/NAMESPACE/SECRET>', 'a Secret that gets it; repeatable', target)
    .option('--wait', 'wait up to two minutes until it is there and delivered')
    .action((names: string[], { issuer, target: targets = [], wait = false }) =>
      start((session) => issue({ names, issuer, targets, wait }, session)),
    );
  program
    .command('renew')
    .description('replaces the version of a certificate now')
    .argument('<id>', 'as "status" and the page show it')
    .option('--wait', 'wait up to two minutes until it is there and delivered')
    .action((id: string, { wait = false }) => start((session) => renew({ id, wait }, session)));
  program
    .command('status')
    .description('what is; --json adds every certificate as "inventory"')
    .action(() => start(status));
  program
    .command('plan')
    .description('what a run would do')
    .action(() => start(plan));
  program
    .command('run')
    .description('do it now')
    .action(() => start(run));
}

/** What looks after the deployment itself. */
function addKeepers(program: Command, start: Start): void {
  program
    .command('doctor')
    .description(
      'looks at a deployment: each line is ok, or says what repairs it: a command, or "do:" and a sentence',
    )
    .option('--config <FILE>', 'the configuration as it should be, to compare')
    .option('--terraform-output <FILE>', 'what "terraform output -json" printed; has the URL too')
    .option(
      '--access-token-command <COMMAND>',
      'prints an access token of yours, for the location policy',
      'gcloud auth print-access-token',
    )
    .action(async (options: DoctorOptions) => {
      const { url, ...wanted } = known(options);
      const { accessTokenCommand, terraformOutput } = options;
      const isGiven = program.getOptionValueSource('url') !== 'default';
      if (url && !isGiven) program.setOptionValue('url', url);
      else if (terraformOutput && !isGiven)
        throw new CliFault(
          2,
          `${terraformOutput} has no output api_url; hand it on, or give --url`,
        );
      const policy = { url: 'https://orgpolicy.googleapis.com', accessTokenCommand };
      const { url: given, tokenCommand } = program.opts<GlobalOptions>();
      const at = { url: parseUrl(given), tokenCommand };
      await start((session) => doctor({ ...at, wanted: wanted.config && wanted, policy }, session));
    });
  program
    .command('backup')
    .description('records and configuration as one JSON document, without any key')
    .option('--out <FILE>', 'where to write it; default: stdout')
    .action(({ out }: Readonly<{ out?: string }>) => start((session) => backup({ out }, session)));
}

function target(text: string, others: readonly string[] = []): readonly string[] {
  if (/^[^/\s]+\/[^/\s]+\/[^/\s]+$/.test(text)) return [...others, text];
  throw new InvalidArgumentError('Give CLUSTER/NAMESPACE/SECRET.');
}

function sessionOf({ url, tokenCommand }: GlobalOptions): Session {
  return {
    client: createClient({ url: parseUrl(url), tokenCommand }),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    now: () => new Date(),
  };
}
