import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DesiredCertificate, group, targetKey } from '../../shared/domain/grouping.ts';
import { covers, isWildcard } from '../../shared/domain/names.ts';
import { isAllowed } from '../../shared/domain/policy.ts';
import {
  type Context,
  configuredRequests,
  type Ingress,
  ingressRequests,
  type Refusal,
  type RefusalReason,
  type Request,
  type Requests,
} from '../../shared/domain/request.ts';
import { ingresses, someRules } from './arbitrary.ts';
import { context, day, request, rules } from './build.ts';
import { GKE, MYBINDER, OVH } from './mybinder.ts';

/** Names and Secrets of each certificate. */
const shape = (certificates: readonly DesiredCertificate[]) =>
  certificates.map(({ identity, targets }) => [identity.names, targets.map(targetKey)]);

const grouped = (...requests: readonly Request[]) => group(requests, rules());
const source = (name: string) => ({ ...request().source, name });

describe('requests', () => {
  test('that ask the same share one certificate', () => {
    const found = grouped(request(), request({ target: { namespace: 'blog' } }));
    expect(found).toEqual({
      certificates: [
        {
          id: expect.stringMatching(/^www-a-test-/),
          identity: { names: ['www.a.test'], issuer: 'production', keyType: 'ec-p256' },
          targets: [
            { cluster: 'prod', namespace: 'shop', secret: 'tls' },
            { cluster: 'prod', namespace: 'blog', secret: 'tls' },
          ],
          askers: [
            { cluster: 'prod', namespace: 'blog' },
            { cluster: 'prod', namespace: 'shop' },
          ],
        },
      ],
      refusals: [],
    });
  });

  test.for<[string, readonly Request[], readonly unknown[]]>([
    [
      'share across clusters',
      [request(), request({ target: { cluster: 'ovh' } })],
      [[['www.a.test'], ['prod/shop/tls', 'ovh/shop/tls']]],
    ],
    [
      'share whatever the order of their names',
      [
        request({ names: ['a.test', 'b.test'] }),
        request({ names: ['b.test', 'a.test'], target: { secret: 'two' } }),
      ],
      [
        [
          ['a.test', 'b.test'],
          ['prod/shop/tls', 'prod/shop/two'],
        ],
      ],
    ],
    [
      'share when a wildcard makes their names the same',
      [
        request({ names: ['*.a.test'] }),
        request({ names: ['*.a.test', 'x.a.test'], target: { secret: 'two' } }),
      ],
      [[['*.a.test'], ['prod/shop/tls', 'prod/shop/two']]],
    ],
    [
      'do not share with other names',
      [request(), request({ names: ['x.a.test'], target: { secret: 'two' } })],
      [
        [['www.a.test'], ['prod/shop/tls']],
        [['x.a.test'], ['prod/shop/two']],
      ],
    ],
    [
      'do not share with another issuer',
      [request(), request({ issuer: 'staging', target: { secret: 'two' } })],
      [
        [['www.a.test'], ['prod/shop/tls']],
        [['www.a.test'], ['prod/shop/two']],
      ],
    ],
    [
      'for one Secret are merged',
      [request({ names: ['b.test'] }), request({ names: ['a.test'] })],
      [[['a.test', 'b.test'], ['prod/shop/tls']]],
    ],
    ['for one Secret name it once', [request(), request()], [[['www.a.test'], ['prod/shop/tls']]]],
    ['are none', [], []],
  ])('%s', ([, requests, expected]) => {
    const { certificates, refusals } = grouped(...requests);
    expect(shape(certificates)).toEqual(expected);
    expect(refusals).toEqual([]);
  });

  test('get the key type of their issuer', () => {
    expect(grouped(request({ issuer: 'staging' })).certificates).toMatchObject([
      { identity: { issuer: 'staging', keyType: 'rsa-2048' } },
    ]);
  });
});

