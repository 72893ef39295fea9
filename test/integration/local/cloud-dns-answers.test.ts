import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type Answer, encode, type Question, RECURSION_DESIRED, streamEncode } from 'dns-packet';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { CloudDns } from '../../../local/cloud-dns/cloud-dns.ts';
import {
  APEX_NS,
  api,
  ask,
  closeStarted,
  lines,
  many,
  NAME,
  overTcp,
  overUdp,
  question,
  recursively,
  resolverOf,
  set,
  start,
  startWithZone,
} from './cloud-dns/service.ts';

afterEach(closeStarted);

const RECORDS: readonly [string, string, ...string[]][] = [
  ['www.a.test', 'A', '127.0.0.1', '127.0.0.2'],
  ['www.a.test', 'AAAA', '::1'],
  ['a.test', 'CAA', '0 issue "ca.test"', '128 issuewild ";"'],
  ['deep.down.a.test', 'A', '127.0.0.1'],
  ['*.wild.a.test', 'TXT', 'wild'],
  ['own.wild.a.test', 'A', '127.0.0.3'],
  ['*.alias.a.test', 'CNAME', 'target.b.test.'],
  ['near.a.test', 'CNAME', 'www.a.test.'],
  ['far.a.test', 'CNAME', 'target.b.test.'],
  ['gone.a.test', 'CNAME', 'nowhere.invalid.'],
  ['loop.a.test', 'CNAME', 'pool.a.test.'],
  ['pool.a.test', 'CNAME', 'loop.a.test.'],
  ['_acme-challenge.a.test', 'CNAME', 'a-test.b.test.'],
  ['a-test.b.test', 'TXT', 'token', 'other'],
  ['target.b.test', 'A', '127.0.0.4'],
  ['secret.hidden.test', 'A', '127.0.0.5'],
  ['x.child.b.test', 'A', '127.0.0.6'],
];

/** The zones and records that each question below is asked of. */
async function startInternet(): Promise<CloudDns> {
  const { service } = await startWithZone();
  service.addZone({ project: 'p', dnsName: 'b.test' });
  service.addZone({ project: 'p', dnsName: 'hidden.test', delegated: false });
  service.addZone({ project: 'p', dnsName: 'child.b.test', delegated: false });
  service.addZone({ project: 'p', dnsName: 'a.test', visibility: 'private' });
  service.addRecords(RECORDS.map(([name, type, ...rrdatas]) => ({ name, type, rrdatas })));
  const cuts = [
    set('child.b.test.', 'NS', APEX_NS),
    set('away.b.test.', 'NS', ['ns1.elsewhere.test.']),
  ];
  await api(service, '/managedZones/b-test/changes', { body: { additions: cuts } });
  return service;
}

const serversOf = (zone: string) => APEX_NS.map((server) => `${zone} NS ${server.slice(0, -1)}`);
const SERVER = 'ns-cloud-b3.googledomains.com';

type Row = [string, string, string, string, ...string[]];

