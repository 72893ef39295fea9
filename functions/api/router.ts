import type { Request } from '@google-cloud/functions-framework';
import type { Log } from '../../shared/ports.ts';
import type { ApiPorts, ApiSettings } from '../dependencies.ts';
import type { Caller } from './access.ts';
import { ApiProblem } from './problem.ts';

/** What a route answers. `html` is a whole page with the Content-Security-Policy that lets its style through. */
export type ApiReply = Readonly<
  { status: number; headers?: Readonly<Record<string, string>> } & (
    | { body: unknown }
    | { html: string; policy: string }
  )
>;

/** One authorised request: whoever gets here is a viewer at least. */
export type ApiCall = Readonly<{
  request: Request;
  caller: Caller;
  /** The `{id}` of the path, empty without one. */
  id: string;
  ports: ApiPorts;
  settings: ApiSettings;
  log: Log;
}>;

/** `path` may have one `{id}`, which stands for a segment without a colon. */
export type ApiRoute = Readonly<{
  method: 'GET' | 'POST';
  path: string;
  handle: (call: ApiCall) => Promise<ApiReply>;
}>;

/** The route of a request and its `{id}`. Throws 404, or 405 with what would be right. HEAD is a GET whose body is left out. */
export function routed(
  routes: readonly ApiRoute[],
  { method, path }: Readonly<{ method: string; path: string }>,
): Readonly<{ route: ApiRoute; id: string }> {
  const matching = routes.flatMap((route) => {
    const match = pattern(route.path).exec(path);
    return match ? [{ route, id: match[1] ?? '' }] : [];
  });
  if (matching.length === 0)
    throw new ApiProblem(
      'not-found',
      `there is nothing at ${path}; the api's paths begin with /v1/`,
    );
  const asked = method === 'HEAD' ? 'GET' : method;
  const found = matching.find(({ route }) => route.method === asked);
  if (found) return found;
  const allow = matching.flatMap(({ route }) =>
    route.method === 'GET' ? ['GET', 'HEAD'] : ['POST'],
  );
  throw new ApiProblem('method-not-allowed', `${path} takes ${allow.join(', ')}`, {
    headers: { allow: allow.join(', ') },
  });
}

const pattern = (path: string) => new RegExp(`^${path.replace('{id}', '([^/:]+)')}$`);
