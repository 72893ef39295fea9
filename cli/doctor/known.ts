import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Config, parseConfig } from '../../shared/config.ts';
import { CliFault } from '../fault.ts';

/** What a person knows of the deployment: the configuration as it should be, and where the api is. */
export type Known = Readonly<{ config: Config | undefined; url: string | undefined }>;

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
  if (config) return { config: configOf(read(config), config), url: undefined };
  if (!terraformOutput) return { config: undefined, url: undefined };
  const outputs = read(terraformOutput);
  const url = outputOf(outputs, 'api_url');
  return {
    config: configOf(outputOf(outputs, 'config'), terraformOutput),
    url: typeof url === 'string' ? url : undefined,
  };
}

/** YAML has JSON in it. */
function read(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CliFault(2, `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
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

function configOf(document: unknown, file: string): Config {
  if (document === undefined)
    throw new CliFault(2, `${file} has no output "config"; hand on that of the module`);
  const parsed = parseConfig(document);
  if ('config' in parsed) return parsed.config;
  throw new CliFault(2, `${file} is no configuration: ${parsed.faults.join('; ')}`);
}
