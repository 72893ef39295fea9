import { z } from 'zod';

/** What a text says as JSON; undefined when it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The parts of the api's documents that are shown. */

export const problemSchema = z.object({ title: z.string(), detail: z.string() });

const moment = z.iso.datetime().transform((text) => new Date(text));

const target = z.object({ cluster: z.string(), namespace: z.string(), secret: z.string() });

export const certificateSchema = z.object({
  id: z.string(),
  names: z.array(z.string()).nullable(),
  issuer: z.string(),
  state: z.string(),
  serial: z.string().nullable(),
  notBefore: moment.nullable(),
  notAfter: moment.nullable(),
  version: z.int().nullable(),
  failure: z.object({ code: z.string(), message: z.string(), retryAt: moment }).nullable(),
  delivered: z.object({ version: z.int(), at: moment, failed: z.array(z.string()) }).nullable(),
  targets: z.array(target),
  askers: z.array(z.object({ cluster: z.string(), namespace: z.string() })),
});
export type Certificate = z.output<typeof certificateSchema>;

export const certificatesSchema = z.object({ certificates: z.array(certificateSchema) });

const unreadable = z.object({ error: z.string() });

export const statusSchema = z.object({
  schedule: z.union([
    unreadable,
    z.object({
      state: z.string(),
      lastRunAt: moment.optional(),
      lastResult: z.string(),
      nextRunAt: moment.optional(),
    }),
  ]),
  queues: z.union([
    unreadable,
    z.array(
      z.object({
        issuer: z.string(),
        queue: z.string(),
        state: z.string(),
        problem: z.string().optional(),
      }),
    ),
  ]),
  certificates: z.union([
    unreadable,
    z.object({
      total: z.int(),
      issued: z.int(),
      failed: z.int(),
      expired: z.int(),
      expiringWithin7Days: z.int(),
      invalid: z.array(z.object({ id: z.string(), problem: z.string() })),
    }),
  ]),
});
export type Status = z.output<typeof statusSchema>;

export const planSchema = z.object({
  certificates: z.array(
    z.object({
      id: z.string(),
      names: z.array(z.string()),
      issuer: z.string(),
      action: z.string(),
      reason: z.string(),
      message: z.string(),
      at: moment.optional(),
      targets: z.array(target.extend({ state: z.string(), message: z.string().optional() })),
    }),
  ),
  refused: z.array(
    z.object({
      cluster: z.string(),
      kind: z.string(),
      namespace: z.string(),
      name: z.string(),
      message: z.string(),
    }),
  ),
  faults: z.array(z.object({ resource: z.string(), message: z.string() })),
});
export type Plan = z.output<typeof planSchema>;

export const startedSchema = z.object({ started: z.literal(true) });
