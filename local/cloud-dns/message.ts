import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  DNSSEC_OK,
  decode,
  encode,
  type OptAnswer,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { wireData } from './record-data.ts';
import type { Answered, Asked, Reply } from './resolve.ts';

/** Answers a well-formed question. */
export type Answerer = (asked: Asked, recursionDesired: boolean) => Reply;

const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const;

const HEADER_BYTES = 12;
const UDP_BYTES = 512;
// What Google's servers and most resolvers use, so that no datagram is fragmented.
const EDNS_BYTES = 1232;
const TCP_BYTES = 65_535;

/** The reply to one message off the wire, or undefined for what deserves none (a reply, a fragment of a header). */
export function answerMessage(
  message: Buffer,
  transport: 'udp' | 'tcp',
  answerer: Answerer,
): Buffer | undefined {
  if (message.length < HEADER_BYTES || (message.readUInt8(2) & 0x80) !== 0) return undefined;
  const opcode = (message.readUInt8(2) >> 3) & 0xf;
  if (opcode !== 0) return bareReply(message, RCODE.NOTIMP);
  const query = readQuery(message);
  if (!query) return bareReply(message, RCODE.FORMERR);
  const packet = replyPacket(query, answerer);
  const most = transport === 'tcp' ? TCP_BYTES : datagramBytes(query.edns);
  const bytes = encode(packet);
  if (bytes.length <= most) return bytes;
  const flags = (packet.flags ?? 0) | TRUNCATED_RESPONSE;
  return encode({ ...packet, flags, answers: [], authorities: [] });
}

const datagramBytes = (edns: OptAnswer | undefined) =>
  Math.min(Math.max(edns?.udpPayloadSize ?? UDP_BYTES, UDP_BYTES), EDNS_BYTES);

type Query = Readonly<{ packet: DecodedPacket; question: Question; edns: OptAnswer | undefined }>;

function readQuery(message: Buffer): Query | undefined {
  try {
    const packet = decode(message);
    const [question, ...more] = packet.questions ?? [];
    const options = (packet.additionals ?? []).filter((record) => record.type === 'OPT');
    if (!question || more.length > 0 || options.length > 1) return undefined;
    if (!survivesDecoding(message, question)) return undefined;
    return { packet, question, edns: options[0] };
  } catch {
    // Whatever dns-packet cannot read is malformed.
    return undefined;
  }
}

// A dot or a byte beyond UTF-8 inside a label would make another question of the echoed one.
function survivesDecoding(message: Buffer, question: Question): boolean {
  const echoed = encode({ questions: [question] }).subarray(HEADER_BYTES);
  return message.subarray(HEADER_BYTES, HEADER_BYTES + echoed.length).equals(echoed);
}

function bareReply(message: Buffer, rcode: number): Buffer {
  const opcodeAndRd = message.readUInt16BE(2) & 0x7900;
  return encode({ type: 'response', id: message.readUInt16BE(0), flags: opcodeAndRd | rcode });
}

function replyPacket({ packet, question, edns }: Query, answerer: Answerer): Packet {
  const recursive = packet.flag_rd;
  const badVersion = (edns?.ednsVersion ?? 0) > 0;
  const said = badVersion ? NOTHING : replyTo(question, recursive, answerer);
  const flags =
    RCODE[said.rcode] |
    (said.authoritative ? AUTHORITATIVE_ANSWER : 0) |
    (recursive ? RECURSION_DESIRED | RECURSION_AVAILABLE : 0);
  return {
    type: 'response',
    id: packet.id,
    flags,
    questions: [question],
    answers: said.answers.map(wireAnswer),
    authorities: said.authorities.map(wireAnswer),
    additionals: edns ? [replyOptions(edns, badVersion)] : [],
  };
}

// RFC 6891 section 6.1.3: BADVERS is 16, whose upper bits travel in the OPT record.
const replyOptions = (edns: OptAnswer, badVersion: boolean): OptAnswer => ({
  ...{ type: 'OPT', name: '.', udpPayloadSize: EDNS_BYTES, ednsVersion: 0 },
  extendedRcode: badVersion ? 1 : 0,
  flags: edns.flags & DNSSEC_OK,
  flag_do: edns.flag_do,
  options: [],
});

const NOTHING: Reply = { rcode: 'NOERROR', authoritative: false, answers: [], authorities: [] };

// No class but IN and no transfers are served; ANY has no one right answer (RFC 8482).
function replyTo(question: Question, recursive: boolean, answerer: Answerer): Reply {
  const { name, type } = question;
  if ((question.class ?? 'IN') !== 'IN') return { ...NOTHING, rcode: 'REFUSED' };
  if (['ANY', 'AXFR', 'IXFR'].includes(type)) return { ...NOTHING, rcode: 'REFUSED' };
  return answerer({ name: name === '.' ? name : `${name}.`, type }, recursive);
}

function wireAnswer({ name, type, ttl, rrdata }: Answered): Answer {
  const data = wireData(type, rrdata);
  if (data === undefined) throw new Error(`${name} ${type} holds "${rrdata}"`);
  return { name, type, ttl, data } as Answer;
}
