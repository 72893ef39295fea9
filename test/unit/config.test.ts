import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  configFromEnvironment,
  configJsonSchema,
  parseConfig,
  rulesOf,
} from '../../shared/config.ts';
import { CertificateError } from '../../shared/errors.ts';

const RUNTIME = {
  reconcileUrl: 'https://reconcile.test',
  issueUrl: 'https://issue.test',
  queues: { production: 'production' },
  topic: 'projects/p/topics/certherd',
  schedulerJob: 'certherd',
  audience: 'https://api.test',
  invoker: 'tasks@p.iam.gserviceaccount.com',
};
const ISSUER = { directory: 'https://ca.test/directory' };
const CLUSTER = { name: 'prod', gke: 'projects/p/locations/l/clusters/c' };

/** As little as will do in the cloud. */
const MINIMAL = {
  project: 'my-project',
  issuers: { production: ISSUER },
  clusters: [CLUSTER],
  runtime: RUNTIME,
};

const parsed = (differs: object = {}) => parseConfig({ ...MINIMAL, ...differs });
const faults = (input: unknown) => {
  const result = parseConfig(input);
  return 'faults' in result ? result.faults : [];
};
const configOf = (differs: object = {}) => {
  const result = parsed(differs);
  if ('faults' in result) throw new Error(result.faults.join('; '));
  return result.config;
};

describe('a configuration', () => {
  test('of project, issuers and clusters has the defaults that are documented', () => {
    expect(configOf()).toEqual({
      project: 'my-project',
      location: 'europe-west1',
      issuers: { production: { ...ISSUER, keyType: 'ec-p256' } },
      defaultIssuer: 'production',
      clusters: [CLUSTER],
      zones: [{ project: 'my-project' }],
      delegated: [],
      wildcards: [],
      certificates: [],
      optIn: { annotation: 'kubernetes.io/tls-acme' },
      access: { viewers: [], operators: [], admins: [] },
      installation: 'certherd',
      format: 1,
      replicas: [],
      keepVersions: 2,
      dns: { settleSeconds: 20, resolver: 'system', port: 53 },
      handshake: { allow: [] },
      runtime: RUNTIME,
      endpoints: {},
    });
  });

  test('with everything is read as it is written', () => {
    const full = {
      project: 'my-project',
      location: 'europe-west4',
      issuers: {
        production: { ...ISSUER, contact: 'ops@example.org', keyType: 'rsa-2048' },
        staging: { ...ISSUER, keyType: 'ec-p256', caCertificate: '-----BEGIN CERTIFICATE-----\n' },
      },
      defaultIssuer: 'staging',
      clusters: [
        {
          ...CLUSTER,
          ingressClasses: ['nginx', 'nginx-2'],
          allow: [{ namespaces: ['*'], names: ['*'], wildcards: true }],
        },
        {
          name: 'ovh',
          kubeconfigSecret: { reader: 'kubeconfig-ovh', writer: 'kubeconfig-ovh-writer' },
          allow: [],
        },
      ],
      zones: [{ project: 'one' }, { project: 'two' }],
      delegated: ['example.org', 'internal'],
      wildcards: ['mybinder.ovh'],
      certificates: [
        {
          cluster: 'ovh',
          namespace: 'ovh',
          secret: 'tls.crt',
          names: ['*.mybinder.ovh'],
          issuer: 'production',
        },
      ],
      optIn: { annotation: 'example.org/tls' },
      access: {
        viewers: ['user:v@example.org'],
        operators: ['user:ops@example.org'],
        admins: ['serviceAccount:ci@p.iam.gserviceaccount.com'],
      },
      installation: 'certherd-2',
      format: 1 as const,
      replicas: [
        { location: 'europe-west4', kmsKey: 'projects/p/locations/l/keyRings/r/cryptoKeys/k' },
      ],
      keepVersions: 50,
      dns: { settleSeconds: 0, resolver: '10.0.0.53', port: 5353 },
      handshake: { allow: ['127.0.0.0/8', 'fd00::/8'] },
      runtime: {
        ...RUNTIME,
        queues: { production: 'p', staging: 's' },
        iapAudience: '/projects/1/locations/europe-west4/services/certherd-2-api',
      },
      endpoints: {
        dns: 'http://127.0.0.1:1',
        secretManager: 'http://127.0.0.1:2',
        tasks: 'http://127.0.0.1:3',
        scheduler: 'http://127.0.0.1:4',
        container: 'http://127.0.0.1:5',
        pubsub: 'http://127.0.0.1:6',
        metadata: 'http://127.0.0.1:7',
      },
    };
    expect(parseConfig(full)).toEqual({ config: full });
  });

  test('has a kubeconfig for reading and one for writing, which may be the same', () => {
    const { clusters } = configOf({ clusters: [{ name: 'ovh', kubeconfigSecret: 'k' }] });
    expect(clusters[0]?.kubeconfigSecret).toEqual({ reader: 'k', writer: 'k' });
  });

  test('has its names in normal form', () => {
    const config = configOf({
      clusters: [
        { ...CLUSTER, allow: [{ namespaces: ['shop'], names: ['Bücher.Example.', 'TEST'] }] },
      ],
      delegated: ['Example.ORG.', 'bücher.example'],
      wildcards: ['A.Test.'],
      certificates: [
        {
          cluster: 'prod',
          namespace: 'shop',
          secret: 'tls',
          names: ['*.Bücher.Example', 'WWW.a.test.'],
        },
      ],
    });
    expect(config).toMatchObject({
      clusters: [{ allow: [{ names: ['xn--bcher-kva.example', 'test'], wildcards: false }] }],
      delegated: ['example.org', 'xn--bcher-kva.example'],
      wildcards: ['a.test'],
      certificates: [{ names: ['*.xn--bcher-kva.example', 'www.a.test'] }],
    });
  });

  test.for(['my-project', 'p', 'example.com:my-project', `a${'b'.repeat(29)}`])(
    'may have the project %s',
    (project) => expect(configOf({ project }).project).toBe(project),
  );

  test.for(['us-central1', 'northamerica-northeast2', 'europe-west12'])(
    'may be of the region %s',
    (location) => expect(configOf({ location }).location).toBe(location),
  );

  test.for(['tls', 'kubernetes.io/tls-acme', 'a/B_c.d', `example.org/${'b'.repeat(63)}`])(
    'may have %s opt in',
    (annotation) => expect(configOf({ optIn: { annotation } }).optIn).toEqual({ annotation }),
  );

  test('may leave the rules out for one cluster', () => {
    expect(configOf().clusters[0]?.allow).toBeUndefined();
  });
});

