import { z } from 'zod';
import { CertificateError } from '../../shared/errors.ts';
import type { ManualPorts } from '../../shared/jobs/manual.ts';
import type { ApiPorts } from '../dependencies.ts';

// JSON leaves out what is undefined.
const optionalText = z
  .string()
  .optional()
  .transform((text): string | undefined => text);

const secretsSchema = z.array(
  z.union([
    z.object({ state: z.literal('current') }),
    z.object({
      state: z.literal('behind'),
      reason: z.enum(['secret-missing', 'secret-outdated', 'secret-drifted']),
      serves: optionalText,
    }),
    z.object({
      state: z.literal('refused'),
      reason: z.enum(['secret-type', 'secret-foreign', 'namespace-missing', 'target-taken']),
      message: z.string(),
    }),
    z.object({ state: z.literal('unreadable'), message: z.string() }),
  ]),
);

const lookSchema = z.object({ outside: optionalText, secrets: secretsSchema });

const planSchema = z.looseObject({
  certificates: z.array(z.unknown()),
  refused: z.array(z.unknown()),
  faults: z.array(z.unknown()),
});

/** A look at zones and Secrets, through the reconcile function. */
export function lookThrough({ askReconcile }: Pick<ApiPorts, 'askReconcile'>): ManualPorts['look'] {
  return async (look) => {
    const answer = lookSchema.safeParse(await askReconcile('/look', look));
    if (!answer.success) throw strange('look');
    const { outside, secrets } = answer.data;
    return {
      outside,
      secrets: secrets.map((standing) =>
        standing.state === 'behind' ? { ...standing, serves: standing.serves } : standing,
      ),
    };
  };
}

/** The plan of this moment, as the reconcile function gives it. */
export async function planThrough({
  askReconcile,
}: Pick<ApiPorts, 'askReconcile'>): Promise<unknown> {
  const answer = planSchema.safeParse(await askReconcile('/plan', {}));
  if (answer.success) return answer.data;
  throw strange('plan');
}

const zonesSchema = z.object({
  now: z.iso.datetime(),
  zones: z.array(
    z.object({
      project: z.string(),
      zone: z.string(),
      dnsName: z.string(),
      problems: z.array(z.string()),
    }),
  ),
  faults: z.array(z.object({ resource: z.string(), message: z.string() })),
});

/** What the issue function could do with the zones now, by its own clock. */
export async function zonesThrough({ askIssue }: Pick<ApiPorts, 'askIssue'>): Promise<unknown> {
  const answer = zonesSchema.safeParse(await askIssue('/zones', {}));
  if (answer.success) return answer.data;
  throw strange('zones', 'issue');
}

const askedSchema = z.discriminatedUnion('asked', [
  z.object({ asked: z.literal(true) }),
  z.object({ asked: z.literal(false), problem: z.string() }),
]);

/** Has the reconcile function publish a message by which sync delivers the certificate once more. */
export async function deliveredThrough(
  { askReconcile }: Pick<ApiPorts, 'askReconcile'>,
  certificate: string,
): Promise<void> {
  const answer = askedSchema.safeParse(await askReconcile('/deliver', { certificate }));
  if (!answer.success) throw strange('message to sync');
  if (!answer.data.asked) throw new CertificateError('queue-unavailable', answer.data.problem);
}

// A function acknowledges a permanent error, so a 200 may hold one.
const strange = (what: string, name = 'reconcile') =>
  new CertificateError(
    'cluster-unreachable',
    `the ${name} function gives no ${what}; its log has the reason`,
  );
