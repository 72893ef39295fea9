import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { type HttpFunction, http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { listenOnLoopback, type RunningApi } from './google-api.ts';

export type FunctionsHost = RunningApi &
  Readonly<{ serve(name: string, listener: RequestListener): void }>;

/** The functions of a deployment on one port, each below its own path, which it does not see. What is not served is 404. */
export async function openFunctionsHost(port: number): Promise<FunctionsHost> {
  const listeners = new Map<string, RequestListener>();
  const server = createServer((request, response) => {
    const [, name = '', rest = ''] = /^\/([^/?]*)(.*)$/.exec(request.url ?? '') ?? [];
    const listener = listeners.get(name);
    if (!listener) return void response.writeHead(404).end();
    request.url = rest.startsWith('/') ? rest : `/${rest}`;
    listener(request, response);
  });
  const running = await listenOnLoopback(server, port);
  return { ...running, serve: (name, listener) => void listeners.set(name, listener) };
}

/** The framework's own request handling around a function, as in the cloud. */
export function underFramework(name: string, handler: HttpFunction): RequestListener {
  http(name, handler);
  const server = getTestServer(name);
  return (request: IncomingMessage, response: ServerResponse) =>
    void server.emit('request', request, response);
}
