import { X509Certificate } from 'node:crypto';
import { createServer as createTcpServer, type Server } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loopbackIdentity, type ServerIdentity } from '../../local/tls.ts';
import type { HandshakeOptions } from '../../shared/adapters/handshake.ts';
import type { Handshakes } from '../../shared/ports.ts';

/** What Handshakes promises, against listeners on loopback. */
export function handshakeContract(create: (options: HandshakeOptions) => Handshakes): void {
  let identity: ServerIdentity;
  let port: number;
  let silentPort: number;
  const asked: string[] = [];
  const servers: Server[] = [];

  const listen = async (server: Server) => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  };

  beforeAll(async () => {
    identity = await loopbackIdentity('handshake');
    const { key, certificate: cert } = identity;
    const listener = createServer({
      key,
      cert,
      SNICallback: (name, done) => {
        asked.push(name);
        done(null);
      },
    });
    port = await listen(listener);
    silentPort = await listen(createTcpServer((socket) => socket.resume()));
  });

  afterAll(async () => {
    await Promise.all(
      servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  });

  const loopback = (differs: Partial<HandshakeOptions> = {}) =>
    create({ allow: ['127.0.0.0/8'], ...differs });

  test('reads serial and fingerprint of whatever certificate is served, asking for the host', async () => {
    const { serialNumber, fingerprint256 } = new X509Certificate(identity.certificate);
    expect(await loopback().served('www.a.test', '127.0.0.1', port)).toEqual({
      serial: serialNumber.toLowerCase(),
      fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    });
    expect(asked).toContain('www.a.test');
  });

  test('resolves a name once and dials the address that was checked', async () => {
    const answers = [['127.0.0.1'], ['203.0.113.1']];
    const names: string[] = [];
    const resolve = async (name: string) => {
      names.push(name);
      return answers.shift() ?? [];
    };
    await loopback({ resolve }).served('a.test', 'lb.test', port);
    expect(names).toEqual(['lb.test']);
  });

  test('passes over the addresses of a name that may not be dialled', async () => {
    const resolve = async () => ['10.0.0.1', '127.0.0.1'];
    await loopback({ resolve }).served('a.test', 'lb.test', port);
  });

  test.for<[string, string, string]>([
    ['loopback', '127.0.0.1', 'loopback'],
    ['private', '10.1.2.3', 'private'],
    ['private, the middle block', '172.16.0.1', 'private'],
    ['private, the last block', '192.168.0.1', 'private'],
    ['link-local, as of a metadata server', '169.254.169.254', 'linkLocal'],
    ['shared (carrier-grade NAT)', '100.64.0.1', 'carrierGradeNat'],
    ['benchmarking', '198.18.0.1', 'reserved'],
    ['multicast', '224.0.0.1', 'multicast'],
    ['unspecified', '0.0.0.0', 'unspecified'],
    ['broadcast', '255.255.255.255', 'broadcast'],
    ['IPv6 loopback', '::1', 'loopback'],
    ['IPv6 unspecified', '::', 'unspecified'],
    ['IPv6 link-local', 'fe80::1', 'linkLocal'],
    ['IPv6 unique-local', 'fd00::1', 'uniqueLocal'],
    ['IPv6 multicast', 'ff02::1', 'multicast'],
    ['loopback in an IPv6 coat', '::ffff:127.0.0.1', 'loopback'],
    ['private in an IPv6 coat, in hex', '::ffff:a00:1', 'private'],
    ['private behind NAT64', '64:ff9b::a00:1', 'rfc6052'],
    ['loopback in an old IPv6 coat', '::7f00:1', 'unicast'],
    ['private behind 6to4', '2002:a00:1::', '6to4'],
  ])('refuses an address that is %s', async ([, address, range]) => {
    await expect(create({ allow: [] }).served('a.test', address, port)).rejects.toMatchObject({
      code: 'handshake-failed',
      message: expect.stringContaining(`is not a public address (${range})`),
    });
  });

  test('refuses a name that leads to such an address', async () => {
    const resolve = async () => ['169.254.169.254'];
    await expect(loopback({ resolve }).served('a.test', 'evil.test', port)).rejects.toMatchObject({
      message: expect.stringContaining('169.254.169.254 is not a public address'),
    });
  });

  test('refuses an address outside the allowed range', async () => {
    const handshakes = create({ allow: ['127.0.0.2/32'] });
    await expect(handshakes.served('a.test', '127.0.0.1', port)).rejects.toMatchObject({
      code: 'handshake-failed',
    });
  });

  test.for<[string, string]>([
    ['a wildcard', '*.a.test'],
    ['an IP address', '127.0.0.1'],
    ['nothing', ''],
    ['no name at all', 'a b.test'],
  ])('refuses %s as the host', async ([, host]) => {
    await expect(loopback().served(host, '127.0.0.1', port)).rejects.toMatchObject({
      code: 'handshake-failed',
      message: expect.stringContaining('the host'),
    });
  });

  test('says when nobody listens', async () => {
    const closed = createTcpServer();
    const free = await listen(closed);
    await new Promise<void>((resolve) => closed.close(() => resolve()));
    servers.pop();
    await expect(loopback().served('a.test', '127.0.0.1', free)).rejects.toMatchObject({
      code: 'handshake-failed',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('says when a listener is silent', async () => {
    await expect(
      loopback({ timeoutMs: 50 }).served('a.test', '127.0.0.1', silentPort),
    ).rejects.toMatchObject({
      code: 'handshake-failed',
      message: `handshake for a.test with 127.0.0.1 port ${silentPort}: no answer within 50 ms`,
    });
  });

  test('says when a name is not resolved in time', async () => {
    const resolve = () => new Promise<string[]>(() => {});
    await expect(
      loopback({ timeoutMs: 20, resolve }).served('a.test', 'slow.test', port),
    ).rejects.toMatchObject({ message: expect.stringContaining('no answer within 20 ms') });
  });

  test('says when a name has no address', async () => {
    await expect(
      loopback({ resolve: async () => [] }).served('a.test', 'none.test', port),
    ).rejects.toMatchObject({ message: expect.stringContaining('the name has no address') });
  });

  test('is not made with a range that is none', () => {
    expect(() => create({ allow: ['127.0.0.1'] })).toThrow('"127.0.0.1" is no range of addresses');
  });

  test('leaves no connection open', async () => {
    await loopback().served('a.test', '127.0.0.1', port);
    for (const server of servers) await expect.poll(() => connections(server)).toBe(0);
  });
}

const connections = (server: Server) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
