import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import {
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  streamEncode,
} from 'dns-packet';

/** A TXT question to one server, at one address, about what it knows itself (no recursion is asked for). */
export type TxtQuestion = Readonly<{
  address: string;
  port: number;
  /** For each try. */
  timeoutMs: number;
  name: string;
}>;

// The size that DNS flag day 2020 settled on: no fragments on any usual path.
const UDP_PAYLOAD = 1232;
const TRIES = 2;

/**
 * What a server says. `values` are the TXT values, each one's strings joined; none where it says that there are none, or is no
 * authority for the name. `zone` is the one that it names as holding the name, in lower case: its own, or that of a referral.
 */
export type TxtAnswer = Readonly<{
  isAuthority: boolean;
  zone: string | undefined;
  values: readonly string[];
}>;

/**
 * Asks over UDP, then over TCP when the answer is cut short. Throws a plain error whose message is the reason, as in `answers REFUSED`.
 */
export async function askTxt(question: TxtQuestion): Promise<TxtAnswer> {
  for (let left = TRIES; ; left -= 1) {
    try {
      const reply = await askUdp(question);
      return answerIn(reply.flag_tc ? await askTcp(question) : reply, question.name);
    } catch (error) {
      if (!(error instanceof NoAnswer) || left === 1) throw error;
    }
  }
}

/** Nothing came back in time. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

const message = (name: string): Packet => ({
  type: 'query',
  id: randomInt(0x1_0000),
  flags: 0,
  questions: [{ type: 'TXT', class: 'IN', name }],
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize: UDP_PAYLOAD,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
});

function askUdp({ address, port, timeoutMs, name }: TxtQuestion): Promise<DecodedPacket> {
  const query = message(name);
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  return new Promise<DecodedPacket>((resolve, reject) => {
    const late = setTimeout(() => reject(new NoAnswer('does not answer')), timeoutMs);
    socket.once('close', () => clearTimeout(late));
    socket.on('error', reject);
    socket.on('message', (bytes) => {
      const reply = replyTo(query, bytes);
      // Whatever else comes to this port is somebody else's; go on waiting.
      if (reply) resolve(reply);
    });
    // A connected socket takes packets of this server only, and hears that nobody listens there.
    socket.connect(port, address, (error?: Error) => {
      if (error) return reject(error);
      socket.send(encode(query), (failure) => failure && reject(failure));
    });
  }).finally(() => socket.close());
}

function askTcp({ address, port, timeoutMs, name }: TxtQuestion): Promise<DecodedPacket> {
  const query = message(name);
  const socket = connect(port, address);
  return new Promise<DecodedPacket>((resolve, reject) => {
    const late = setTimeout(() => reject(new NoAnswer('does not answer over TCP')), timeoutMs);
    const chunks: Buffer[] = [];
    socket.once('close', () => clearTimeout(late));
    socket.on('error', reject);
    socket.on('end', () => reject(new NoAnswer('ends the TCP connection without an answer')));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      const reply = replyTo(query, bytes.subarray(2));
      if (reply) resolve(reply);
      else reject(new Error('answers nonsense over TCP'));
    });
    socket.write(streamEncode(query));
  }).finally(() => socket.destroy());
}

/** The reply to this very query, or undefined when the bytes are anything else. */
function replyTo(query: Packet, bytes: Buffer): DecodedPacket | undefined {
  try {
    const reply = decode(bytes);
    const [asked] = reply.questions ?? [];
    const isOurs =
      reply.id === query.id &&
      asked?.type === 'TXT' &&
      sameName(asked.name, query.questions?.[0]?.name ?? '');
    return reply.type === 'response' && isOurs ? reply : undefined;
  } catch {
    return undefined;
  }
}

function answerIn(reply: DecodedPacket, name: string): TxtAnswer {
  const { rcode } = reply as DecodedPacket & { rcode: string };
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') throw new Error(`answers ${rcode}`);
  const isAuthority = ((reply.flags ?? 0) & AUTHORITATIVE_ANSWER) !== 0;
  // RFC 2308 section 2: the SOA of what is not there; RFC 1034 section 4.3.2: the NS of a referral.
  const holder = reply.authorities?.find(({ type }) => type === 'SOA' || type === 'NS');
  const values = (reply.answers ?? []).flatMap((answer) =>
    answer.type === 'TXT' && sameName(answer.name, name) ? [textOf(answer.data)] : [],
  );
  return { isAuthority, zone: holder?.name.toLowerCase(), values: isAuthority ? values : [] };
}

const textOf = (data: string | Buffer | (string | Buffer)[]) => [data].flat().map(String).join('');

const sameName = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
