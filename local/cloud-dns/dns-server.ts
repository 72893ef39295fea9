import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** Answers one message; undefined leaves the caller without a reply. */
export type Responder = (message: Buffer, transport: 'udp' | 'tcp') => Buffer | undefined;

export type DnsServer = Readonly<{ port: number; close(): Promise<void> }>;

const LOOPBACK = '127.0.0.1';
const TRIES = 20;

/** Serves UDP and TCP on one port of 127.0.0.1; port 0 takes one that is free for both. */
export async function serveDns(port: number, respond: Responder): Promise<DnsServer> {
  for (let left = TRIES; ; left -= 1)
    try {
      return await serveOn(port, respond);
    } catch (error) {
      // A port that the system gave for TCP may be taken for UDP.
      if (port !== 0 || left === 0 || !isInUse(error)) throw error;
    }
}

const isInUse = (error: unknown) => (error as NodeJS.ErrnoException).code === 'EADDRINUSE';

async function serveOn(port: number, respond: Responder): Promise<DnsServer> {
  const streams = await listenForStreams(port, respond);
  try {
    const closeDatagrams = await bindDatagrams(streams.port, respond);
    let closed: Promise<unknown> | undefined;
    const close = async () => {
      closed ??= Promise.all([streams.close(), closeDatagrams()]);
      await closed;
    };
    return { port: streams.port, close };
  } catch (error) {
    await streams.close();
    throw error;
  }
}

async function listenForStreams(port: number, respond: Responder): Promise<DnsServer> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    answerStream(socket, respond);
  });
  const close = () => {
    for (const socket of connections) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { port: await listen(server, port), close };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => resolve((server.address() as AddressInfo).port));
  });
}

function bindDatagrams(port: number, respond: Responder): Promise<() => Promise<void>> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port: to, address }) => {
    const reply = respond(message, 'udp');
    // A caller that is gone must not end the server: UDP promises nothing.
    if (reply) socket.send(reply, to, address, () => {});
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    const close = () => new Promise<void>((closed) => socket.close(closed));
    socket.bind(port, LOOPBACK, () => resolve(close));
  });
}

/** RFC 7766: any number of messages on a connection, each behind its length in two bytes. */
function answerStream(socket: Socket, respond: Responder): void {
  let unread = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
      const end = 2 + unread.readUInt16BE(0);
      const reply = respond(unread.subarray(2, end), 'tcp');
      unread = unread.subarray(end);
      if (!reply) return void socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    }
  });
}
