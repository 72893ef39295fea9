import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** What a request asks for; `path` is decoded. */
export type Asked = Readonly<{ path: string; query: URLSearchParams }>;

/** Undefined when the target of a request is no path (RFC 9112 section 3.2.1), or a wrong one. Never throws: anybody can send anything. */
export function askedBy({ url = '' }: IncomingMessage): Asked | undefined {
  // Joined, not resolved: resolving takes what follows `//` for a host.
  const parsed = url.startsWith('/') ? URL.parse(`http://localhost${url}`) : null;
  if (!parsed) return undefined;
  try {
    return { path: decodeURIComponent(parsed.pathname), query: parsed.searchParams };
  } catch {
    return undefined;
  }
}

/** The whole body. Rejects when the connection ends before it does. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

type Answerer = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** What answers requests, as a listener: what is thrown ends one exchange, never the process. */
export const listenerOf =
  (answer: Answerer): RequestListener =>
  (request, response) =>
    void guarded(answer, request, response);

async function guarded(
  answer: Answerer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await answer(request, response);
  } catch {
    // The caller is gone, or gets what is left to say.
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}
