import type { z } from 'zod';
import { GoogleFault } from '../google-api.ts';

/** A request body as the schema has it, nulls read as absent. Throws INVALID_ARGUMENT in the words of Google's JSON parser. */
export function parsed<Value>(schema: z.ZodType<Value>, body: unknown): Value {
  const result = schema.safeParse(withoutNulls(body ?? {}));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue?.path.join('.');
  if (issue?.code === 'unrecognized_keys')
    throw new GoogleFault(
      'INVALID_ARGUMENT',
      `Invalid JSON payload received. Unknown name "${issue.keys[0]}"${at ? ` at '${at}'` : ''}: Cannot find field.`,
    );
  throw new GoogleFault('INVALID_ARGUMENT', `Invalid value at '${at}': ${issue?.message}`);
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== 'object') return value;
  const present = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(present.map(([key, item]) => [key, withoutNulls(item)]));
}
