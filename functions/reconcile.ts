import type { HttpFunction } from '@google-cloud/functions-framework';
import { z } from 'zod';
import { CertificateError } from '../shared/errors.ts';
import { lookAt } from '../shared/jobs/look.ts';
import { reconcile } from '../shared/jobs/reconcile.ts';
import { survey } from '../shared/jobs/survey.ts';
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

/** Woken by Scheduler. The api asks it for the plan of this moment, and for a look at zones and Secrets, neither of which changes anything. */
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
        const look = lookSchema.safeParse(bodyOf(request));
        if (!look.success)
          throw new CertificateError('request-invalid', z.prettifyError(look.error));
        return { status: 200, body: await lookAt(look.data, await ports(), settings) };
      }
      // Scheduler looks at the status alone, and the plan of a large fleet is megabytes: the log has what was decided.
      const { plan, refusals, faults } = await reconcile(await ports(), settings);
      return { status: 200, body: { certificates: plan.length, refused: refusals.length, faults } };
    },
  });
}
