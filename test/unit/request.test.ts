import { describe, expect, test } from 'vitest';
import {
  type ClusterRules,
  configuredRequests,
  type Ingress,
  ingressRequests,
  isProvable,
  isServed,
  manualRequests,
  type Refusal,
  type RefusalReason,
  type Requests,
} from '../../shared/domain/request.ts';
import { cluster, context, day, ingress, target } from './build.ts';

const ASKS = { 'kubernetes.io/tls-acme': 'true' };
const LEGACY_CLASS = 'kubernetes.io/ingress.class';

const asked = (
  of: Partial<Ingress> = {},
  where: Partial<ClusterRules> = {},
  around = context(),
): Requests => ingressRequests(ingress(of), cluster(where), around);

const namesOf = ({ requests }: Requests) => requests.map(({ names }) => names);

describe('an Ingress', () => {
  test('asks for its hosts in its Secret, from the default issuer', () => {
    expect(asked()).toEqual({
      requests: [
        {
          source: { cluster: 'prod', kind: 'Ingress', namespace: 'shop', name: 'web' },
          target: { cluster: 'prod', namespace: 'shop', secret: 'tls' },
          names: ['www.a.test'],
          issuer: 'production',
        },
      ],
      refusals: [],
    });
  });

  test.for<[string, Record<string, string>, boolean]>([
    ['"true"', ASKS, true],
    ['"TRUE"', { 'kubernetes.io/tls-acme': 'TRUE' }, true],
    ['"t"', { 'kubernetes.io/tls-acme': 't' }, true],
    ['"1"', { 'kubernetes.io/tls-acme': '1' }, true],
    ['"false"', { 'kubernetes.io/tls-acme': 'false' }, false],
    ['"yes"', { 'kubernetes.io/tls-acme': 'yes' }, false],
    ['an empty value', { 'kubernetes.io/tls-acme': '' }, false],
    ['no annotation', {}, false],
    ['the name of an issuer', { 'certherd/issuer': 'staging' }, true],
    [
      'the name of an issuer and "false"',
      { 'certherd/issuer': 'staging', 'kubernetes.io/tls-acme': 'false' },
      false,
    ],
    ['the issuer annotation of another installation', { 'other/issuer': 'staging' }, false],
  ])('opts in or not with %s', ([, annotations, optsIn]) => {
    expect(asked({ annotations }).requests).toHaveLength(optsIn ? 1 : 0);
    expect(asked({ annotations }).refusals).toEqual([]);
  });

  test('opts in by the annotation that is configured, and by no other', () => {
    const around = context({ optInAnnotation: 'example.org/tls' });
    expect(asked({}, {}, around).requests).toEqual([]);
    expect(asked({ annotations: { 'example.org/tls': 'true' } }, {}, around).requests).toHaveLength(
      1,
    );
  });

  test('chooses its issuer', () => {
    const annotations = { ...ASKS, 'certherd/issuer': 'staging' };
    expect(asked({ annotations }).requests).toMatchObject([{ issuer: 'staging' }]);
  });

  test.for<[string, Partial<Ingress>, readonly string[] | undefined, boolean]>([
    ['is served with the class of the cluster', { className: 'nginx' }, ['nginx'], true],
    ['is served with a further class', { className: 'nginx-2' }, ['nginx', 'nginx-2'], true],
    ['is served without a class', { className: undefined }, ['nginx'], true],
    ['is not served with another class', { className: 'traefik' }, ['nginx'], false],
    ['is served with any class when none is configured', { className: 'traefik' }, undefined, true],
    [
      'is served by the old annotation',
      { className: undefined, annotations: { [LEGACY_CLASS]: 'nginx' } },
      ['nginx'],
      true,
    ],
    [
      'is not served by another old annotation',
      { className: undefined, annotations: { [LEGACY_CLASS]: 'gce' } },
      ['nginx'],
      false,
    ],
    [
      'is told by the old annotation before the field',
      { className: 'nginx', annotations: { [LEGACY_CLASS]: 'gce' } },
      ['nginx'],
      false,
    ],
  ])('%s', ([, differs, ingressClasses, served]) => {
    const annotations = { ...ASKS, ...differs.annotations };
    expect(isServed(ingress({ ...differs, annotations }), cluster({ ingressClasses }))).toBe(
      served,
    );
    expect(asked({ ...differs, annotations }, { ingressClasses }).requests).toHaveLength(
      served ? 1 : 0,
    );
  });

  test('has its hosts in normal form', () => {
    const hosts = ['WWW.A.test.', 'bücher.a.test'];
    expect(namesOf(asked({ tls: [{ hosts, secretName: 'tls' }] }))).toEqual([
      ['www.a.test', 'xn--bcher-kva.a.test'],
    ]);
  });

  test('without hosts in its tls entry asks for those of its rules', () => {
    const tls = [{ hosts: [], secretName: 'tls' }];
    expect(namesOf(asked({ tls, ruleHosts: ['x.a.test', 'y.a.test'] }))).toEqual([
      ['x.a.test', 'y.a.test'],
    ]);
  });

  test('asks once for each tls entry, and a bad entry stops no other', () => {
    const found = asked({
      tls: [
        { hosts: ['10.0.0.1'], secretName: 'bad' },
        { hosts: ['x.a.test'], secretName: 'good' },
        { hosts: ['y.a.test'], secretName: undefined },
        { hosts: ['z.a.test'], secretName: 'better' },
      ],
    });
    expect(found.requests.map(({ target: { secret } }) => secret)).toEqual(['good', 'better']);
    expect(found.refusals.map(({ reason }) => reason)).toEqual([
      'host-invalid',
      'secret-name-missing',
    ]);
  });

  test('without a tls entry asks for nothing', () =>
    expect(asked({ tls: [] })).toEqual({ requests: [], refusals: [] }));
});