describe('a fault', () => {
  const issuer = (differs: object) => ({ issuers: { production: { ...ISSUER, ...differs } } });
  const cluster = (differs: object) => ({ clusters: [{ ...CLUSTER, ...differs }] });
  const rule = (differs: object) =>
    cluster({ allow: [{ namespaces: ['*'], names: ['*'], ...differs }] });
  const certificate = (differs: object) => ({
    certificates: [
      { cluster: 'prod', namespace: 'shop', secret: 'tls', names: ['a.test'], ...differs },
    ],
  });
  const runtime = (differs: object) => ({ runtime: { ...RUNTIME, ...differs } });
  const names = (count: number) => Array.from({ length: count }, (_, index) => `h${index}.a.test`);

  const PROJECT = 'project: give the id of a Google Cloud project, such as "my-project"';
  const ANNOTATION =
    'optIn.annotation: give the key of a Kubernetes annotation, such as "kubernetes.io/tls-acme"';

  const FAULTY: readonly (readonly [object, string, ...string[]])[] = [
    [{ project: '' }, PROJECT],
    [{ project: 'My Project/../x' }, PROJECT],
    [{ project: '123456789012' }, PROJECT],
    [{ project: 'my-project-' }, PROJECT],
    [{ project: `a${'b'.repeat(30)}` }, PROJECT],
    [{ project: ':my-project' }, PROJECT],
    [{ project: 5 }, 'project: give a text'],
    [{ project: undefined }, 'project: is missing; give a text'],
    [{ location: '' }, 'location: give a region such as "europe-west1"'],
    [{ location: 'Europe West' }, 'location: give a region such as "europe-west1"'],
    [{ location: 'europe-west1-b' }, 'location: give a region such as "europe-west1"'],
    [{ surprise: 1 }, 'surprise: there is no such key; correct its spelling or remove it'],

    [{ issuers: undefined }, 'issuers: is missing; give a mapping of names to values'],
    [{ issuers: {} }, 'issuers: configure at least one issuer'],
    [{ issuers: [ISSUER] }, 'issuers: give a mapping of names to values'],
    [
      { issuers: { Bad: ISSUER } },
      'issuers.Bad: give the issuer\'s name in lower-case letters, digits and "-"',
      'runtime.queues.Bad: every issuer needs the name of its queue',
    ],
    [issuer({ directory: 'http://ca.test' }), 'issuers.production.directory: give an https:// URL'],
    [issuer({ directory: undefined }), 'issuers.production.directory: give an https:// URL'],
    [issuer({ contact: 'ops' }), 'issuers.production.contact: give an e-mail address'],
    [issuer({ keyType: 'dsa' }), 'issuers.production.keyType: give "ec-p256" or "rsa-2048"'],
    [
      issuer({ caCertificate: 'x' }),
      'issuers.production.caCertificate: give the PEM text of a certificate',
    ],
    [
      issuer({ url: 'x' }),
      'issuers.production.url: there is no such key; correct its spelling or remove it',
    ],
    [{ defaultIssuer: 'nope' }, 'defaultIssuer: there is no issuer "nope"; give one of production'],
    [
      { issuers: { one: ISSUER, two: ISSUER }, ...runtime({ queues: { one: 'q', two: 'q' } }) },
      'defaultIssuer: say which of one, two an Ingress gets that names none',
    ],

    [{ clusters: undefined }, 'clusters: is missing; give a list'],
    [{ clusters: [] }, 'clusters: configure at least one cluster'],
    [{ clusters: ['prod'] }, 'clusters[0]: give a mapping of keys to values'],
    [
      cluster({ name: 'PROD' }),
      'clusters[0].name: give the cluster\'s name in lower-case letters, digits and "-"',
    ],
    [cluster({ gke: 'c' }), 'clusters[0].gke: give "projects/P/locations/L/clusters/C"'],
    [
      { clusters: [{ name: 'prod' }] },
      'clusters[0]: give either gke or kubeconfigSecret, so that the cluster can be reached',
    ],
    [
      cluster({ kubeconfigSecret: 'k' }),
      'clusters[0]: give either gke or kubeconfigSecret, so that the cluster can be reached',
    ],
    [
      { clusters: [{ name: 'prod', kubeconfigSecret: 'a/b' }] },
      'clusters[0].kubeconfigSecret: give the id of a Secret Manager secret',
    ],
    [
      { clusters: [{ name: 'prod', kubeconfigSecret: { reader: 'k', writer: 'a/b' } }] },
      'clusters[0].kubeconfigSecret.writer: give the id of a Secret Manager secret',
    ],
    [
      { clusters: [{ name: 'prod', kubeconfigSecret: { reader: 'k' } }] },
      'clusters[0].kubeconfigSecret: give the id of a Secret Manager secret, or two as { reader: ID, writer: ID }',
    ],
    [
      { clusters: [{ name: 'prod', kubeconfigSecret: ['k'] }] },
      'clusters[0].kubeconfigSecret: give the id of a Secret Manager secret, or two as { reader: ID, writer: ID }',
    ],
    [
      cluster({ ingressClasses: [] }),
      'clusters[0].ingressClasses: name at least one class, or leave it out for any',
    ],
    [
      cluster({ ingressClasses: [''] }),
      'clusters[0].ingressClasses[0]: give the name of an IngressClass',
    ],
    [
      cluster({ url: 'x' }),
      'clusters[0].url: there is no such key; correct its spelling or remove it',
    ],
    [
      {
        clusters: [
          { ...CLUSTER, allow: [] },
          { ...CLUSTER, allow: [] },
        ],
      },
      'clusters[1].name: "prod" is taken by another cluster',
    ],
    [
      { clusters: [CLUSTER, { ...CLUSTER, name: 'ovh' }] },
      'clusters[0].allow: with several clusters each needs the list of names that its namespaces may have',
      'clusters[1].allow: with several clusters each needs the list of names that its namespaces may have',
    ],
    [
      rule({ namespaces: [] }),
      'clusters[0].allow[0].namespaces: name at least one namespace, or "*"',
    ],
    [
      rule({ namespaces: ['Shop'] }),
      'clusters[0].allow[0].namespaces[0]: give a namespace in lower-case letters, digits and "-"',
    ],
    [rule({ names: [] }), 'clusters[0].allow[0].names: give at least one name, or "*"'],
    [rule({ names: ['a..test'] }), 'clusters[0].allow[0].names[0]: give a DNS name or "*"'],
    [rule({ names: ['*.a.test'] }), 'clusters[0].allow[0].names[0]: give a DNS name or "*"'],
    [rule({ wildcards: 'yes' }), 'clusters[0].allow[0].wildcards: give true or false'],
    [
      rule({ wildcard: true }),
      'clusters[0].allow[0].wildcard: there is no such key; correct its spelling or remove it',
    ],

    [{ zones: [{}] }, 'zones[0].project: is missing; give a text'],
    [
      { zones: [{ project: 'p', zone: 'z' }] },
      'zones[0].zone: there is no such key; correct its spelling or remove it',
    ],
    [{ delegated: ['a_b.test'] }, 'delegated[0]: give a DNS suffix such as "example.org"'],
    [{ delegated: ['10.0.0.1'] }, 'delegated[0]: give a DNS suffix such as "example.org"'],
    [{ wildcards: ['*.a.test'] }, 'wildcards[0]: give the name without "*."'],
    [{ wildcards: ['test'] }, 'wildcards[0]: "test" needs at least two labels'],

    [certificate({ cluster: 'nope' }), 'certificates[0].cluster: there is no cluster "nope"'],
    [
      certificate({ namespace: 'Shop' }),
      'certificates[0].namespace: give a namespace in lower-case letters, digits and "-"',
    ],
    [
      certificate({ secret: 'a/b' }),
      'certificates[0].secret: give the name of a Kubernetes Secret (RFC 1123)',
    ],
    [certificate({ names: [] }), 'certificates[0].names: give at least one name'],
    [
      certificate({ names: names(101) }),
      'certificates[0].names: a certificate holds at most 100 names',
    ],
    [
      certificate({ names: ['a.test', 'a_b.test'] }),
      'certificates[0].names[1]: "a_b.test" has an underscore, which no CA certifies',
    ],
    [certificate({ issuer: 'nope' }), 'certificates[0].issuer: there is no issuer "nope"'],
    [
      certificate({ hosts: [] }),
      'certificates[0].hosts: there is no such key; correct its spelling or remove it',
    ],

    [{ optIn: { annotation: '' } }, ANNOTATION],
    [{ optIn: { annotation: 'not an annotation!' } }, ANNOTATION],
    [{ optIn: { annotation: 'a/b/c' } }, ANNOTATION],
    [{ optIn: { annotation: '/tls' } }, ANNOTATION],
    [{ optIn: { annotation: 'example.org/' } }, ANNOTATION],
    [{ optIn: { annotation: `a/${'b'.repeat(64)}` } }, ANNOTATION],
    [
      { optIn: { annotation: 'a', value: 'b' } },
      'optIn.value: there is no such key; correct its spelling or remove it',
    ],
    [
      { access: { viewers: ['ops@example.org'] } },
      'access.viewers[0]: give "user:EMAIL" or "serviceAccount:EMAIL"',
    ],
    [
      { access: { operators: ['group:ops@example.org'] } },
      'access.operators[0]: give "user:EMAIL" or "serviceAccount:EMAIL"',
    ],
    [{ access: { admins: 'user:ops@example.org' } }, 'access.admins: give a list'],
    [
      { access: { owners: [] } },
      'access.owners: there is no such key; correct its spelling or remove it',
    ],
    [{ format: 2 }, 'format: this program reads format 1 alone; deploy one that reads yours'],
    [
      { replicas: [{ location: '', kmsKey: 'projects/p/keys/k' }] },
      'replicas[0].location: give a region such as "europe-west1"',
      'replicas[0].kmsKey: give "projects/P/locations/L/keyRings/R/cryptoKeys/K"',
    ],
    [
      { installation: 'Certherd' },
      'installation: give at most 20 lower-case letters, digits and "-"',
    ],
    [
      { installation: 'a'.repeat(21) },
      'installation: give at most 20 lower-case letters, digits and "-"',
    ],
    [
      { installation: 'herd-cert-b' },
      'installation: give a name without "-cert", "-account", "-pending" or "-queue" as a word',
    ],
    [
      { installation: 'herd-queue' },
      'installation: give a name without "-cert", "-account", "-pending" or "-queue" as a word',
    ],
    [{ keepVersions: 0 }, 'keepVersions: at least the version that is served has to stay'],
    [{ keepVersions: 51 }, 'keepVersions: at most 50'],
    [{ keepVersions: 1.5 }, 'keepVersions: give a whole number'],
    [{ keepVersions: '2' }, 'keepVersions: give a whole number'],
    [{ dns: { settleSeconds: -1 } }, 'dns.settleSeconds: at least 0'],
    [{ dns: { settleSeconds: 61 } }, 'dns.settleSeconds: at most 60: a worker has 90 seconds'],
    [{ dns: { settleSeconds: '20' } }, 'dns.settleSeconds: give a number'],
    [{ dns: { resolver: '' } }, 'dns.resolver: give a text that is not empty'],
    [{ dns: { port: 0 } }, 'dns.port: at least 1'],
    [{ dns: { port: 65_536 } }, 'dns.port: at most 65535'],
    [
      { dns: { timeout: 1 } },
      'dns.timeout: there is no such key; correct its spelling or remove it',
    ],
    [
      { handshake: { allow: ['10.0.0.1'] } },
      'handshake.allow[0]: give a range such as "10.0.0.0/8"',
    ],
    [
      { handshake: { deny: [] } },
      'handshake.deny: there is no such key; correct its spelling or remove it',
    ],

    [{ runtime: undefined }, 'runtime: is missing; give a mapping of keys to values'],
    [runtime({ issueUrl: 'issue' }), 'runtime.issueUrl: give an http:// or https:// URL'],
    [runtime({ reconcileUrl: 'ftp://x' }), 'runtime.reconcileUrl: give an http:// or https:// URL'],
    [
      runtime({ queues: {} }),
      'runtime.queues.production: every issuer needs the name of its queue',
    ],
    [
      runtime({ queues: { production: '' } }),
      'runtime.queues.production: give a text that is not empty',
    ],
    [
      runtime({ queues: undefined }),
      'runtime.queues: is missing; give a mapping of names to values',
      'runtime.queues.production: every issuer needs the name of its queue',
    ],
    [runtime({ topic: 'certherd' }), 'runtime.topic: give "projects/P/topics/T"'],
    [runtime({ schedulerJob: '' }), 'runtime.schedulerJob: give a text that is not empty'],
    [runtime({ audience: '' }), 'runtime.audience: give a text that is not empty'],
    [
      runtime({ iapAudience: 'https://api.test' }),
      'runtime.iapAudience: give "/projects/NUMBER/locations/L/services/S"',
    ],
    [runtime({ invoker: 'tasks' }), 'runtime.invoker: give the e-mail of a service account'],
    [runtime({ url: 'x' }), 'runtime.url: there is no such key; correct its spelling or remove it'],
    [{ endpoints: { dns: 'dns.test' } }, 'endpoints.dns: give an http:// or https:// URL'],
    [
      { endpoints: { acme: 'x' } },
      'endpoints.acme: there is no such key; correct its spelling or remove it',
    ],
  ];

  test.for(FAULTY.map(([differs, ...expected]) => [expected[0], differs, expected] as const))(
    '%s',
    ([, differs, expected]) => expect(faults({ ...MINIMAL, ...differs })).toEqual(expected),
  );

  test.for<[string, unknown]>([
    ['nothing', null],
    ['a text', 'project: p'],
    ['a list', [MINIMAL]],
  ])('is %s for a document', ([, input]) => {
    expect(faults(input)).toEqual(['the document: give a mapping of keys to values']);
  });

  test('never comes alone: all of them are told at once', () => {
    const input = {
      issuers: { production: { directory: 'x', typo: 1 }, staging: ISSUER },
      clusters: [{ name: 'prod' }, { ...CLUSTER, gke: 'c' }],
      certificates: [
        { cluster: 'nope', namespace: 'n', secret: 's', names: ['a'], issuer: 'nope' },
      ],
      keepVersions: 0,
      runtime: RUNTIME,
      typo: true,
    };
    expect(faults(input).toSorted()).toEqual(
      [
        'certificates[0].cluster: there is no cluster "nope"',
        'certificates[0].issuer: there is no issuer "nope"',
        'certificates[0].names[0]: "a" needs at least two labels',
        'clusters[0].allow: with several clusters each needs the list of names that its namespaces may have',
        'clusters[0]: give either gke or kubeconfigSecret, so that the cluster can be reached',
        'clusters[1].allow: with several clusters each needs the list of names that its namespaces may have',
        'clusters[1].gke: give "projects/P/locations/L/clusters/C"',
        'clusters[1].name: "prod" is taken by another cluster',
        'defaultIssuer: say which of production, staging an Ingress gets that names none',
        'issuers.production.directory: give an https:// URL',
        'issuers.production.typo: there is no such key; correct its spelling or remove it',
        'keepVersions: at least the version that is served has to stay',
        'project: is missing; give a text',
        'runtime.queues.staging: every issuer needs the name of its queue',
        'typo: there is no such key; correct its spelling or remove it',
      ].toSorted(),
    );
  });

  test.for<[string, object, readonly string[]]>([
    [
      'issuers does not make every mention of one a fault',
      { issuers: 5, defaultIssuer: 'production', ...certificate({ issuer: 'production' }) },
      ['issuers: give a mapping of names to values'],
    ],
    [
      'clusters does not make every mention of one a fault',
      { clusters: 5, ...certificate({}) },
      ['clusters: give a list'],
    ],
    [
      'certificate stands alone',
      { certificates: [5] },
      ['certificates[0]: give a mapping of keys to values'],
    ],
  ])('in %s', ([, differs, expected]) =>
    expect(faults({ ...MINIMAL, ...differs })).toEqual(expected),
  );
});

