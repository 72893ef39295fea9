import { expect, test } from 'vitest';
import type { Ingress } from '../../shared/domain/request.ts';
import { prove, type ServedHost, servedHosts } from '../../shared/jobs/verify.ts';
import type { Handshakes, Time } from '../../shared/ports.ts';
import { day, ingress, issued, later, target } from './build.ts';

const host = (differs: Partial<ServedHost> = {}): ServedHost => ({
  ...{ cluster: 'prod', host: 'www.a.test', target: target(), address: '192.0.2.1', port: 443 },
  ...differs,
});

/** Virtual time, and listeners each of whose answers takes a while. */
function listeners(answers: Handshakes['served'], takesMs = 0) {
  let now = day(0);
  let tries = 0;
  const pass = async (ms: number) => {
    now = later(now, ms);
  };
  const time: Time = { now: () => now, sleep: pass };
  const handshakes: Handshakes = {
    async served(...args) {
      tries += 1;
      await pass(takesMs);
      return answers(...args);
    },
  };
  const ports = { handshakes, time };
  return { ports, tries: () => tries, tookMs: () => now.getTime() - day(0).getTime() };
}

const silent: Handshakes['served'] = async () => {
  throw new Error('no answer');
};
const serving: Handshakes['served'] = async () => issued();

test('a host that serves the certificate is proven at the first try', async () => {
  const one = listeners(serving);
  const proofs = await prove([host()], issued(), one.ports);
  expect(proofs).toMatchObject([{ host: 'www.a.test', serial: '0a', proven: true }]);
  expect(one.tries()).toBe(1);
});

test('a host is asked again until it serves the certificate', async () => {
  let polls = 0;
  const one = listeners(async () => {
    polls += 1;
    return polls < 5 ? issued({ serial: '09', fingerprint: 'f0' }) : issued();
  });
  expect(await prove([host()], issued(), one.ports)).toMatchObject([{ proven: true }]);
  expect(one.tries()).toBe(5);
});

test('silent hosts, however many, are given up together; those whose turn did not come are not tried', async () => {
  const hosts = Array.from({ length: 300 }, (_, n) => host({ host: `h${n}.a.test` }));
  const one = listeners(silent, 100);
  const proofs = await prove(hosts, issued(), one.ports);
  expect(proofs).toHaveLength(300);
  expect(proofs.every(({ proven }) => !proven)).toBe(true);
  expect(new Set(proofs.map(({ reason }) => reason))).toEqual(
    new Set(['no answer', 'not tried in time']),
  );
  expect(proofs.at(-1)?.reason).toBe('not tried in time');
  expect(one.tries()).toBeLessThan(150);
  expect(one.tookMs()).toBeLessThan(30_000);
});

test('a host without an address is named as such, also when time is up', async () => {
  const hosts = Array.from({ length: 16 }, (_, n) => host({ host: `h${n}.a.test` }));
  const one = listeners(silent, 20_000);
  const proofs = await prove([...hosts, host({ address: undefined })], issued(), one.ports);
  expect(proofs.at(-1)?.reason).toBe('the Ingress has no address in its status');
});

const tls = (hosts: readonly string[], secretName = 'tls') => ({ hosts, secretName });
const listener = (address: string, port = 443) => ({ address, port });
const HTTPS = listener('192.0.2.1');

test.for<[string, Partial<Ingress>, readonly string[]]>([
  ['a host is asked for', { tls: [tls(['www.a.test'])] }, ['www.a.test 192.0.2.1 443']],
  ['a host is lower-cased', { tls: [tls(['WWW.a.test'])] }, ['www.a.test 192.0.2.1 443']],
  ['a wildcard is never dialled', { tls: [tls(['*.a.test'])] }, []],
  ['what is no name is never dialled', { tls: [tls(['a_b.a.test', '192.0.2.7', ''])] }, []],
  [
    'a good host goes on beside both',
    { tls: [tls(['*.a.test', 'a_b.a.test', 'www.a.test'])] },
    ['www.a.test 192.0.2.1 443'],
  ],
  ['without hosts those of the rules are', { tls: [tls([])] }, ['www.a.test 192.0.2.1 443']],
  ['the hosts of another Secret are not', { tls: [tls(['www.a.test'], 'another')] }, []],
  [
    'each listener is asked once, however often a host stands there',
    {
      tls: [tls(['www.a.test', 'www.a.test']), tls(['www.a.test'])],
      addresses: [HTTPS, listener('192.0.2.1', 8443)],
    },
    ['www.a.test 192.0.2.1 443', 'www.a.test 192.0.2.1 8443'],
  ],
  ['an Ingress without an address has none', { addresses: [] }, ['www.a.test undefined 443']],
])('of the hosts of a TLS block %s', ([, differs, expected]) => {
  const of = ingress({ addresses: [HTTPS], ...differs });
  const hosts = servedHosts([{ cluster: 'prod', ingress: of }], [target()]);
  expect(hosts.map(({ host: name, address, port }) => `${name} ${address} ${port}`)).toEqual(
    expected,
  );
});
