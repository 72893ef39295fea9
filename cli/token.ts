import { spawn } from 'node:child_process';
import { CliFault } from './fault.ts';
import { isLoopback, replyOf } from './reply.ts';

/** Where the api of `npm start` is, unless something else was said. */
export const DEFAULT_URL = 'http://127.0.0.1:8080';

/** What a token for the running `npm start` is made out to. */
const LOCAL_AUDIENCE = 'certherd-api';
const LOCAL_IDENTITY = '/computeMetadata/v1/instance/service-accounts/default/identity';

/** Where the api is, and how to get a token for it. */
export type Door = Readonly<{ url: string; tokenCommand: string | undefined }>;

/** The base URL without its last slash. Throws exit 2 for what is none, or would send a token over plain HTTP. */
export function parseUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new CliFault(2, `"${text}" is not an http:// or https:// URL`);
  if (url.protocol === 'http:' && !isLoopback(text))
    throw new CliFault(2, `a token must not travel over plain HTTP to ${url.host}; use https://`);
  return `${url.origin}${url.pathname}`.replace(/\/$/, '');
}

/** A bearer token: what the command prints, else that of the running `npm start`. No token is ever printed by us. */
export async function bearerToken({ url, tokenCommand }: Door): Promise<string> {
  if (tokenCommand) return commandToken(tokenCommand);
  if (isLoopback(url)) return localToken(url);
  throw new CliFault(
    2,
    `say how to get a token for ${url}: --token-command 'gcloud auth print-identity-token --impersonate-service-account=ACCOUNT --include-email --audiences=AUDIENCE'`,
  );
}

const commandToken = async (command: string) =>
  checked(await outputOfCommand(command), 'the token command');

const PATIENCE_MS = 10_000;
const LIMIT_MS = 120_000;

/** What a command that gives a token prints. Throws exit 1 when the command fails, or gives nothing until `limit`: two minutes, for it may ask a person. */
export async function outputOfCommand(
  command: string,
  limit: AbortSignal = AbortSignal.timeout(LIMIT_MS),
): Promise<string> {
  const patience = setTimeout(sayThatItRuns, PATIENCE_MS);
  try {
    const { end, text } = await outputOf(command, limit);
    if (end === 0) return text;
    throw new CliFault(
      1,
      `the token command ends with ${typeof end === 'number' ? `exit code ${end}` : end}`,
    );
  } finally {
    clearTimeout(patience);
  }
}

// Straight to the person, as the command itself does.
const sayThatItRuns = () => process.stderr.write('the token command is still running\n');

/** What it says on stderr, and asks for on stdin, goes to the person. `end` is its exit code or the signal that ended it. */
function outputOf(
  command: string,
  limit: AbortSignal,
): Promise<Readonly<{ end: number | string | null; text: string }>> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ['inherit', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const fail = (why: string, cause?: Error) =>
      reject(new CliFault(1, `the token command ${why}`, { cause }));
    child.once('error', (cause) => fail(`cannot be started: ${cause.message}`, cause));
    child.once('close', (code, by) =>
      resolve({ end: code ?? by, text: Buffer.concat(chunks).toString('utf8') }),
    );
    limit.addEventListener('abort', () => {
      child.kill();
      // What it has started itself may live on and hold on to its output, and must not hold us.
      child.stdout.destroy();
      child.unref();
      fail('gives nothing in time');
    });
  });
}

async function localToken(url: string): Promise<string> {
  const query = new URLSearchParams({ audience: LOCAL_AUDIENCE, format: 'full' });
  const { status, text } = await replyOf(url, `${LOCAL_IDENTITY}?${query}`, {
    headers: { 'metadata-flavor': 'Google' },
  });
  if (status === 200) return checked(text, url);
  throw new CliFault(
    1,
    `${url} gives out no identity, so it is no npm start; say how to get a token with --token-command`,
  );
}

// A JWT has three parts of base64url; anything else would only puzzle the reader of the server's answer.
function checked(text: string, source: string): string {
  const token = text.trim();
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return token;
  throw new CliFault(1, `${source} gives something that is no ID token`);
}