describe('a question with RD is answered as by a recursive resolver:', () => {
  test.for<Row>([
    ['addresses', 'www.a.test', 'A', 'NOERROR', 'www.a.test A 127.0.0.1', 'www.a.test A 127.0.0.2'],
    ['an IPv6 address', 'www.a.test', 'AAAA', 'NOERROR', 'www.a.test AAAA ::1'],
    ['in the spelling of the caller', 'wWw.A.tEst', 'AAAA', 'NOERROR', 'wWw.A.tEst AAAA ::1'],
    ['the servers of a zone', 'b.test', 'NS', 'NOERROR', ...serversOf('b.test')],
    [
      'an alias into another zone',
      ...['far.a.test', 'A', 'NOERROR'],
      ...['far.a.test CNAME target.b.test', 'target.b.test A 127.0.0.4'],
    ] as Row,
    [
      'a challenge delegated into another zone',
      ...['_acme-challenge.a.test', 'TXT', 'NOERROR', '_acme-challenge.a.test CNAME a-test.b.test'],
      ...['a-test.b.test TXT token', 'a-test.b.test TXT other'],
    ] as Row,
    ['the alias itself', 'far.a.test', 'CNAME', 'NOERROR', 'far.a.test CNAME target.b.test'],
    ['an alias without that type', 'near.a.test', 'CAA', 'NOERROR', 'near.a.test CNAME www.a.test'],
    ['an alias to nowhere', 'gone.a.test', 'A', 'NXDOMAIN', 'gone.a.test CNAME nowhere.invalid'],
    ['an alias of itself', 'loop.a.test', 'A', 'SERVFAIL'],
    ['a wildcard', 'any.wild.a.test', 'TXT', 'NOERROR', 'any.wild.a.test TXT wild'],
    [
      'a wildcard over several labels',
      'x.y.wild.a.test',
      'TXT',
      'NOERROR',
      'x.y.wild.a.test TXT wild',
    ],
    ['the wildcard itself', '*.wild.a.test', 'TXT', 'NOERROR', '*.wild.a.test TXT wild'],
    [
      'a wildcard that is an alias',
      ...['x.alias.a.test', 'A', 'NOERROR'],
      ...['x.alias.a.test CNAME target.b.test', 'target.b.test A 127.0.0.4'],
    ] as Row,
    ['a wildcard without that type', 'any.wild.a.test', 'A', 'NOERROR'],
    ['a name beside a wildcard', 'own.wild.a.test', 'TXT', 'NOERROR'],
    ['a name below the one beside', 'x.own.wild.a.test', 'TXT', 'NXDOMAIN'],
    ['the name above a wildcard', 'wild.a.test', 'TXT', 'NOERROR'],
    ['an empty name between others', 'down.a.test', 'A', 'NOERROR'],
    ['a name that is not there', 'nope.a.test', 'A', 'NXDOMAIN'],
    ['another type', 'www.a.test', 'CAA', 'NOERROR'],
    ['a type nobody knows', 'www.a.test', 'UNKNOWN_65', 'NOERROR'],
    ['an ancestor of zones', 'test', 'CAA', 'NOERROR'],
    ['a name outside every zone', 'x.invalid', 'A', 'NXDOMAIN'],
    ['a zone that is not delegated', 'secret.hidden.test', 'A', 'NXDOMAIN'],
    [
      'a zone delegated by NS records',
      'x.child.b.test',
      'A',
      'NOERROR',
      'x.child.b.test A 127.0.0.6',
    ],
    ['a name behind servers out of reach', 'x.away.b.test', 'A', 'SERVFAIL'],
    ['the address of a name server', SERVER, 'A', 'NOERROR', `${SERVER} A 127.0.0.1`],
    ['a name server without IPv6', SERVER, 'AAAA', 'NOERROR'],
    ['no transfer', 'a.test', 'AXFR', 'REFUSED'],
  ])('%s', async ([, name, type, rcode, ...answers]) => {
    const said = await recursively(await startInternet(), name, type as Question['type']);
    expect([said.rcode, ...lines(said.answers)]).toEqual([rcode, ...answers]);
    expect([said.flag_ra, said.flag_aa, said.id]).toEqual([true, false, 4711]);
    expect(said.questions).toEqual([{ name, type, class: 'IN' }]);
  });

  test('CAA records with their flags and tags', async () => {
    expect(await resolverOf(await startInternet()).resolveCaa('a.test')).toMatchObject([
      { critical: 0, issue: 'ca.test' },
      { critical: 128, issuewild: ';' },
    ]);
  });
});

describe('a question without RD is answered by the authority:', () => {
  const inZone = 'near.a.test CNAME www.a.test';
  test.for<[string, string, string, string, boolean, ...string[]]>([
    ['addresses', 'www.a.test', 'AAAA', 'NOERROR', true, 'www.a.test AAAA ::1'],
    ['an alias in the zone', 'near.a.test', 'AAAA', 'NOERROR', true, inZone, 'www.a.test AAAA ::1'],
    ['an alias out of it', 'far.a.test', 'A', 'NOERROR', true, 'far.a.test CNAME target.b.test'],
    ['a name that is not there', 'nope.a.test', 'A', 'NXDOMAIN', true],
    ['an empty name between others', 'down.a.test', 'A', 'NOERROR', true],
    [
      'a zone, delegated or not',
      'secret.hidden.test',
      'A',
      'NOERROR',
      true,
      'secret.hidden.test A 127.0.0.5',
    ],
    ['a name below a cut', 'x.away.b.test', 'A', 'NOERROR', false],
    ['nothing outside every zone', 'x.invalid', 'A', 'REFUSED', false],
  ])('%s', async ([, name, type, rcode, authoritative, ...answers]) => {
    const said = await ask(await startInternet(), name, type as Question['type']);
    expect([said.rcode, said.flag_aa, ...lines(said.answers)]).toEqual([
      rcode,
      authoritative,
      ...answers,
    ]);
    expect(said.flag_ra).toBe(false);
  });

  test.for<[string, string, string[]]>([
    ['the SOA where there is nothing', 'nope.a.test', ['a.test SOA …']],
    ['the servers of a cut', 'x.away.b.test', ['away.b.test NS ns1.elsewhere.test']],
  ])('names %s', async ([, name, authorities]) => {
    expect(lines((await ask(await startInternet(), name, 'A')).authorities)).toEqual(authorities);
  });
});

