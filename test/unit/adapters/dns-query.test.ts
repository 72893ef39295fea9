import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';
import dns, { type DecodedPacket, type Packet } from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { askTxt } from '../../../shared/adapters/dns-query.ts';

const NAME = '_acme-challenge.a.test';
const { AUTHORITATIVE_ANSWER, TRUNCATED_RESPONSE } = dns;

const NO_AUTHORITY = { isAuthority: false, zone: undefined, values: [] };

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** The good answer of an authority; each case states only its difference. */
const answer = (query: DecodedPacket, differs: Packet = {}): Buffer =>
  dns.encode({
    type: 'response',
    id: query.id ?? 0,
    flags: AUTHORITATIVE_ANSWER,
    questions: query.questions ?? [],
    answers: [{ type: 'TXT', name: NAME, ttl: 60, data: ['x'] }],
    ...differs,
  });

type Reply = (query: DecodedPacket, asked: number) => readonly Buffer[];

/** A server that answers over UDP as told, and over TCP with `y`. */
async function startServer(reply: Reply): Promise<{ port: number; queries: DecodedPacket[] }> {
  const queries: DecodedPacket[] = [];
  const tcp = createServer((socket) => {
    socket.once('data', (bytes) => {
      const query = dns.decode(bytes.subarray(2));
      const whole = answer(query, { answers: [{ type: 'TXT', name: NAME, data: ['y', 'z'] }] });
      socket.end(Buffer.concat([Buffer.from([whole.length >> 8, whole.length & 255]), whole]));
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;
  const udp: Socket = createSocket('udp4');
  udp.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const query = dns.decode(bytes);
    queries.push(query);
    for (const packet of reply(query, queries.length)) udp.send(packet, from.port, from.address);
  });
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  closing.push(() => {
    udp.close();
    tcp.close();
  });
  return { port, queries };
}

const ask = (port: number, timeoutMs = 1000) =>
  askTxt({ address: '127.0.0.1', port, timeoutMs, name: NAME });

test.for<[string, Reply, readonly string[]]>([
  ['takes the values of an authority', (query) => [answer(query)], ['x']],
  [
    'joins the strings of one value',
    (query) => [answer(query, { answers: [{ type: 'TXT', name: NAME, data: ['a', 'b'] }] })],
    ['ab'],
  ],
  [
    'does not mind how the server spells the name',
    (query) => [
      answer(query, { answers: [{ type: 'TXT', name: NAME.toUpperCase(), data: ['x'] }] }),
    ],
    ['x'],
  ],
  [
    'has no values where the name is not there',
    (query) => [answer(query, { flags: AUTHORITATIVE_ANSWER | 3, answers: [] })],
    [],
  ],
  [
    'takes no values of another name',
    (query) => [answer(query, { answers: [{ type: 'TXT', name: 'b.test', data: ['x'] }] })],
    [],
  ],
  [
    'goes on waiting after an answer to another query',
    (query) => [answer(query, { id: ((query.id ?? 0) + 1) % 65_536, answers: [] }), answer(query)],
    ['x'],
  ],
  [
    'goes on waiting after an answer to another question',
    (query) => [answer(query, { questions: [{ type: 'TXT', name: 'b.test' }] }), answer(query)],
    ['x'],
  ],
  ['goes on waiting after nonsense', (query) => [Buffer.from('nonsense'), answer(query)], ['x']],
  [
    'asks over TCP when the answer is cut short',
    (query) => [answer(query, { flags: AUTHORITATIVE_ANSWER | TRUNCATED_RESPONSE, answers: [] })],
    ['yz'],
  ],
])('%s', async ([, reply, expected]) => {
  const { port } = await startServer(reply);
  expect(await ask(port)).toMatchObject({ isAuthority: true, values: expected });
});

const SOA = { mname: 'ns', rname: 'x', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };

test.for<[string, Packet, Awaited<ReturnType<typeof askTxt>>]>([
  [
    'a zone that lacks the name is named by its SOA',
    {
      flags: AUTHORITATIVE_ANSWER | 3,
      answers: [],
      authorities: [{ type: 'SOA', name: 'A.test', data: SOA }],
    },
    { isAuthority: true, zone: 'a.test', values: [] },
  ],
  [
    'a zone that is elsewhere is named by the NS of a referral',
    { flags: 0, answers: [], authorities: [{ type: 'NS', name: 'a.test', data: 'ns.b.test' }] },
    { isAuthority: false, zone: 'a.test', values: [] },
  ],
  ['an answer out of a cache is none', { flags: 0 }, NO_AUTHORITY],
])('%s', async ([, differs, expected]) => {
  const { port } = await startServer((query) => [answer(query, differs)]);
  expect(await ask(port)).toEqual(expected);
});

test.for<[string, Packet, string]>([
  ['a refusal', { flags: 5 }, 'answers REFUSED'],
  ['a failure', { flags: AUTHORITATIVE_ANSWER | 2 }, 'answers SERVFAIL'],
])('does not take %s', async ([, differs, message]) => {
  const { port } = await startServer((query) => [answer(query, differs)]);
  await expect(ask(port)).rejects.toThrow(message);
});

test('asks for no recursion, with an id of its own each time', async () => {
  const { port, queries } = await startServer((query) => [answer(query)]);
  await ask(port);
  await ask(port);
  expect(queries.map(({ flag_rd }) => flag_rd)).toEqual([false, false]);
  expect(queries[0]?.questions).toEqual([{ type: 'TXT', class: 'IN', name: NAME }]);
});

test('asks a second time when the first packet is lost', async () => {
  const { port } = await startServer((query, asked) => (asked === 1 ? [] : [answer(query)]));
  expect((await ask(port, 50)).values).toEqual(['x']);
});

test('gives up after the second', async () => {
  const { port, queries } = await startServer(() => []);
  await expect(ask(port, 20)).rejects.toThrow('does not answer');
  expect(queries).toHaveLength(2);
});

test('hears at once that nobody listens', async () => {
  const { port } = await startServer(() => []);
  for (const close of closing.splice(0)) close();
  await expect(ask(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
