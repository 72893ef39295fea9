import { z } from 'zod';
import { type Call, GoogleFault } from '../google-api.ts';
import { parsed } from '../wire/parsed.ts';

/** A patch request's resource, and the fields that it replaces, in camelCase. */
export type Patch = Readonly<{
  resource: Readonly<Record<string, unknown>>;
  fields: readonly string[];
}>;

/**
 * Reads a patch request. The mask stands in the body beside the resource, as documented, or in the query, where
 * Terraform's provider puts it. Throws INVALID_ARGUMENT without one.
 */
export function patchOf(kind: 'topic' | 'subscription', { body, query }: Call): Patch {
  const request = z.strictObject({
    [kind]: z.record(z.string(), z.unknown()),
    updateMask: z.string().default(query.get('updateMask') ?? ''),
  });
  const given = parsed(request, body) as Record<string, Patch['resource']> & { updateMask: string };
  const fields = given.updateMask.split(',').filter(Boolean).map(camelCase);
  if (fields.length === 0)
    throw new GoogleFault('INVALID_ARGUMENT', 'The update_mask in the request is empty.');
  return { resource: given[kind] ?? {}, fields };
}

const camelCase = (path: string): string =>
  path.trim().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