describe('an Ingress is refused', () => {
  const entry = (hosts: readonly string[], secretName: string | undefined = 'tls') => ({
    tls: [{ hosts, secretName }],
    ruleHosts: [],
  });
  const OWN = { allow: [{ namespaces: ['shop'], names: ['shop.a.test'], wildcards: false }] };

  test.for<[string, Partial<Ingress>, Partial<ClusterRules>, RefusalReason, string]>([
    [
      'without a Secret name',
      { tls: [{ hosts: ['www.a.test'], secretName: undefined }] },
      {},
      'secret-name-missing',
      'www.a.test',
    ],
    [
      'with an empty Secret name',
      entry(['www.a.test'], ''),
      {},
      'secret-name-missing',
      'set secretName',
    ],
    [
      'without a Secret name and without hosts',
      { tls: [{ hosts: [], secretName: undefined }] },
      {},
      'secret-name-missing',
      '(none)',
    ],
    ['without any host', entry([]), {}, 'hosts-missing', 'Secret tls'],
    ['for an address', entry(['10.0.0.1']), {}, 'host-invalid', '"10.0.0.1" is an IP address'],
    ['for an empty label', entry(['a..test']), {}, 'host-invalid', '"a..test" has an empty label'],
    [
      'for an underscore',
      entry(['a_b.a.test']),
      {},
      'host-invalid',
      '"a_b.a.test" has an underscore',
    ],
    [
      'for a host outside every zone',
      entry(['www.b.test']),
      {},
      'host-outside-zones',
      'www.b.test',
    ],
    [
      'for a host that only ends like a zone',
      entry(['ba.test']),
      {},
      'host-outside-zones',
      'ba.test',
    ],
    [
      'for one such host among good ones',
      entry(['www.a.test', 'www.b.test']),
      {},
      'host-outside-zones',
      'www.b.test',
    ],
    [
      'for a name that no rule gives',
      entry(['www.a.test']),
      OWN,
      'host-not-allowed',
      'no rule gives www.a.test to namespace shop; add it to "allow" of cluster prod',
    ],
    [
      'for a wildcard that no rule gives',
      entry(['*.a.test']),
      {},
      'host-not-allowed',
      'cluster prod with wildcards: true',
    ],
    [
      'for a wildcard when there are no rules',
      entry(['*.a.test']),
      { allow: undefined },
      'host-not-allowed',
      '*.a.test',
    ],
    [
      'from an unknown issuer',
      { annotations: { 'certherd/issuer': 'nope' } },
      {},
      'issuer-unknown',
      'there is no issuer nope; the configuration has production, staging',
    ],
    [
      'from an issuer with the name of a built-in',
      { annotations: { 'certherd/issuer': 'constructor' } },
      {},
      'issuer-unknown',
      'constructor',
    ],
  ])('%s', ([, differs, where, reason, message]) => {
    const { requests, refusals } = asked(differs, where);
    expect(requests).toEqual([]);
    expect(refusals).toEqual([
      {
        cluster: 'prod',
        kind: 'Ingress',
        namespace: 'shop',
        name: 'web',
        reason,
        message: expect.stringContaining(message),
      } satisfies Refusal,
    ]);
  });
});

describe('a name', () => {
  const around = (differs: Parameters<typeof context>[0], complete = true) =>
    context(differs, { suffixes: ['a.test'], complete });

  test.for<[string, string, ReturnType<typeof context>, boolean]>([
    ['in a zone can be proven', 'www.a.test', around({}), true],
    ['that is a zone can be proven', 'a.test', around({}), true],
    ['that is a wildcard of a zone can be proven', '*.a.test', around({}), true],
    ['outside cannot', 'www.b.test', around({}), false],
    [
      'below a delegated suffix can be proven',
      'www.b.test',
      around({ delegated: ['b.test'] }),
      true,
    ],
    ['outside cannot, though some zones are unreadable', 'www.b.test', around({}, false), false],
  ])('%s', ([, name, of, provable]) => expect(isProvable(name, of)).toBe(provable));

  test('is called outside only when every zone was read', () => {
    const tls = [{ hosts: ['www.b.test'], secretName: 'tls' }];
    expect(namesOf(asked({ tls }, {}, around({}, false)))).toEqual([['www.b.test']]);
  });
});

