import type { z } from 'zod';
import { jsonOf, problemSchema } from './documents.ts';
import { CliFault } from './fault.ts';
import { type Reply, replyOf, strangeness } from './reply.ts';
import { bearerToken, type Door } from './token.ts';

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
    return answerOf(await replyOf(door.url, path, { ...init, headers }), door.url);
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

/** Throws exit 1 for what is no answer of the api: not JSON, or a refusal without the api's reason. */
function answerOf(reply: Reply, url: string): Answer {
  const { status, text } = reply;
  const document = jsonOf(text);
  const isShut = status === 401 || status === 403 || (status >= 300 && status < 400);
  const isOurs = isShut ? problemSchema.safeParse(document).success : document !== undefined;
  if (isOurs) return { status, document };
  throw strangeness(reply, url);
}

/**
 * The document in its form. Throws the server's sentence for a problem: exit 2 when it does not take the request (400), else exit 1.
 * `whole` is what `--json` shows then, where the answer is a part of more.
 */
export function documentOf<T>(
  { status, document }: Answer,
  schema: z.ZodType<T>,
  whole = document,
): T {
  if (status >= 400) throw problem(status, document, whole);
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new CliFault(
    1,
    'the answer is not that of this version of Certherd; bring both to the same',
  );
}

function problem(status: number, document: unknown, whole: unknown): CliFault {
  const { data } = problemSchema.safeParse(document);
  if (!data) return new CliFault(1, `the api answers ${status} without a reason`);
  const { title, detail } = data;
  return new CliFault(status === 400 ? 2 : 1, `${title}: ${detail}`, { document: whole });
}
