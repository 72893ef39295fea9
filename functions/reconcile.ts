import type { HttpFunction, Request } from '@google-cloud/functions-framework';
import { z } from 'zod';
import { CertificateError } from '../shared/errors.ts';
import { lookAt } from '../shared/jobs/look.ts';
import { type ReconcilePorts, reconcile } from '../shared/jobs/reconcile.ts';
import { survey } from '../shared/jobs/survey.ts';
import { ASKED } from '../shared/jobs/sync.ts';
import type { ReconcileDependencies } from './dependencies.ts';
import { bodyOf, entry } from './entry.ts';
import { planView } from './plan-view.ts';

const lookSchema = z.object({
  certificate: z.string().min(1),
  names: z.array(z.string().min(1)).min(1),
  issuer: z.string(),
  targets: z
    .array(z.object({ cluster: z.string(), namespace: z.string(), secret: z.string() }))
    .max(20),
});

const deliverSchema = z.object({ certificate: z.string().min(1) });

/**
 * Woken by Scheduler. The api asks it for the plan of this moment, and for a look at zones and Secrets, neither of which changes
 * anything; and to have a certificate delivered once more.
 */
export function reconcileFunction({
  log,
  project,
  ports,
  settings,
}: ReconcileDependencies): HttpFunction {
  return entry({
    log,
    project,
    async handle(request) {
      if (request.method !== 'POST') return { status: 405, body: { error: 'use POST' } };
      if (request.path === '/plan')
        return { status: 200, body: planView(await survey(await ports(), settings)) };
      if (request.path === '/look') {
        const look = parsed(request, lookSchema);
        return { status: 200, body: await lookAt(look, await ports(), settings) };
      }
      if (request.path === '/deliver') {
        const { certificate } = parsed(request, deliverSchema);
        return { status: 200, body: await asked(certificate, await ports()) };
      }
      // Scheduler looks at the status alone, and the plan of a large fleet is megabytes: the log has what was decided.
      const { plan, refusals, faults } = await reconcile(await ports(), settings);
      const counts = { certificates: plan.length, refused: refusals.length, faults: faults.length };
      return { status: 200, body: counts };
    },
  });
}

function parsed<T>(request: Request, schema: z.ZodType<T>): T {
  const result = schema.safeParse(bodyOf(request));
  if (result.success) return result.data;
  throw new CertificateError('request-invalid', z.prettifyError(result.error));
}

/** A person waits for the answer, so the sentence goes there. */
async function asked(certificate: string, { repairs }: Pick<ReconcilePorts, 'repairs'>) {
  try {
    await repairs.publish(certificate, { reason: ASKED, targets: [] });
    return { asked: true };
  } catch (error) {
    if (error instanceof CertificateError) return { asked: false, problem: error.message };
    throw error;
  }
}
