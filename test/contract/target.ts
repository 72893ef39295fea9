import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { listenOnLoopback } from '../../local/google-api.ts';

type Arrival = Readonly<{ url: string; headers: IncomingHttpHeaders; body: unknown }>;

/** A function that something is to wake: hands on its requests in the order they came. */
export type WakeTarget = Readonly<{
  url: string;
  next(): Promise<Arrival>;
  /** What it answers from now on. */
  answer(status: number): void;
  close(): Promise<void>;
}>;

export async function startTarget(): Promise<WakeTarget> {
  const arrived: Arrival[] = [];
  const takers: ((arrival: Arrival) => void)[] = [];
  let status = 200;
  const take = async (request: IncomingMessage) => {
    const { url = '', headers } = request;
    const body = headers['content-length'] === '0' ? undefined : await json(request);
    const arrival = { url, headers, body };
    const taker = takers.shift();
    if (taker) taker(arrival);
    else arrived.push(arrival);
  };
  const server = createServer((request, response) => {
    void take(request).then(() => response.writeHead(status).end());
  });
  return {
    ...(await listenOnLoopback(server, 0)),
    next: () =>
      new Promise((resolve) => {
        const first = arrived.shift();
        if (first) resolve(first);
        else takers.push(resolve);
      }),
    answer: (next) => {
      status = next;
    },
  };
}
