import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import dns, { type Answer, type DecodedPacket } from 'dns-packet';

const LARGEST_UDP = 512;
const NXDOMAIN = 3;

/** What stands at one name: TXT values, an alias, an error code of the server, or silence. */
type TxtEntry =
  | readonly string[]
  | Readonly<{ cname: string }>
  | Readonly<{ rcode: number }>
  | 'silent';

/** A recursive server for TXT and nothing else, answering from `entries` on UDP and TCP of one port. */
export type TxtServer = Readonly<{
  address: string;
  port: number;
  entries: Map<string, TxtEntry>;
  /** Every question so far. */
  asked: { name: string; recursionDesired: boolean; over: 'udp' | 'tcp' }[];
  close(): Promise<void>;
}>;

export async function startTxtServer(): Promise<TxtServer> {
  const entries = new Map<string, TxtEntry>();
  const asked: TxtServer['asked'] = [];
  const reply = (question: DecodedPacket, over: 'udp' | 'tcp') => {
    const name = question.questions?.[0]?.name.toLowerCase() ?? '';
    asked.push({ name, recursionDesired: Boolean(question.flag_rd), over });
    return answerTo(question, name, entries);
  };

  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < received.readUInt16BE() + 2) return;
      const answer = reply(dns.decode(received.subarray(2)), 'tcp');
      if (answer) socket.end(dns.streamEncode(answer));
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;

  const udp = createSocket('udp4');
  udp.on('message', (message, peer) => {
    const answer = reply(dns.decode(message), 'udp');
    if (answer) udp.send(fitting(answer), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));

  return {
    address: '127.0.0.1',
    port,
    entries,
    asked,
    close: async () => {
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
    },
  };
}

function answerTo(question: DecodedPacket, asked: string, entries: TxtServer['entries']) {
  const answers: Answer[] = [];
  let name = asked;
  let entry = entries.get(name);
  while (entry && typeof entry === 'object' && 'cname' in entry) {
    answers.push({ type: 'CNAME', name, ttl: 0, data: entry.cname });
    name = entry.cname;
    entry = entries.get(name);
  }
  if (entry === 'silent') return undefined;
  let rcode = entry ? 0 : NXDOMAIN;
  if (entry && 'rcode' in entry) rcode = entry.rcode;
  if (Array.isArray(entry))
    for (const value of entry) answers.push({ type: 'TXT', name, ttl: 0, data: [value] });
  return {
    id: question.id ?? 0,
    type: 'response' as const,
    flags: dns.RECURSION_DESIRED | dns.RECURSION_AVAILABLE | rcode,
    questions: question.questions ?? [],
    answers,
  };
}

type Reply = NonNullable<ReturnType<typeof answerTo>>;

function fitting(answer: Reply): Buffer {
  const whole = dns.encode(answer);
  if (whole.length <= LARGEST_UDP) return whole;
  return dns.encode({ ...answer, flags: answer.flags | dns.TRUNCATED_RESPONSE, answers: [] });
}