describe('a shared wildcard', () => {
  const around = context({ wildcards: ['a.test'] });
  const allow = (wildcards: boolean, names = ['*']) => ({
    allow: [{ namespaces: ['shop'], names, wildcards }],
  });
  const hosts = (...names: readonly string[]) => ({ tls: [{ hosts: names, secretName: 'tls' }] });

  test.for<[string, readonly string[], Partial<ClusterRules>, readonly string[]]>([
    ['stands in for a name directly below', ['www.a.test'], allow(true), ['*.a.test']],
    ['stays itself', ['*.a.test'], allow(true), ['*.a.test']],
    ['does not stand in for its parent', ['a.test'], allow(true), ['a.test']],
    ['does not stand in for a deeper name', ['x.y.a.test'], allow(true), ['x.y.a.test']],
    [
      'does not stand in without a rule that gives it',
      ['www.a.test'],
      allow(false),
      ['www.a.test'],
    ],
    [
      'does not stand in where only some names below are given',
      ['www.a.test'],
      allow(true, ['www.a.test']),
      ['www.a.test'],
    ],
    ['does not stand in without rules', ['www.a.test'], { allow: undefined }, ['www.a.test']],
  ])('%s', ([, names, where, expected]) => {
    expect(namesOf(asked(hosts(...names), where, around))).toEqual([expected]);
  });

  test('lets no name through that the rules do not give', () => {
    const found = asked(hosts('www.a.test'), allow(true, ['x.a.test']), around);
    expect(found.refusals).toMatchObject([{ reason: 'host-not-allowed' }]);
  });
});

describe('the configuration', () => {
  const entry = {
    cluster: 'prod',
    namespace: 'ovh',
    secret: 'tls-crt',
    names: ['*.a.test'],
    issuer: undefined,
  };

  test('asks without a rule', () => {
    const around = context({ certificates: [entry], clusters: [cluster({ allow: [] })] });
    expect(configuredRequests(around)).toEqual({
      requests: [
        {
          source: { cluster: 'prod', kind: 'configuration', namespace: 'ovh', name: 'tls-crt' },
          target: { cluster: 'prod', namespace: 'ovh', secret: 'tls-crt' },
          names: ['*.a.test'],
          issuer: 'production',
        },
      ],
      refusals: [],
    });
  });

  test('chooses its issuer', () => {
    const found = configuredRequests(context({ certificates: [{ ...entry, issuer: 'staging' }] }));
    expect(found.requests).toMatchObject([{ issuer: 'staging' }]);
  });

  test('is refused outside the zones, and the others go on', () => {
    const outside = { ...entry, names: ['www.a.test', 'www.b.test'] };
    const found = configuredRequests(context({ certificates: [outside, entry] }));
    expect(found.requests).toHaveLength(1);
    expect(found.refusals).toMatchObject([
      {
        kind: 'configuration',
        name: 'tls-crt',
        reason: 'host-outside-zones',
        message: expect.stringContaining('www.b.test'),
      },
    ]);
  });
});

describe('a person', () => {
  const ask = (differs: Partial<Parameters<typeof manualRequests>[0]> = {}) => ({
    names: ['www.a.test'],
    issuer: 'production',
    targets: [target()],
    at: day(3),
    ...differs,
  });

  test('asks for one certificate in every Secret', () => {
    const targets = [target(), target({ namespace: 'blog' })];
    const found = manualRequests(ask({ targets }), context());
    expect(found.refusals).toEqual([]);
    expect(found.requests).toMatchObject([
      {
        source: { kind: 'manual', namespace: 'shop', name: 'tls' },
        target: targets[0],
        askedAt: day(3),
      },
      {
        source: { kind: 'manual', namespace: 'blog', name: 'tls' },
        target: targets[1],
        askedAt: day(3),
      },
    ]);
  });

  test.for<[string, Parameters<typeof ask>[0], RefusalReason, string]>([
    [
      'an unknown cluster',
      { targets: [target({ cluster: 'gone' })] },
      'cluster-unknown',
      'there is no cluster gone',
    ],
    ['a name that no rule gives', { names: ['*.a.test'] }, 'host-not-allowed', '*.a.test'],
    ['a name outside the zones', { names: ['www.b.test'] }, 'host-outside-zones', 'www.b.test'],
    ['an issuer that is gone', { issuer: 'gone' }, 'issuer-unknown', 'there is no issuer gone'],
  ])('is refused %s', ([, differs, reason, message]) => {
    const found = manualRequests(ask(differs), context());
    expect(found.requests).toEqual([]);
    expect(found.refusals).toMatchObject([
      { kind: 'manual', reason, message: expect.stringContaining(message) },
    ]);
  });

  test('asks for nothing without a Secret', () => {
    expect(manualRequests(ask({ targets: [] }), context())).toEqual({ requests: [], refusals: [] });
  });

  test('is refused everything where no issuer is configured', () => {
    const found = manualRequests(ask(), context({ issuers: {} }));
    expect(found.refusals).toMatchObject([
      { message: expect.stringContaining('the configuration has none') },
    ]);
  });
});