test('what decides about requests is all that the domain sees of it', () => {
  const entry = { cluster: 'prod', namespace: 'shop', secret: 'tls', names: ['a.test'] };
  const config = configOf({
    certificates: [entry],
    clusters: [{ ...CLUSTER, ingressClasses: ['nginx'], allow: [] }],
    delegated: ['b.test'],
    wildcards: ['a.test'],
  });
  expect(rulesOf(config)).toEqual({
    installation: 'certherd',
    optInAnnotation: 'kubernetes.io/tls-acme',
    issuers: config.issuers,
    defaultIssuer: 'production',
    clusters: [{ name: 'prod', ingressClasses: ['nginx'], allow: [] }],
    delegated: ['b.test'],
    wildcards: ['a.test'],
    certificates: [{ ...entry, issuer: undefined }],
  });
});

describe('CERTHERD_CONFIG', () => {
  const from = (text: string | undefined) => configFromEnvironment({ CERTHERD_CONFIG: text });

  test('holds the document as JSON', () =>
    expect(from(JSON.stringify(MINIMAL))).toEqual(configOf()));

  test.for<[string, string | undefined, string]>([
    ['is absent', undefined, 'the environment variable CERTHERD_CONFIG is not set'],
    ['is empty', '', 'the environment variable CERTHERD_CONFIG is not set'],
    ['is YAML', 'project: p', 'CERTHERD_CONFIG is not JSON'],
    [
      'has faults',
      JSON.stringify({ ...MINIMAL, project: '', keepVersions: 0 }),
      'CERTHERD_CONFIG has 2 fault(s): project: give the id of a Google Cloud project, such as "my-project"; keepVersions: at least',
    ],
  ])('stops everything when it %s', ([, text, message]) => {
    const thrown = (() => {
      try {
        return from(text);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(CertificateError);
    expect(thrown).toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(message),
    });
  });
});

describe('docs/config.schema.json', () => {
  const path = fileURLToPath(new URL('../../docs/config.schema.json', import.meta.url));

  test('is what the program reads now (vitest -u writes it anew)', async () => {
    const schema = `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`;
    await expect(schema).toMatchFileSnapshot(path);
  });

  test('asks a person for project, issuers and clusters alone', () => {
    expect(configJsonSchema()).toMatchObject({ required: ['project', 'issuers', 'clusters'] });
  });
});
