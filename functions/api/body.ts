import type { Request } from '@google-cloud/functions-framework';
import { z } from 'zod';
import { bodyOf } from '../entry.ts';
import { type Declared, declared } from '../raw-bodies.ts';
import { ApiProblem } from './problem.ts';
import type { ApiCall } from './router.ts';

const LARGEST_BODY = 64 * 1024;

/**
 * Refuses a POST that a browser sends for another web site (https://web.dev/articles/fetch-metadata), that is too large, or whose
 * body does not say that it is JSON. Only after this may the body be read.
 */
export function checkBody(request: Request): void {
  if (isCrossSite(request))
    throw new ApiProblem('cross-site', 'a page of another web site may not ask for this');
  const bytes = request.rawBody?.length ?? 0;
  if (bytes > LARGEST_BODY)
    throw new ApiProblem('body-too-large', `the body may have ${LARGEST_BODY / 1024} KiB`);
  if (bytes > 0 && !isPlainJson(declared(request)))
    throw new ApiProblem(
      'media-type',
      'send the body with content-type application/json and without content-encoding',
    );
}

const isPlainJson = ({ type, encoding = 'identity' }: Declared) =>
  type?.split(';')[0]?.trim().toLowerCase() === 'application/json' &&
  encoding.trim().toLowerCase() === 'identity';

/** Behind Identity-Aware Proxy a browser's own session lets every page speak in the person's name. */
function isCrossSite(request: Request): boolean {
  const site = request.get('sec-fetch-site');
  if (site) return site !== 'same-origin' && site !== 'none';
  // Browsers that do not say it yet at least say whose page asks.
  const origin = request.get('origin');
  return origin !== undefined && URL.parse(origin)?.host !== request.get('host');
}

/** The body in its form. Throws 400 with every fault at once. An absent body reads as `{}`. */
export function parsedBody<T>(request: Request, schema: z.ZodType<T>): T {
  const body = request.rawBody?.length ? bodyOf(request) : {};
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap(faultsOf);
  throw new ApiProblem('request-invalid', errors.map(sentence).join('; '), { errors });
}

/** Who asked for what. Only for what was parsed: whatever else a person sends by mistake, a key say, must not get into the log. */
export function logAsked(
  { caller, request, log }: Pick<ApiCall, 'caller' | 'request' | 'log'>,
  asked: unknown,
): void {
  log.info('asked by hand', { by: caller.member, path: request.path, asked });
}

const sentence = ({ path, message }: Readonly<{ path: string; message: string }>) =>
  `${path}: ${message}`;

function faultsOf(issue: z.core.$ZodIssue) {
  const at = (path: readonly PropertyKey[]) => z.core.toDotPath(path) || 'the body';
  if (issue.code !== 'unrecognized_keys') return [{ path: at(issue.path), message: issue.message }];
  return issue.keys.map((key) => ({
    path: at([...issue.path, key]),
    message: 'there is no such key; correct its spelling or remove it',
  }));
}

/** What takes no body: nothing or `{}`. */
export const emptyBody = z.strictObject({});

const LONGEST_WAIT_S = 60;

/** The `?wait=SECONDS` of a request; 0 without one. */
export function waitSeconds(request: Request): number {
  const { wait } = request.query;
  if (wait === undefined) return 0;
  const seconds = typeof wait === 'string' && /^\d{1,3}$/.test(wait) ? Number(wait) : 0;
  if (seconds >= 1 && seconds <= LONGEST_WAIT_S) return seconds;
  const message = `give 1 to ${LONGEST_WAIT_S} whole seconds`;
  throw new ApiProblem('request-invalid', `wait: ${message}`, {
    errors: [{ path: 'wait', message }],
  });
}