describe('requests for one Secret', () => {
  const names = (count: number, first = 0) =>
    Array.from({ length: count }, (_, index) => `h${first + index}.a.test`);
  // Each of 70 characters.
  const long = (count: number) =>
    Array.from({ length: count }, (_, index) => `${String(index).padStart(63, 'x')}.a.test`);
  const byHand = (at: number, differs: Parameters<typeof request>[0] = {}) =>
    request({ source: { ...source(`hand-${at}`), kind: 'manual' }, askedAt: day(at), ...differs });

  test.for<[string, readonly Request[], readonly [string, RefusalReason, string][], number]>([
    [
      'are all refused when their issuers differ, and both are named',
      [request({ source: source('one') }), request({ source: source('two'), issuer: 'staging' })],
      [
        [
          'one',
          'issuers-conflict',
          'from issuer production by Ingress shop/one and from staging by Ingress shop/two',
        ],
        [
          'two',
          'issuers-conflict',
          'from issuer production by Ingress shop/one and from staging by Ingress shop/two',
        ],
      ],
      0,
    ],
    ['may have 100 names', [request({ names: names(100) })], [], 1],
    ['may have names of 7000 characters in all', [request({ names: long(100) })], [], 1],
    [
      'may not have names of more',
      [request({ names: [...long(99), `${'y'.repeat(64)}.a.test`] })],
      [['web', 'too-many-names', 'names of 7001 characters']],
      0,
    ],
    [
      'may not have 101',
      [request({ names: names(101) })],
      [['web', 'too-many-names', 'Secret tls is asked for with 101 names']],
      0,
    ],
    [
      'may not have 101 together',
      [request({ names: names(100) }), request({ source: source('two'), names: names(1, 100) })],
      [
        ['web', 'too-many-names', '101 names'],
        ['two', 'too-many-names', '101 names'],
      ],
      0,
    ],
    [
      'may have more that a wildcard covers',
      [request({ names: [...names(101), '*.a.test'] })],
      [],
      1,
    ],
    ['by hand give way to what stands', [byHand(1), request()], [], 1],
    [
      'by hand give way to other names that stand',
      [byHand(1, { names: ['x.a.test'] }), request()],
      [
        [
          'hand-1',
          'target-taken',
          'Secret tls gets the certificate that Ingress shop/web asks for',
        ],
      ],
      1,
    ],
    [
      'by hand give way to another issuer that stands',
      [byHand(1, { issuer: 'staging' }), request()],
      [['hand-1', 'target-taken', 'Ingress shop/web']],
      1,
    ],
    [
      "by hand give way to that person's later word",
      [byHand(1, { names: ['x.a.test'] }), byHand(3), byHand(2, { names: ['y.a.test'] })],
      [
        ['hand-1', 'target-taken', 'manual shop/hand-3'],
        ['hand-2', 'target-taken', 'manual shop/hand-3'],
      ],
      1,
    ],
  ])('%s', ([, requests, expected, count]) => {
    const found = grouped(...requests);
    expect(found.certificates).toHaveLength(count);
    if (count === 1 && expected.length > 0)
      expect(found.certificates[0]?.identity.names).toEqual(['www.a.test']);
    expect(found.refusals).toEqual(
      expected.map(([name, reason, message]) =>
        expect.objectContaining({ name, reason, message: expect.stringContaining(message) }),
      ),
    );
  });

  test('refused for one Secret leave the others alone', () => {
    const found = grouped(
      request(),
      request({ issuer: 'staging' }),
      request({ target: { secret: 'two' } }),
    );
    expect(shape(found.certificates)).toEqual([[['www.a.test'], ['prod/shop/two']]]);
    expect(found.refusals).toHaveLength(2);
  });

  test('by hand of one moment do not depend on their order', () => {
    const two = [byHand(1), byHand(1, { names: ['x.a.test'] }), byHand(1, { issuer: 'staging' })];
    const ids = (of: readonly Request[]) => grouped(...of).certificates.map(({ id }) => id);
    expect(ids(two.toReversed())).toEqual(ids(two));
  });
});

describe("mybinder.org's clusters", () => {
  const around: Context = {
    rules: MYBINDER,
    zones: { suffixes: ['mybinder.org', 'mybinder.ovh'], complete: true },
  };
  const outcome = (name: string, of: readonly Ingress[], fromConfiguration: Requests) => {
    const { rules: all } = around;
    const found = all.clusters.find((one) => one.name === name) as (typeof all.clusters)[number];
    const parts = [...of.map((one) => ingressRequests(one, found, around)), fromConfiguration];
    expect(parts.flatMap(({ refusals }) => refusals)).toEqual([]);
    const { certificates, refusals } = group(
      parts.flatMap(({ requests }) => requests),
      all,
    );
    expect(refusals).toEqual([]);
    return Object.fromEntries(
      certificates.map(({ identity, targets }) => [
        identity.names.join(' '),
        targets.map(({ secret }) => secret),
      ]),
    );
  };

  test('on GKE get eight certificates, the one of mybinder.org in two Secrets', () => {
    expect(outcome('prod', GKE, { requests: [], refusals: [] })).toEqual({
      'gke.mybinder.org': ['kubelego-tls-binder-prod'],
      'hub.gke.mybinder.org hub.mybinder.org': ['kubelego-tls-jupyterhub-prod'],
      'grafana.mybinder.org': ['kubelego-tls-grafana'],
      'prometheus.mybinder.org': ['kubelego-tls-prometheus'],
      'static.mybinder.org': ['kubelego-tls-static'],
      'beta.mybinder.org docs.mybinder.org matomo.mybinder.org playground.mybinder.org status.mybinder.org':
        ['kubelego-tls-redirector'],
      'archive.analytics.mybinder.org': ['kubelego-tls-gcs-proxy'],
      'mybinder.org': ['kubelego-tls-federation-redirect', 'kubelego-tls-matomo'],
    });
  });

  test('on OVH get two, the wildcard in three Secrets', () => {
    expect(outcome('ovh', OVH, configuredRequests(around))).toEqual({
      '*.mybinder.ovh': ['kubelego-tls-static', 'kubelego-tls-redirector', 'tls-crt'],
      'ovh.mybinder.org': ['kubelego-tls-binder-ovh'],
    });
  });
});

