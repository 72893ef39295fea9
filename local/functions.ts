import '../functions/no-domains.ts';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { type HttpFunction, http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { leaveBodyRaw } from '../functions/raw-bodies.ts';
import { refuse } from './cloud-run.ts';
import { listenOnLoopback, type RunningApi } from './google-api.ts';
import { listenerOf } from './wire/request.ts';

export type FunctionsHost = RunningApi &
  Readonly<{
    serve(name: string, listener: RequestListener): void;
    /** Lets in whoever waits at the door, and all who come. */
    open(): void;
  }>;

/**
 * The functions of a deployment on one port, each below its own path, which it does not see. What is not served is 404. Before the
 * host is open every request waits: engines that remember an earlier run knock before there is anybody to answer.
 */
export async function startFunctionsHost(port: number): Promise<FunctionsHost> {
  const listeners = new Map<string, RequestListener>();
  const opened = Promise.withResolvers<void>();
  const answering = listenerOf(async (request, response) => {
    await opened.promise;
    handOn(request, response, listeners);
  });
  const running = await listenOnLoopback(createServer(answering), port);
  return {
    ...running,
    serve: (name, listener) => void listeners.set(name, listener),
    open: opened.resolve,
  };
}

function handOn(
  request: IncomingMessage,
  response: ServerResponse,
  listeners: ReadonlyMap<string, RequestListener>,
): void {
  const [, name = '', rest = ''] = /^\/([^/?]*)(.*)$/.exec(request.url ?? '') ?? [];
  const listener = listeners.get(name);
  if (!listener) return void refuse(request, response, { status: 404, path: `/${name}` });
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  listener(request, response as Parameters<RequestListener>[1]);
}

/** The framework's own request handling around a function, as in the cloud. */
export function underFramework(name: string, handler: HttpFunction): RequestListener {
  http(name, handler);
  const server = getTestServer(name);
  return (request: IncomingMessage, response: ServerResponse) => {
    leaveBodyRaw(request);
    // In place of the framework's own last word, which is a stack on the terminal when a caller leaves within a body.
    server.emit('request', request, response, () => response.destroy());
  };
}
