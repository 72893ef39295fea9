import { z } from 'zod';
import { type Config, parseConfig } from '../../shared/config.ts';
import { APPLY } from './commands.ts';
import { type Finding, fault, ok, unseen } from './finding.ts';
import type { Wanted } from './known.ts';
import type { Part } from './part.ts';
import { isOnThisMachine } from './this-machine.ts';

/** `GET /v1/configuration`: the document with every default in it. */
export const configurationSchema = z.record(z.string(), z.unknown());

/** The configuration that runs; undefined when it is not that of this program. */
export function runningConfig(read: Part<Readonly<Record<string, unknown>>>): Config | undefined {
  const parsed = 'value' in read ? parseConfig(read.value) : undefined;
  return parsed && 'config' in parsed ? parsed.config : undefined;
}

// By the deployment, and by npm start: a person's file has no more than a part of these.
const FILLED_IN = ['runtime', 'endpoints'];
const FILLED_IN_BY_START = [...FILLED_IN, 'issuers', 'clusters', 'dns', 'handshake', 'access'];

/** Whether what runs is what the person's file says. */
export function configurationFinding(
  read: Part<Readonly<Record<string, unknown>>>,
  wanted: Wanted | undefined,
): Finding {
  const check = 'configuration';
  if ('problem' in read) return unseen(check, read.problem);
  const running = runningConfig(read);
  if (!running)
    return fault(
      check,
      'the api has that of another version of Certherd; bring both to the same',
      APPLY,
    );
  if (!wanted) return ok(check, 'the api has one that this version understands');
  const filled = [
    ...(wanted.isWhole ? [] : FILLED_IN),
    ...(isOnThisMachine(running) ? FILLED_IN_BY_START : []),
  ];
  const differing = Object.keys({ ...running, ...wanted.config }).filter(
    (key) => !filled.includes(key) && text(running, key) !== text(wanted.config, key),
  );
  if (differing.length === 0) return ok(check, 'what runs is what the file says');
  return fault(check, `what runs differs from the file in ${differing.join(', ')}`, APPLY);
}

const text = (config: Config, key: string) => JSON.stringify(sorted(config[key as keyof Config]));

/** The order of keys says nothing; that of lists may. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, sorted(item)] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}
