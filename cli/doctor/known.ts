import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Config, parseConfig } from '../../shared/config.ts';
import { jsonOf } from '../documents.ts';
import { CliFault } from '../fault.ts';

/** The configuration as it should be. The file of a person is not whole: `runtime` and `endpoints`, which the deployment fills in, mean nothing. */
export type Wanted = Readonly<{ config: Config; isWhole: boolean }>;

/** What a person knows of the deployment, and where the api is. */
type Known = (Wanted | Readonly<{ config: undefined }>) & Readonly<{ url: string | undefined }>;

/** The files that `doctor` was given; `terraformOutput` is what `terraform output -json` prints. */
export type KnownFiles = Readonly<{
  config: string | undefined;
  terraformOutput: string | undefined;
}>;

/** Throws exit 2 for a file that cannot be used. */
export function known({ config, terraformOutput }: KnownFiles): Known {
  if (config && terraformOutput)
    throw new CliFault(
      2,
      'give --config or --terraform-output: the output has the configuration in it',
    );
  if (config) return { ...wantedOf(read(config), config), url: undefined };
  if (!terraformOutput) return { config: undefined, url: undefined };
  const outputs = outputsOf(terraformOutput);
  const url = outputOf(outputs, 'api_url');
  return {
    ...wantedOf(outputOf(outputs, 'config'), terraformOutput),
    url: typeof url === 'string' ? url : undefined,
  };
}

/** YAML has JSON in it. */
const read = (file: string): unknown => readBy((text) => parse(text), file);

function readBy<T>(understood: (text: string) => T, file: string): T {
  try {
    return understood(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CliFault(2, `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Without state it is an empty object; an empty file is what a Terraform that failed leaves behind. */
function outputsOf(file: string): object {
  const outputs = readBy(jsonOf, file);
  if (typeof outputs === 'object' && outputs !== null && !Array.isArray(outputs)) return outputs;
  throw new CliFault(2, `${file} is not what terraform output -json prints`);
}

/** Outputs of a root module hold `value`; a root that hands on the whole module has them one level deeper. */
function outputOf(outputs: unknown, name: string): unknown {
  const of = (value: unknown, key: string): unknown => Object(value)[key];
  const direct = of(of(outputs, name), 'value');
  if (direct !== undefined) return direct;
  return Object.values(Object(outputs))
    .map((output) => of(of(output, 'value'), name))
    .find((value) => value !== undefined);
}

function wantedOf(document: unknown, file: string): Wanted {
  if (document === undefined)
    throw new CliFault(2, `${file} has no output "config"; hand on that of the module`);
  const isWhole = Object(document).runtime !== undefined;
  const parsed = parseConfig(isWhole ? document : filledIn(document));
  if ('config' in parsed) return { config: parsed.config, isWhole };
  throw new CliFault(2, `${file} is no configuration: ${parsed.faults.join('; ')}`);
}

const filledIn = (document: unknown): unknown =>
  typeof document === 'object' && !Array.isArray(document)
    ? { ...document, runtime: anyRuntime(Object(document).issuers) }
    : document;

// In the form that is asked for, and nothing more.
const anyRuntime = (issuers: unknown) => ({
  reconcileUrl: 'https://any.invalid',
  issueUrl: 'https://any.invalid',
  queues: Object.fromEntries(Object.keys(Object(issuers)).map((name) => [name, 'any'])),
  topic: 'projects/any/topics/any',
  schedulerJob: 'any',
  audience: 'any',
  invoker: 'any@any.invalid',
});
