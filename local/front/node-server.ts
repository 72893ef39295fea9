import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { createSecureContext, type SecureContext } from 'node:tls';
import { listenOnLoopback } from '../google-api.ts';
import type { FrontServer } from './front-server.ts';
import { type KeyPair, lookup } from './virtual-hosts.ts';

/** Serves the hosts by Node's own TLS: what stands in for nginx where that is not installed. */
export async function startNodeServer({
  port,
  fallback,
}: {
  port: number;
  fallback: KeyPair;
}): Promise<FrontServer> {
  let contexts: ReadonlyMap<string, SecureContext> = new Map();
  const { certificate: cert, key } = fallback;
  const server = createServer(
    // Without a context of its own a name gets the server's: the fallback.
    { cert, key, SNICallback: (name, done) => done(null, lookup(contexts, name)) },
    answer,
  );
  const running = await listenOnLoopback(server, port);
  return {
    port: running.port,
    serve(hosts) {
      contexts = new Map(
        hosts.map(({ host, pair }) => [
          host,
          createSecureContext({ cert: pair.certificate, key: pair.key }),
        ]),
      );
      return Promise.resolve();
    },
    close: running.close,
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const socket = request.socket as TLSSocket & { servername?: string | false };
  const serial = (socket.getCertificate() as { serialNumber?: string } | null)?.serialNumber;
  response.writeHead(200, { 'content-type': 'text/plain', server: 'certherd-front (stand-in)' });
  response.end(`host: ${socket.servername || '-'}\nserial: ${serial}\n`);
}
