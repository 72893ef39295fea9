import { z } from 'zod';
import { GoogleFault } from '../google-api.ts';
import { parsed } from './parsed.ts';

const policySchema = z.strictObject({
  version: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]).optional(),
  bindings: z
    .array(
      z.strictObject({
        role: z.string().min(1),
        members: z.array(z.string().min(1)).optional(),
        condition: z.record(z.string(), z.string()).optional(),
      }),
    )
    .optional(),
  etag: z.string().optional(),
});
const request = z.strictObject({ policy: policySchema, updateMask: z.string().optional() });
const question = z.strictObject({ permissions: z.array(z.string().min(1)).min(1) });

/** Who may do what; the stand-in keeps it and enforces nothing. `etag` is base64. */
export type Policy = z.infer<typeof policySchema>;

/** The policy of a resource that never got one. */
export const noPolicy: Policy = { etag: 'ACAB' };

/** The policy to keep instead of `current`. Throws ABORTED when the request was made from an older one. */
export function replacedPolicy(current: Policy, body: unknown, change: number): Policy {
  const { policy } = parsed(request, body);
  if (policy.etag && policy.etag !== current.etag)
    throw new GoogleFault(
      'ABORTED',
      'There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.',
    );
  if (policy.version !== 3 && policy.bindings?.some(({ condition }) => condition))
    throw new GoogleFault('INVALID_ARGUMENT', 'A policy with conditions must have version 3.');
  return {
    version: policy.version || 1,
    ...(policy.bindings?.length ? { bindings: policy.bindings } : {}),
    etag: Buffer.from(`policy-${change}`).toString('base64'),
  };
}

/** Everything asked for: the stand-in lets everybody do everything. */
export function grantedPermissions(body: unknown): Readonly<{ permissions: readonly string[] }> {
  return parsed(question, body);
}