const edns = (udpPayloadSize: number, ednsVersion = 0): Answer => ({
  ...{ type: 'OPT', name: '.', udpPayloadSize, ednsVersion, extendedRcode: 0 },
  ...{ flags: 0, flag_do: false, options: [] },
});

/** A service whose `NAME` holds so many values of 43 letters, as digests are. */
async function startWithValues(count: number): Promise<CloudDns> {
  const { service } = await startWithZone();
  const rrdatas = many(count, (n) => `${n}`.padStart(43, 'v'));
  service.addRecords([{ name: NAME, type: 'TXT', rrdatas }]);
  return service;
}

describe('on the wire', () => {
  test('an answer beyond 512 bytes is cut off over UDP and whole over TCP', async () => {
    const service = await startWithValues(20);
    const cut = await ask(service, NAME, 'TXT');
    expect([cut.flag_tc, cut.answers]).toEqual([true, []]);
    const query = streamEncode(question(NAME, 'TXT', { flags: RECURSION_DESIRED }));
    const [whole] = await overTcp(service, [query]);
    expect([whole?.flag_tc, whole?.answers?.length]).toEqual([false, 20]);
    expect(await resolverOf(service).resolveTxt(NAME)).toHaveLength(20);
  });

  test('EDNS makes room for more and is answered with EDNS', async () => {
    const service = await startWithValues(10);
    const said = await ask(service, NAME, 'TXT', { additionals: [edns(1232)] });
    expect([said.flag_tc, said.answers?.length]).toEqual([false, 10]);
    expect(said.additionals).toMatchObject([{ udpPayloadSize: 1232, ednsVersion: 0 }]);
  });

  test('an EDNS version to come is refused as BADVERS', async () => {
    const service = await startWithValues(1);
    const said = await ask(service, NAME, 'TXT', { additionals: [edns(1232, 1)] });
    expect(said.answers).toEqual([]);
    expect(said.additionals).toMatchObject([{ extendedRcode: 1, ednsVersion: 0 }]);
  });

  test('several questions come over one connection, split anywhere', async () => {
    const query = streamEncode(question(NAME, 'TXT'));
    const both = Buffer.concat([query, query]);
    const cuts = [1, query.length + 3];
    const parts = [both.subarray(0, cuts[0]), both.subarray(...cuts), both.subarray(cuts[1])];
    const said = await overTcp(await startWithValues(1), parts, 2);
    expect(said.map(({ answers }) => answers?.length)).toEqual([1, 1]);
  });

  const plain = encode(question('www.a.test', 'A'));
  const dotted = Buffer.from('\x05www.a\x04test\0\0\x01\0\x01', 'latin1');
  const header = (opcode: number) => Buffer.from([0x12, 0x67, opcode << 3, ...Array(9).fill(0)]);
  const asked = (...questions: Question[]) => encode({ id: 7, questions });

  test.for<[string, Buffer, string]>([
    ['a header without a question', header(0), 'FORMERR'],
    ['a question cut off', plain.subarray(0, 20), 'FORMERR'],
    [
      'two questions',
      asked({ name: 'a.test', type: 'A' }, { name: 'a.test', type: 'A' }),
      'FORMERR',
    ],
    ['a dot in a label', Buffer.concat([plain.subarray(0, 12), dotted]), 'FORMERR'],
    ['NOTIFY', header(4), 'NOTIMP'],
    ['UPDATE', header(5), 'NOTIMP'],
    ['the class CH', asked({ name: 'a.test', type: 'A', class: 'CH' }), 'REFUSED'],
  ])('%s is an error, and the next question is answered', async ([, message, rcode]) => {
    const { service } = await startWithZone();
    const said = await overUdp(service, message);
    expect([said.rcode, said.id]).toEqual([rcode, message.readUInt16BE(0)]);
    expect((await ask(service, 'a.test', 'NS')).rcode).toBe('NOERROR');
  });

  test('no bytes whatever stop the server', async () => {
    const { service } = await startWithZone();
    const socket = createSocket('udp4');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (bytes) => {
        socket.send(bytes, service.dnsPort, '127.0.0.1');
        const stream = connect(service.dnsPort, '127.0.0.1').on('error', () => {});
        stream.end(Buffer.from([0, bytes.length, ...bytes])).resume();
        await once(stream, 'close');
      }),
      { numRuns: 50 },
    );
    socket.close();
    expect((await ask(service, 'a.test', 'NS')).rcode).toBe('NOERROR');
  });
});

test('a port that is taken is an error', async () => {
  const { dnsPort } = await start();
  await expect(start({ dnsPort })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
