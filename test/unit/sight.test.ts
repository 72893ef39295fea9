import { expect, test } from 'vitest';
import { CertificateError } from '../../shared/errors.ts';
import { lookout } from '../../shared/jobs/sight.ts';
import type { ClusterReader } from '../../shared/ports.ts';
import { secret, target } from './build.ts';

/** Eyes on a cluster whose one Ingress lives in `shop`, where every Secret is absent, and which namespaces it was asked for. */
function looking(differs: Partial<ClusterReader> = {}) {
  const read: string[] = [];
  const reader: ClusterReader = {
    ingresses: async () => [],
    secret: async () => undefined,
    async namespace(name) {
      read.push(name);
      return name === 'web' ? 'active' : undefined;
    },
    ...differs,
  };
  const sight = lookout({ readers: async () => reader }, [{ cluster: 'prod', namespace: 'shop' }]);
  return { read, sight: (namespace: string) => sight(target({ namespace })) };
}

const homeless = (problem: string) => ({
  state: 'homeless',
  message: `cannot be made: namespace nowhere ${problem}`,
});

test.for<[string, string, Partial<ClusterReader>, object]>([
  ['is there', 'nowhere', { secret: async () => secret() }, { state: 'present', secret: secret() }],
  ['is absent where an Ingress lives', 'shop', {}, { state: 'absent' }],
  ['is absent from a namespace without one', 'web', {}, { state: 'absent' }],
  [
    'is absent together with its namespace',
    'nowhere',
    {},
    homeless('does not exist in cluster prod; create it'),
  ],
  [
    'is absent from a namespace that is being deleted',
    'nowhere',
    { namespace: async () => 'terminating' },
    homeless('of cluster prod is being deleted; create it again when it is gone'),
  ],
  [
    'is absent from a namespace that we may not look at',
    'nowhere',
    { namespace: () => Promise.reject(new CertificateError('cluster-forbidden', 'grant get')) },
    { state: 'unreadable', message: 'grant get' },
  ],
])('a Secret that %s', async ([, namespace, differs, expected]) => {
  expect(await looking(differs).sight(namespace)).toEqual(expected);
});

test('of two clusters each has namespaces of its own', async () => {
  const clusters = { prod: undefined, other: 'active' } as const;
  const sight = lookout(
    {
      readers: async (name) => ({
        ingresses: async () => [],
        secret: async () => undefined,
        namespace: async () => clusters[name as keyof typeof clusters],
      }),
    },
    [],
  );
  const states = Object.keys(clusters).map(async (name) => sight(target({ cluster: name })));
  expect((await Promise.all(states)).map(({ state }) => state)).toEqual(['homeless', 'absent']);
});

test('a namespace is read once for all that is absent from it, and not where an Ingress lives', async () => {
  const { read, sight } = looking();
  await Promise.all(['web', 'shop', 'nowhere', 'web', 'nowhere'].map(sight));
  await sight('web');
  expect(read).toEqual(['web', 'nowhere']);
});
