import { expect, test } from 'vitest';
import type { SecretMetadata } from '../../shared/domain/delivery.ts';
import type { Ingress, Rules } from '../../shared/domain/request.ts';
import { CertificateError } from '../../shared/errors.ts';
import { type Look, lookAt } from '../../shared/jobs/look.ts';
import type { ClusterReader, Zone } from '../../shared/ports.ts';
import { cluster, day, desired, ingress, rules, secret, target } from './build.ts';

const word = (differs: Partial<Look> = {}): Look => ({
  certificate: desired().id,
  names: ['www.a.test'],
  issuer: 'production',
  targets: [target()],
  ...differs,
});

const over = (reader: Partial<ClusterReader>, zones: readonly string[] = ['a.test']) => ({
  zones: { list: async () => zones.map((dnsName) => zone(dnsName)) },
  log: { debug() {}, info() {}, warn() {}, error() {} },
  readers: async () => ({
    ingresses: async () => [],
    secret: async () => undefined,
    namespace: async () => 'active' as const,
    ...reader,
  }),
  time: { now: () => day(10) },
});

const settings = { rules: rules(), zoneProjects: ['p'] };
const zone = (dnsName: string): Zone => ({ project: 'p', zone: dnsName, dnsName, nameServers: [] });

const other = ingress({ tls: [{ hosts: ['other.a.test'], secretName: 'tls' }] });
const byIssuer = (name: string): Ingress =>
  ingress({ name, annotations: { 'certherd/issuer': name } });

const taken = (message: string) => [{ state: 'refused', reason: 'target-taken', message }];

test.for<[string, Partial<Look>, Ingress[], Partial<Rules>, unknown]>([
  ['nobody else asks for the Secret', {}, [], {}, [{ state: 'behind' }]],
  ['an Ingress asks for the very same', {}, [ingress()], {}, [{ state: 'behind' }]],
  [
    'an Ingress asks for another certificate',
    {},
    [other],
    {},
    taken('Secret tls gets the certificate that Ingress shop/web asks for; name another Secret'),
  ],
  [
    'an Ingress would have more names in it',
    {},
    [ingress(), other],
    {},
    taken('Secret tls gets the certificate that Ingress shop/web asks for; name another Secret'),
  ],
  [
    'an Ingress asks for another Secret',
    { targets: [target({ secret: 'free' })] },
    [other],
    {},
    [{ state: 'behind' }],
  ],
  [
    'an Ingress of another class is none of ours',
    {},
    [{ ...other, className: 'traefik' }],
    {},
    [{ state: 'behind' }],
  ],
  [
    'the configuration asks for another certificate',
    {},
    [],
    { certificates: [{ ...target(), names: ['*.a.test'], issuer: undefined }] },
    taken(
      'Secret tls gets the certificate that configuration shop/tls asks for; name another Secret',
    ),
  ],
  [
    'two Ingresses that do not agree leave it to nobody',
    {},
    [byIssuer('production'), byIssuer('staging')],
    {},
    taken(
      'Secret tls is asked for from issuer production by Ingress shop/production and from staging by Ingress shop/staging; name one issuer or two Secrets',
    ),
  ],
  [
    'a word that the policy forbids',
    { names: ['*.a.test'] },
    [],
    {},
    taken(
      'no rule gives *.a.test to namespace shop; add it to "allow" of cluster prod with wildcards: true',
    ),
  ],
  [
    'each Secret on its own, in the order asked for',
    { targets: [target({ secret: 'free' }), target()] },
    [other],
    {},
    [{ state: 'behind' }, { state: 'refused' }],
  ],
])('a look: %s', async ([, differs, ingresses, of, expected]) => {
  const found = await lookAt(word(differs), over({ ingresses: async () => ingresses }), {
    rules: rules({ clusters: [cluster()], ...of }),
    zoneProjects: ['p'],
  });
  expect(found).toMatchObject({ outside: undefined, secrets: expected });
});

test.for<[string, Ingress[], object]>([
  ['refuses the Secret', [], { state: 'refused', reason: 'namespace-missing' }],
  ['is believed to be there while an Ingress is', [ingress()], { state: 'behind' }],
])('a namespace that is said not to exist %s', async ([, ingresses, expected]) => {
  const ports = over({ ingresses: async () => ingresses, namespace: async () => undefined });
  expect(await lookAt(word(), ports, settings)).toMatchObject({ secrets: [expected] });
});

test('a namespace whose Ingresses cannot be read leaves it open who gets the Secret', async () => {
  const ingresses = async () => {
    throw new CertificateError('cluster-unreachable', 'cluster prod answers nothing');
  };
  expect(await lookAt(word(), over({ ingresses }), settings)).toMatchObject({
    secrets: [{ state: 'unreadable', message: 'cluster prod answers nothing' }],
  });
});

test('the Ingresses of a namespace are read once, and a foreign Secret is foreign whoever asks', async () => {
  const read: (string | undefined)[] = [];
  const foreign: SecretMetadata = secret({ installation: undefined });
  const ports = over({
    secret: async (_, name) => (name === 'tls' ? foreign : undefined),
    async ingresses(namespace) {
      read.push(namespace);
      return [other];
    },
  });
  const targets = ['tls', 'one', 'two'].map((name) => target({ secret: name }));
  expect((await lookAt(word({ targets }), ports, settings)).secrets).toMatchObject([
    { reason: 'secret-foreign' },
    { reason: 'secret-missing' },
    { reason: 'secret-missing' },
  ]);
  expect(read).toEqual(['shop']);
});

test.for<[string, string[], string[], Partial<Rules>, string | undefined]>([
  ['a name in a zone', ['www.a.test'], ['a.test'], {}, undefined],
  [
    'a name in none',
    ['www.a.test', 'www.b.test'],
    ['a.test'],
    {},
    'host www.b.test lies in none of the public zones',
  ],
  [
    'a name below a delegated suffix',
    ['www.b.test'],
    ['a.test'],
    { delegated: ['b.test'] },
    undefined,
  ],
])('a look for no Secret tells of %s', async ([, names, zones, of, message]) => {
  const asked = word({ names, targets: [] });
  const found = await lookAt(asked, over({}, zones), { rules: rules(of), zoneProjects: ['p'] });
  expect(found.secrets).toEqual([]);
  if (message === undefined) expect(found.outside).toBeUndefined();
  else expect(found.outside).toContain(message);
});

test('while a zone cannot be read no name is called outside', async () => {
  const ports = {
    ...over({}),
    zones: { list: async () => Promise.reject(new CertificateError('dns-unavailable', 'no')) },
  };
  const found = await lookAt(word({ names: ['www.b.test'], targets: [] }), ports, settings);
  expect(found.outside).toBeUndefined();
});
