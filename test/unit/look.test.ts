import { expect, test } from 'vitest';
import type { SecretMetadata } from '../../shared/domain/delivery.ts';
import type { Ingress, Rules } from '../../shared/domain/request.ts';
import { CertificateError } from '../../shared/errors.ts';
import { type Look, lookAt } from '../../shared/jobs/look.ts';
import type { ClusterReader } from '../../shared/ports.ts';
import { cluster, day, desired, ingress, rules, secret, target } from './build.ts';

const word = (differs: Partial<Look> = {}): Look => ({
  certificate: desired().id,
  names: ['www.a.test'],
  issuer: 'production',
  targets: [target()],
  ...differs,
});

const over = (reader: Partial<ClusterReader>) => ({
  readers: async () => ({ ingresses: async () => [], secret: async () => undefined, ...reader }),
  time: { now: () => day(10) },
});

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
  const found = await lookAt(
    word(differs),
    over({ ingresses: async () => ingresses }),
    rules({ clusters: [cluster()], ...of }),
  );
  expect(found).toMatchObject(expected as object[]);
});

test('a namespace whose Ingresses cannot be read leaves it open who gets the Secret', async () => {
  const ingresses = async () => {
    throw new CertificateError('cluster-unreachable', 'cluster prod answers nothing');
  };
  expect(await lookAt(word(), over({ ingresses }), rules())).toEqual([
    { state: 'unreadable', message: 'cluster prod answers nothing' },
  ]);
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
  expect(await lookAt(word({ targets }), ports, rules())).toMatchObject([
    { reason: 'secret-foreign' },
    { reason: 'secret-missing' },
    { reason: 'secret-missing' },
  ]);
  expect(read).toEqual(['shop']);
});
