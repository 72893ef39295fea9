import { randomUUID } from 'node:crypto';
import type { HttpFunction } from '@google-cloud/functions-framework';
import { z } from 'zod';
import { CertificateError, needsPerson } from '../shared/errors.ts';
import { examineZones } from '../shared/jobs/examine-zones.ts';
import { type IssueOutcome, issue } from '../shared/jobs/issue.ts';
import type { IssueDependencies } from './dependencies.ts';
import { bodyOf, entry } from './entry.ts';

const taskSchema = z.object({
  certificate: z.string().min(1),
  identity: z.object({
    names: z.array(z.string().min(1)).min(1),
    issuer: z.string(),
    keyType: z.enum(['ec-p256', 'rsa-2048']),
  }),
  reason: z.enum(['missing', 'due', 'emergency', 'manual', 'retry', 'resume', 'clean-up']),
  replaces: z.int(),
  failures: z.int(),
  order: z.string().optional(),
});

/** Woken by Cloud Tasks with one certificate; the api asks it what it could do with the zones, which changes nothing. Whatever the outcome, it has its own next task; only "busy" makes this one come again. */
export function issueFunction({ log, project, ports, settings }: IssueDependencies): HttpFunction {
  return entry({
    log,
    project,
    async handle(request) {
      if (request.path === '/zones') {
        const opened = await ports();
        const found = await examineZones(settings.zoneProjects, opened);
        return { status: 200, body: { ...found, now: opened.time.now() } };
      }
      const task = taskSchema.safeParse(bodyOf(request));
      if (!task.success)
        throw new CertificateError(
          'request-invalid',
          `the task is not one of ours: ${z.prettifyError(task.error)}`,
        );
      const outcome = await issue(task.data, randomUUID(), await ports(), settings);
      const { message: explanation, ...fields } = { message: undefined, ...outcome };
      log[levelOf(outcome)](`certificate ${outcome.state}`, {
        ...fields,
        ...(explanation !== undefined && { explanation }),
      });
      return { status: outcome.state === 'busy' ? 503 : 200, body: fields };
    },
  });
}

/** An ERROR calls a person, once for each row of failures, and only where waiting does not help. */
function levelOf(outcome: IssueOutcome): 'info' | 'warn' | 'error' {
  if (outcome.state !== 'failed') return 'info';
  return outcome.count === 1 && needsPerson(outcome.code) ? 'error' : 'warn';
}
