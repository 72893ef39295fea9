import type { z } from 'zod';
import { problemSchema } from './documents.ts';
import { CliFault } from './fault.ts';
import { answerOf, bearerToken, type Door } from './token.ts';

/** What the api answered; `document` is its JSON as it came. */
export type Answer = Readonly<{ status: number; document: unknown }>;

/** Speaks with the api in the person's name. Every answer, problem documents too, is returned. */
export type Client = Readonly<{
  get: (path: string) => Promise<Answer>;
  post: (path: string, body?: unknown) => Promise<Answer>;
}>;

// Cloud Run takes the signature off the token that it checked, and it looks here first: so the api gets the other one whole
// (https://cloud.google.com/run/docs/authenticating/service-to-service).
const CLOUD_RUN = 'x-serverless-authorization';

/** The token is fetched at the first request, and once. */
export function createClient(door: Door): Client {
  let token: Promise<string> | undefined;
  const send = async (path: string, init: RequestInit): Promise<Answer> => {
    token ??= bearerToken(door);
    const bearer = `Bearer ${await token}`;
    const headers = { ...init.headers, authorization: bearer, [CLOUD_RUN]: bearer };
    const response = await answerOf(door.url, path, { ...init, headers });
    return { status: response.status, document: await jsonOf(response, door.url) };
  };
  return {
    get: (path) => send(path, {}),
    post: (path, body = {}) =>
      send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  };
}

async function jsonOf(response: Response, url: string): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new CliFault(
      1,
      `${url} answers ${response.status} and no JSON; is it the api of Certherd?`,
    );
  }
}

/** The document in its form. Throws the server's sentence for a problem: exit 2 when it does not take the request (400), else exit 1. */
export function documentOf<T>({ status, document }: Answer, schema: z.ZodType<T>): T {
  if (status >= 400) throw new CliFault(status === 400 ? 2 : 1, problemSentence(status, document));
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new CliFault(
    1,
    'the answer is not that of this version of Certherd; bring both to the same',
  );
}

function problemSentence(status: number, document: unknown): string {
  const problem = problemSchema.safeParse(document);
  return problem.success
    ? `${problem.data.title}: ${problem.data.detail}`
    : `the api answers ${status} without a reason`;
}
