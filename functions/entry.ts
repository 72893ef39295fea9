import type { HttpFunction, Request, Response } from '@google-cloud/functions-framework';
import { CertificateError, messageOf, needsPerson } from '../shared/errors.ts';
import { withTrace } from '../shared/log.ts';
import type { Log } from '../shared/ports.ts';

/** What a function says to whoever woke it. Engines look at the status alone: 2xx is done, everything else comes again. */
export type Reply = Readonly<{ status: number; body: unknown }>;

export type Entry = Readonly<{
  log: Log;
  project: string;
  handle: (request: Request) => Promise<Reply>;
}>;

/**
 * An HTTP function around a job: answers health checks, keeps the trace, and turns what is thrown into an answer that holds neither
 * stack nor message, for those go to the log. A permanent error is acknowledged: coming again would not help it.
 */
export function entry({ log, project, handle }: Entry): HttpFunction {
  return async (request: Request, response: Response) => {
    if (request.method === 'GET' && request.path === '/health')
      return void response.json({ status: 'ok' });
    const trace = request.get('traceparent') ?? request.get('x-cloud-trace-context');
    const { status, body } = await withTrace(trace, project, () => answered(request, log, handle));
    response.status(status).json(body);
  };
}

async function answered(request: Request, log: Log, handle: Entry['handle']): Promise<Reply> {
  try {
    return await handle(request);
  } catch (error) {
    const isFinal = error instanceof CertificateError && !error.retryable;
    const code = error instanceof CertificateError ? error.code : 'internal';
    const stack =
      error instanceof CertificateError || !(error instanceof Error) ? undefined : error.stack;
    const level = error instanceof CertificateError && !needsPerson(error.code) ? 'warn' : 'error';
    log[level](isFinal ? 'given up' : 'failed, will be tried again', {
      code,
      reason: messageOf(error),
      stack,
    });
    return { status: isFinal ? 200 : 500, body: { error: code } };
  }
}

/** The JSON of the body; undefined without one, and for what is no JSON. */
export function bodyOf({ rawBody }: Request): unknown {
  try {
    return JSON.parse(String(rawBody));
  } catch {
    return undefined;
  }
}
