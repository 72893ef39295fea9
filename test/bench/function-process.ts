import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { unzipSync } from 'fflate';
import type { FunctionName } from '../../functions/build/bundle.ts';
import { buildDeployable } from '../../functions/build/deployable.ts';
import { ROOT, type Running, secondsOf, started } from './process.ts';

/** Builds one function as it is deployed, and returns its folder. */
export async function builtFunction(name: FunctionName, folder: string): Promise<string> {
  await buildDeployable(ROOT, name, folder);
  return join(folder, name);
}

/** Builds one function and makes of its zip what the platform makes of it, in a folder that is returned. */
export async function unpackedFunction(name: FunctionName, folder: string): Promise<string> {
  const unpacked = join(folder, name);
  const out = join(folder, 'dist');
  await buildDeployable(ROOT, name, out);
  mkdirSync(unpacked, { recursive: true });
  for (const [file, content] of Object.entries(unzipSync(readFileSync(join(out, `${name}.zip`)))))
    writeFileSync(join(unpacked, file), content);
  const args = [join(unpacked, 'compile-cache.js')];
  await secondsOf({ command: process.execPath, args, limitMs: PATIENCE_MS });
  return unpacked;
}

export type FunctionProcess = Readonly<{ url: string; running: Running }>;

export type FunctionOptions = Readonly<{
  name: FunctionName;
  /** Its built folder. */
  source: string;
  /** The configuration document as JSON. */
  config: string;
  /** Put before the command, as in `taskset -c 0`. */
  prefix?: readonly string[];
}>;

/** What the module puts into the environment of one function alone. Throws when it no longer says that in a way that is understood here. */
export function deployedEnvironment(name: FunctionName): Readonly<Record<string, string>> {
  const read = (file: string) => readFileSync(join(ROOT, 'terraform', file), 'utf8');
  if (read('api.tf').includes('NODE_OPTIONS'))
    throw new Error('terraform/api.tf has NODE_OPTIONS, which is not looked at here');
  if (name === 'api') return {};
  const [, text] =
    new RegExp(`^ +${name} += \\{.* environment = \\{([^{}]*)\\} *\\}$`, 'm').exec(
      read('functions.tf'),
    ) ?? [];
  if (text === undefined) throw new Error(`terraform/functions.tf has no line of ${name}`);
  const entries = text.split(',').filter((entry) => entry.trim() !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const [, key, value] = /^ *(\w+) += "([^"]*)" *$/.exec(entry) ?? [];
      if (!key || value === undefined)
        throw new Error(`terraform/functions.tf: ${entry} of ${name} is not understood`);
      return [key, value];
    }),
  );
}

/** Starts a bundle under the functions framework, as the platform does. It listens some time later. */
export async function startFunction(options: FunctionOptions): Promise<FunctionProcess> {
  const { name, source, config, prefix = [] } = options;
  const port = await freePort();
  const framework = createRequire(join(ROOT, 'package.json')).resolve(
    '@google-cloud/functions-framework',
  );
  const [command = '', ...args] = [
    ...prefix,
    process.execPath,
    join(dirname(framework), 'main.js'),
    `--target=${name}`,
    `--source=${source}`,
    `--port=${port}`,
  ];
  const env = {
    CERTHERD_CONFIG: config,
    NODE_ENV: 'production',
    ...deployedEnvironment(name),
  };
  return { url: `http://127.0.0.1:${port}`, running: started({ command, args, env }) };
}

export type Asked = Readonly<{
  method: 'GET' | 'POST';
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
}>;

const PATIENCE_MS = 30_000;
const PAUSE_MS = 4;

/** Asks until somebody listens, and returns the first answer. Throws what the function printed unless it is 200. */
export async function firstAnswer(
  { url, running }: FunctionProcess,
  asked: Asked,
): Promise<string> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await answerOf(url, asked);
    if (answer?.status === 200) return answer.text;
    if (answer)
      throw new Error(`${asked.path} answers ${answer.status}: ${answer.text}\n${running.said()}`);
    if (running.child.exitCode !== null || performance.now() > until)
      throw new Error(`nobody answers ${asked.path}: ${running.said()}`);
    await wait(PAUSE_MS);
  }
}

type Answer = Readonly<{ status: number; text: string }>;

/** undefined when nobody listens. */
function answerOf(url: string, { method, path, headers, body }: Asked) {
  const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
  const sent = request(`${url}${path}`, {
    method,
    agent: false,
    headers: { 'content-type': 'application/json', ...headers },
  });
  sent.on('error', (error: NodeJS.ErrnoException) =>
    error.code === 'ECONNREFUSED' ? resolve(undefined) : reject(error),
  );
  sent.on('response', (response) => void answered(response).then(resolve, reject));
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

async function answered(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
