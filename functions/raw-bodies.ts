import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** How a body was declared by whoever sent it. */
export type Declared = Readonly<{ type: string | undefined; encoding: string | undefined }>;

const declarations = new WeakMap<IncomingMessage, Declared>();

/**
 * functions-framework parses bodies before it asks a function, whoever sends them: one that does not parse it writes to stderr as it
 * is, with a private key that somebody sent by mistake, and a few kilobytes of gzip it inflates to as much as a gigabyte. Bytes of no
 * known type it hands on as they came, in `rawBody`. A path that is no UTF-8 would end in express's own page of HTML as well.
 * To be called before the framework sees the request.
 */
export function leaveBodyRaw(request: IncomingMessage): void {
  const { headers, url = '' } = request;
  declarations.set(request, {
    type: headers['content-type'],
    encoding: headers['content-encoding'],
  });
  headers['content-type'] = 'application/octet-stream';
  delete headers['content-encoding'];
  if (!isDecodable(url)) request.url = url.replaceAll('%', '%25');
}

/** The same for each request of this process, which has no other server than the framework's. */
export function leaveBodiesRaw(): void {
  subscribe('http.server.request.start', (message) => {
    leaveBodyRaw((message as Readonly<{ request: IncomingMessage }>).request);
  });
}

/** What the sender said of the body, which the request's own headers no longer do. */
export const declared = (request: IncomingMessage): Declared =>
  declarations.get(request) ?? { type: undefined, encoding: undefined };

function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url);
    return true;
  } catch {
    return false;
  }
}