type World = Readonly<{ around: Context; all: Requests }>;

/** Whatever Ingresses and configuration ask for under whatever rules. */
const worlds: fc.Arbitrary<World> = fc.tuple(someRules, ingresses).map(([differs, asking]) => {
  const around = context(differs, { suffixes: ['a.test', 'b.test'] });
  const parts = [
    configuredRequests(around),
    ...asking.map(({ cluster: name, ingress }) => {
      const of = around.rules.clusters.find((candidate) => candidate.name === name);
      return ingressRequests(ingress, of as NonNullable<typeof of>, around);
    }),
  ];
  return {
    around,
    all: {
      requests: parts.flatMap(({ requests }) => requests),
      refusals: parts.flatMap(({ refusals }) => refusals),
    },
  };
});

describe('whatever is asked', () => {
  const holds = (property: (world: World) => void) =>
    fc.assert(
      fc.property(worlds, (world) => property(world)),
      { numRuns: 150 },
    );

  /** Which certificate each Secret gets. */
  const outcome = (requests: readonly Request[], { rules: of }: Context) => {
    const { certificates, refusals } = group(requests, of);
    const byTarget = certificates.flatMap(({ id, targets }) =>
      targets.map((target) => `${targetKey(target)} ${id}`),
    );
    const said = refusals.map(
      ({ cluster, kind, namespace, name, reason }: Refusal) =>
        `${cluster} ${kind} ${namespace} ${name} ${reason}`,
    );
    return { byTarget: byTarget.sort(), refusals: said.sort() };
  };

  test('the order does not matter', () =>
    holds(({ all: { requests }, around }) => {
      expect(outcome(requests.toReversed(), around)).toEqual(outcome(requests, around));
    }));

  test('a part of a cluster is grouped as it is in the whole', () =>
    holds(({ all: { requests }, around }) => {
      const whole = outcome(requests, around);
      const parts = Map.groupBy(requests, ({ target }) => `${target.cluster}/${target.namespace}`);
      const found = [...parts.values()].map((part) => outcome(part, around));
      expect(found.flatMap(({ byTarget }) => byTarget).sort()).toEqual(whole.byTarget);
      expect(found.flatMap(({ refusals }) => refusals).sort()).toEqual(whole.refusals);
    }));

  test('a Secret gets one certificate at most, and an id stands for one set of names', () =>
    holds(({ all: { requests }, around }) => {
      const { certificates } = group(requests, around.rules);
      const keys = certificates.flatMap(({ targets }) => targets.map(targetKey));
      expect(new Set(keys).size).toBe(keys.length);
      expect(new Set(certificates.map(({ id }) => id)).size).toBe(certificates.length);
    }));

  test('every name is covered by the certificate of its Secret, and none has another reason', () =>
    holds(({ all: { requests }, around }) => {
      const { certificates, refusals } = group(requests, around.rules);
      for (const { identity, targets } of certificates) {
        for (const target of targets) {
          const asked = requests
            .filter((one) => targetKey(one.target) === targetKey(target))
            .flatMap(({ names }) => names);
          for (const name of asked)
            expect(identity.names.some((pattern) => covers(pattern, name))).toBe(true);
          for (const name of identity.names) expect(asked).toContain(name);
        }
      }
      // Nothing gets lost: what gets no certificate is refused.
      const served = new Set(certificates.flatMap(({ targets }) => targets.map(targetKey)));
      const unserved = requests.filter(({ target }) => !served.has(targetKey(target)));
      expect(refusals).toHaveLength(unserved.length);
    }));

  test('no namespace gets a name or a key that neither a rule nor the configuration gives it', () =>
    holds(({ all: { requests }, around }) => {
      for (const { identity, targets } of group(requests, around.rules).certificates) {
        for (const target of targets) {
          const given = around.rules.certificates
            .filter((entry) => targetKey(entry) === targetKey(target))
            .flatMap(({ names }) => names);
          const { allow } = around.rules.clusters.find(({ name }) => name === target.cluster) ?? {};
          for (const name of identity.names)
            expect(given.includes(name) || isAllowed(allow, target.namespace, name)).toBe(true);
        }
      }
    }));

  test('the worlds are not empty', () => {
    const seen = fc.sample(worlds, { numRuns: 300, seed: 1 });
    const certificates = seen.flatMap(
      ({ all, around }) => group(all.requests, around.rules).certificates,
    );
    expect(certificates.some(({ targets }) => targets.length > 1)).toBe(true);
    expect(certificates.some(({ identity }) => identity.names.some(isWildcard))).toBe(true);
    expect(
      seen.some(({ all }) => all.refusals.some(({ reason }) => reason === 'host-not-allowed')),
    ).toBe(true);
  });
});
