import type { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import ipaddr from 'ipaddr.js';
import { isWildcard, parseName } from '../domain/names.ts';
import { CertificateError, messageOf } from '../errors.ts';
import type { Handshakes } from '../ports.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

export type HandshakeOptions = Readonly<{
  /** Ranges (CIDR) that may be dialled although they are not public. */
  allow: readonly string[];
  /** For the resolution and the handshake together; 5 s by default. */
  timeoutMs?: number | undefined;
  /** The addresses of a host name; the machine's resolver by default. */
  resolve?: ((hostname: string) => Promise<readonly string[]>) | undefined;
}>;

const LIMIT_MS = 5_000;
const GLOBAL = ipaddr.parseCIDR('2000::/3');

/**
 * Reads the certificate that a listener serves for a host. Where to look comes from a cluster's objects, which are
 * other people's, so only public addresses are dialled, and those of `allow`; a name is resolved once and what was
 * checked is what is dialled. Throws at once when a range of `allow` is none.
 */
export function createHandshakes(options: HandshakeOptions): Handshakes {
  const allowed = options.allow.map(rangeOf);
  const { timeoutMs = LIMIT_MS, resolve = addressesOf } = options;
  return {
    async served(host, address, port) {
      const at = `handshake for ${host} with ${address} port ${port}`;
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        const servername = serverName(host);
        const found = isIP(address) ? [address] : await within(deadline, resolve(address));
        const certificate = await peerCertificate(
          { host: dialable(found, allowed), port, servername },
          deadline,
        );
        return { serial: certificate.serialNumber.toLowerCase(), fingerprint: hex(certificate) };
      } catch (error) {
        const reason = deadline.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error);
        throw new CertificateError('handshake-failed', `${at}: ${reason}`, { cause: error });
      }
    },
  };
}

function serverName(host: string): string {
  const parsed = parseName(host);
  if ('problem' in parsed) throw new Error(`the host ${parsed.problem}`);
  if (isWildcard(parsed.name)) throw new Error('the host is a wildcard; ask for a name below it');
  return parsed.name;
}

async function addressesOf(hostname: string): Promise<readonly string[]> {
  const found = await lookup(hostname, { all: true, order: 'ipv4first' });
  return found.map(({ address }) => address);
}

function dialable(addresses: readonly string[], allowed: readonly Range[]): string {
  // An IPv4 address in an IPv6 coat leads to the same machine, so it is judged, and dialled, as IPv4.
  const parsed = addresses.filter((address) => isIP(address)).map((text) => ipaddr.process(text));
  const good = parsed.find((address) => isPublic(address) || isAllowed(address, allowed));
  if (good) return good.toString();
  const [first] = parsed;
  if (!first) throw new Error('the name has no address');
  throw new Error(
    `${first} is not a public address (${first.range()}); add its range to handshake.allow if it may be dialled`,
  );
}

// What the registries keep for a purpose (RFC 6890) has another name; of IPv6 they give out only one block as yet (RFC 4291).
const isPublic = (address: Address) =>
  address.range() === 'unicast' && (address.kind() === 'ipv4' || address.match(GLOBAL));

const isAllowed = (address: Address, allowed: readonly Range[]) =>
  allowed.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits));

function rangeOf(range: string): Range {
  try {
    return ipaddr.parseCIDR(range);
  } catch (error) {
    throw new CertificateError(
      'config-invalid',
      `"${range}" is no range of addresses; write one as 10.0.0.0/8`,
      { cause: error },
    );
  }
}

type Listener = Readonly<{ host: string; port: number; servername: string }>;

async function peerCertificate(to: Listener, deadline: AbortSignal): Promise<X509Certificate> {
  // Trust is not asked: the certificate is compared with the stored one, and one that is wrong must be seen, not hidden.
  const socket = connect({ ...to, rejectUnauthorized: false });
  try {
    await within(deadline, secured(socket));
    const certificate = socket.getPeerX509Certificate();
    if (certificate) return certificate;
    throw new Error('the listener shows no certificate');
  } finally {
    socket.destroy();
  }
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    // Stays after the first: destroying a socket that is still connecting can fail once more.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('the listener closed the connection')));
  });
}

function within<T>(deadline: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(deadline.reason), { once: true });
    if (deadline.aborted) reject(deadline.reason);
    work.then(resolve, reject);
  });
}

const hex = ({ fingerprint256 }: X509Certificate) =>
  fingerprint256.replaceAll(':', '').toLowerCase();
