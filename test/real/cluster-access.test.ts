import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { certificateFor } from '../integration/system/hands.ts';
import {
  type Circumstances,
  ingress,
  type Running,
  running,
} from '../integration/system/running.ts';
import {
  APPLY,
  type Applied,
  clusterAccess,
  isGranted,
  MERGE,
  NOTICED,
  type Right,
  serviceAccount,
  type User,
  untilGranted,
  userOf,
} from './parts/cluster-access.ts';
import { type Folder, temporaryFolder } from './parts/folder.ts';
import { type RealCluster, startRealCluster } from './parts/real-cluster.ts';
import { runOnce } from './parts/start.ts';

const NAMESPACES = ['shop', 'blog'];
const SECRETS = '/api/v1/namespaces/shop/secrets';
const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/shop/ingresses';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

let cluster: RealCluster;
let folder: Folder;
let access: Applied;
let admin: User;
let reader: User;
let writer: User;

beforeAll(async () => {
  folder = temporaryFolder();
  cluster = await startRealCluster();
  for (const name of [...NAMESPACES, 'other', 'certherd'])
    await cluster.create('/api/v1/namespaces', { metadata: { name } });
  admin = userOf(cluster, { name: 'admin', token: cluster.token });
  reader = await serviceAccount(cluster, admin, 'reader');
  writer = await serviceAccount(cluster, admin, 'writer');
  access = await clusterAccess(cluster, {
    ...{ reader: reader.name, writer: writer.name, namespaces: NAMESPACES },
  });
  await access.terraform('apply', '-auto-approve');
  await untilGranted(admin, writer, secretsIn('patch'));
  await vi.waitFor(async () => expect(await statusOf(writer, OPAQUE)).toBe(422), NOTICED);
});
afterAll(async () => {
  await Promise.all([admin, reader, writer].map((user) => user?.close()));
  access?.remove();
  await cluster?.close();
  folder.remove();
});
afterEach(async () => {
  await cluster.remove(INGRESSES);
  await cluster.remove(SECRETS);
});

const secretsIn = (verb: string, namespace: string | undefined = 'shop'): Right => ({
  ...{ verb, group: '', resource: 'secrets', namespace },
});

const PAIR = { 'tls.crt': 'bm9uZQ==', 'tls.key': 'bm9uZQ==' };
const LABEL = 'app.kubernetes.io/managed-by';
const ours = { [LABEL]: 'certherd' };
const OPAQUE = { metadata: { name: 'opaque' }, type: 'Opaque', data: { password: 'aHVudGVyMg==' } };
const tls = (name: string, labels: object = {}) => ({
  ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls' },
  ...{ metadata: { name, labels }, data: PAIR },
});

/** Of an attempt that would change nothing. */
const statusOf = async (user: User, secret: object) =>
  (await user.ask('POST', `${SECRETS}?dryRun=All`, secret)).status;

describe('the rights', () => {
  const RESOURCES = [
    ['', 'secrets'],
    ['', 'namespaces'],
    ['', 'configmaps'],
    ['', 'pods'],
    ['', 'events'],
    ['', 'serviceaccounts/token'],
    ['apps', 'deployments'],
    ['events.k8s.io', 'events'],
    ['networking.k8s.io', 'ingresses'],
    ['networking.k8s.io', 'ingresses/status'],
    ['gateway.networking.k8s.io', 'gateways'],
    ['gateway.networking.k8s.io', 'listenersets'],
    ['k8s.nginx.org', 'virtualservers'],
    ['rbac.authorization.k8s.io', 'roles'],
    ['rbac.authorization.k8s.io', 'rolebindings'],
    ['admissionregistration.k8s.io', 'validatingadmissionpolicies'],
  ] as const;
  const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

  /** Everything that is granted, as "list ingresses everywhere" or "get secrets in shop". */
  async function granted(user: User): Promise<readonly string[]> {
    const asked = RESOURCES.flatMap(([group, resource]) =>
      VERBS.map((verb) => ({ group, resource, verb })),
    );
    const found: string[] = [];
    for (const right of asked) {
      const text = `${right.verb} ${right.resource}`;
      if (await isGranted(admin, user, { ...right, namespace: undefined }))
        found.push(`${text} everywhere`);
      else
        for (const namespace of ['shop', 'blog', 'other'])
          if (await isGranted(admin, user, { ...right, namespace }))
            found.push(`${text} in ${namespace}`);
    }
    return found;
  }

  const BOTH = [
    'create events everywhere',
    'patch events everywhere',
    'list ingresses everywhere',
    'list gateways everywhere',
    'list listenersets everywhere',
    'list virtualservers everywhere',
  ];

  test('of the reader are to see what asks, the named namespaces, and their Secrets one by one', async () => {
    const seen = ['secrets', 'namespaces'].flatMap((resource) =>
      NAMESPACES.map((namespace) => `get ${resource} in ${namespace}`),
    );
    expect(await granted(reader)).toEqual([...seen, ...BOTH]);
  });

  test('of the writer are those, and to make and change Secrets there', async () => {
    const secrets = ['get', 'create', 'patch'].flatMap((verb) =>
      NAMESPACES.map((namespace) => `${verb} secrets in ${namespace}`),
    );
    expect(await granted(writer)).toEqual([...secrets, ...BOTH]);
  });

  test('to list Secrets are given to the reader alone, there alone, and on request alone', async () => {
    const variables = { reader: reader.name, writer: writer.name, namespaces: NAMESPACES };
    const listing = await clusterAccess(cluster, {
      ...{ ...variables, installation: 'listing', list_secrets: true },
    });
    try {
      await listing.terraform('apply', '-auto-approve');
      await untilGranted(admin, reader, secretsIn('list'));
      expect(await isGranted(admin, reader, secretsIn('list', 'other'))).toBe(false);
      expect(await isGranted(admin, writer, secretsIn('list'))).toBe(false);
      await listing.terraform('destroy', '-auto-approve');
      await untilGranted(admin, reader, secretsIn('list'), false);
    } finally {
      listing.remove();
    }
  });

  test('are what Terraform finds again, and gives back when somebody took one away', async () => {
    await access.terraform('plan', '-detailed-exitcode');
    await cluster.remove(`${RBAC}/namespaces/shop/roles/certherd-writer`);
    await untilGranted(admin, writer, secretsIn('patch'), false);
    await access.terraform('apply', '-auto-approve');
    await untilGranted(admin, writer, secretsIn('patch'));
    await access.terraform('plan', '-detailed-exitcode');
  });
});

describe('the writer', () => {
  const TYPES_ONLY = 'certherd writes Secrets of type kubernetes.io/tls only';
  const OWN_ONLY = 'certherd changes no Secret that it has not made';
  const applying = (name: string, body: object) =>
    ['PATCH', `${SECRETS}/${name}?fieldManager=certherd&force=true`, body, APPLY] as const;
  const dryRun = (name: string) =>
    [
      ...['PATCH', `${SECRETS}/${name}?fieldManager=certherd&dryRun=All`],
      ...[{ apiVersion: 'v1', kind: 'Secret', metadata: { name } }, APPLY],
    ] as unknown as Parameters<User['ask']>;

  beforeEach(async () => {
    await cluster.create(SECRETS, OPAQUE);
    await cluster.create(SECRETS, tls('foreign'));
    await cluster.create(SECRETS, tls('own', ours));
  });

  test.for<[string, Parameters<User['ask']>, string]>([
    [
      'make an Opaque Secret',
      ['POST', SECRETS, { ...OPAQUE, metadata: { name: 'new' } }],
      TYPES_ONLY,
    ],
    [
      "make a Secret that a service account's token is put into",
      [
        'POST',
        SECRETS,
        {
          metadata: {
            name: 'token',
            annotations: { 'kubernetes.io/service-account.name': 'writer' },
          },
          type: 'kubernetes.io/service-account-token',
        },
      ],
      TYPES_ONLY,
    ],
    ['read an Opaque Secret by an empty apply that only pretends', dryRun('opaque'), TYPES_ONLY],
    ['read a TLS Secret of others in that way', dryRun('foreign'), OWN_ONLY],
    ['change a TLS Secret of others', [...applying('foreign', tls('foreign'))], OWN_ONLY],
    [
      'make a TLS Secret of others its own by the label',
      [...applying('foreign', tls('foreign', ours))],
      OWN_ONLY,
    ],
    [
      'do so by a merge patch',
      ['PATCH', `${SECRETS}/foreign`, { metadata: { labels: ours } }, MERGE],
      OWN_ONLY,
    ],
  ])('cannot %s', async ([, request, reason]) => {
    const { status, body } = await writer.ask(...request);
    expect({ status, message: body.message }).toEqual({
      status: 422,
      message: expect.stringContaining(`denied request: ${reason}`),
    });
    expect(JSON.stringify(body)).not.toMatch(/aHVudGVyMg|bm9uZQ/);
  });

  test.for<[string, Parameters<User['ask']>]>([
    ['make a TLS Secret', ['POST', SECRETS, tls('new', ours)]],
    ['change one that it has made', [...applying('own', tls('own', ours))]],
  ])('can %s', async ([, request]) => {
    expect((await writer.ask(...request)).status).toBeLessThan(300);
  });

  test('is the only one that the policy looks at', async () => {
    const { status } = await admin.ask('POST', SECRETS, { ...OPAQUE, metadata: { name: 'new' } });
    expect(status).toBe(201);
  });

  test.for<[string, Parameters<User['ask']>]>([
    ['make a TLS Secret', ['POST', SECRETS, tls('new', ours)]],
    ['change one that was made for Certherd', [...applying('own', tls('own', ours))]],
    ['delete one', ['DELETE', `${SECRETS}/own`]],
    ['list them', ['GET', SECRETS]],
    ['list them where it may read none', ['GET', '/api/v1/namespaces/other/secrets']],
    ['change an Ingress', ['PATCH', `${INGRESSES}/any`, { metadata: { labels: ours } }, MERGE]],
  ])('the reader cannot %s', async ([, request]) => {
    const { status, body } = await reader.ask(...request);
    expect({ status, message: body.message }).toEqual({
      status: 403,
      message: expect.stringContaining(`User "${reader.name}" cannot`),
    });
  });
});

const DAY_MS = 86_400_000;

const files = () => ({
  reader: folder.write('reader.yaml', reader.kubeconfig),
  writer: folder.write('writer.yaml', writer.kubeconfig),
});

const onCluster = (circumstances: Circumstances = {}) =>
  running({
    ...{ zones: ['shop.test'], document: { clusters: [{ name: 'prod' }] } },
    realClusters: new Map([['prod', files()]]),
    trouble: { acme: { retryAfterSeconds: { authorization: 0, order: 0 } } },
    ...circumstances,
  });

const asking = (name: string) =>
  cluster.create(INGRESSES, ingress(name, [`${name}.shop.test`], `${name}-tls`, IN_SHOP));
/** In a namespace that nothing else may ask in. */
const configured = (name: string): Circumstances => ({
  document: {
    clusters: [{ name: 'prod' }],
    certificates: [
      { cluster: 'prod', namespace: 'shop', secret: `${name}-tls`, names: [`${name}.shop.test`] },
    ],
  },
});
const IN_SHOP = { namespace: 'shop' };

/** The lines that a person has to look at, and the expected one about a host that nothing serves here. */
const troubles = ({ log }: Running) =>
  log.filter(
    ({ severity, message }) =>
      severity !== 'INFO' && severity !== 'DEBUG' && message !== 'host not proven',
  );

async function delivered(name: string) {
  const secret = await cluster.get(`${SECRETS}/${name}-tls`);
  return {
    version: secret?.metadata.annotations?.['certherd/version'],
    pair: secret?.data?.['tls.crt'],
  };
}

describe('with these rights', () => {
  test('npm start issues and writes, reader and writer being two users', async () => {
    await asking('start');
    const { reader: read, writer: write } = files();
    const config = folder.write('certherd.yaml', {
      project: 'p',
      issuers: { test: { directory: 'https://ca.test/directory' } },
      clusters: [{ name: 'prod' }],
    });
    const options = ['--config', config, '--zone', 'shop.test'];
    const { code, document } = await runOnce([...options, '--cluster', `prod=${read},${write}`]);
    expect(document).toMatchObject({
      ok: true,
      certificates: [
        { names: ['start.shop.test'], state: 'issued', targets: [{ state: 'written' }] },
      ],
      refused: [],
      faults: [],
    });
    expect(code).toBe(0);
  });

  test('it issues, renews and repairs, and nothing is refused', async () => {
    const one = await onCluster(configured('default'));
    await one.tick();
    expect(await delivered('default')).toMatchObject({ version: '1' });
    await asking('main');
    await one.tick();
    expect(await delivered('main')).toMatchObject({ version: '1' });

    one.clock.advance(63 * DAY_MS);
    await one.tick();
    const renewed = await delivered('main');
    expect(renewed).toMatchObject({ version: '2' });

    await admin.ask(
      ...([
        'PATCH',
        `${SECRETS}/main-tls?fieldManager=kubectl-edit`,
        { data: PAIR },
        MERGE,
      ] as const),
    );
    expect((await delivered('main')).pair).toBe(PAIR['tls.crt']);
    await one.tick();
    expect(await delivered('main')).toEqual(renewed);

    await cluster.remove(`${SECRETS}/main-tls`);
    await one.tick();
    expect(await delivered('main')).toEqual(renewed);
    expect(troubles(one)).toEqual([]);
  });

  test('a Secret whose label somebody took off is left alone and said, until the label is back', async () => {
    const one = await onCluster();
    await asking('label');
    await one.tick();
    const first = await delivered('label');
    await admin.ask(
      'PATCH',
      `${SECRETS}/label-tls`,
      { metadata: { labels: { [LABEL]: null } } },
      MERGE,
    );
    one.clock.advance(63 * DAY_MS);
    await one.tick();
    expect(await delivered('label')).toEqual(first);
    expect(JSON.stringify(one.log)).toContain(
      'prod/shop/label-tls exists and belongs to somebody else',
    );

    await admin.ask('PATCH', `${SECRETS}/label-tls`, { metadata: { labels: ours } }, MERGE);
    await one.tick();
    expect(await delivered('label')).toMatchObject({ version: '2' });
  });
});

/** What is taken away: from whom, how, and whether a certificate is there before. */
type Removal = Readonly<{
  of: 'reader' | 'writer';
  right: Right;
  object: string;
  without: (
    found: Readonly<{ rules?: unknown; subjects?: readonly { name: string }[] | undefined }>,
  ) => object;
  isDelivered?: boolean;
  /** By default an Ingress asks. */
  asks?: 'configuration';
}>;

const bindingWithout =
  (name: () => string): Removal['without'] =>
  ({ subjects = [] }) => ({
    subjects: subjects.filter((subject) => subject.name !== name()),
  });
const writerWithout = (verb: string): Pick<Removal, 'of' | 'object' | 'right' | 'without'> => ({
  of: 'writer',
  right: secretsIn(verb),
  object: `${RBAC}/namespaces/shop/roles/certherd-writer`,
  without: () => ({
    rules: [
      {
        apiGroups: [''],
        resources: ['secrets'],
        verbs: ['get', 'create', 'patch'].filter((other) => other !== verb),
      },
    ],
  }),
});
const listing = (namespace: string | undefined): Right => ({
  ...{ verb: 'list', group: 'networking.k8s.io', resource: 'ingresses', namespace },
});
const SOURCES = `${RBAC}/clusterrolebindings/certherd-sources`;

test.for<[string, Removal]>([
  [
    "the reader's to list ingresses",
    {
      ...{ of: 'reader', right: listing(undefined), object: SOURCES },
      without: bindingWithout(() => reader.name),
    },
  ],
  [
    "the reader's to get secrets",
    {
      ...{ of: 'reader', right: secretsIn('get') },
      object: `${RBAC}/namespaces/shop/rolebindings/certherd-reader`,
      without: bindingWithout(() => reader.name),
    },
  ],
  [
    "the reader's to get namespaces",
    {
      ...{ of: 'reader', right: { ...secretsIn('get'), resource: 'namespaces' } },
      object: `${RBAC}/namespaces/shop/roles/certherd-reader`,
      without: () => ({ rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] }),
      asks: 'configuration',
    },
  ],
  [
    "the writer's to list ingresses",
    {
      ...{ of: 'writer', right: listing('shop'), object: SOURCES },
      without: bindingWithout(() => writer.name),
    },
  ],
  ["the writer's to get secrets", writerWithout('get')],
  ["the writer's to create secrets", writerWithout('create')],
  ["the writer's to patch secrets", { ...writerWithout('patch'), isDelivered: true }],
])('without the right %s an error says what to grant, and to whom', async ([what, removal]) => {
  const { right, object, without, isDelivered = false, asks } = removal;
  const user = removal.of === 'reader' ? reader : writer;
  const name = what.replaceAll(/\W+/g, '-');
  const one = await onCluster(asks ? configured(name) : {});
  if (!asks) await asking(name);
  if (isDelivered) {
    await one.tick();
    one.clock.advance(63 * DAY_MS);
  }
  const { body: before } = await admin.ask('GET', object);
  const { rules, subjects } = before as Parameters<Removal['without']>[0];
  await admin.ask('PATCH', object, without({ subjects }), MERGE);
  await untilGranted(admin, user, right, false);
  try {
    await one.tick();
  } finally {
    await admin.ask('PATCH', object, { rules, subjects }, MERGE);
    await untilGranted(admin, user, right);
  }
  const { verb, group, resource, namespace } = right;
  const full = group ? `${resource}.${group}` : resource;
  const where = namespace === undefined ? 'in all namespaces' : `in namespace ${namespace}`;
  const said = JSON.stringify(troubles(one));
  expect(said).toContain(
    `cluster prod does not let us ${verb} ${full} ${where}; grant the verb ${verb} on ${full} by a`,
  );
  expect(said).toContain(` to ${user.name}`);

  // The right is back: nothing else stood in the way.
  one.clock.advance(60 * 60_000);
  await one.tick();
  expect(await delivered(name)).toMatchObject({ version: isDelivered ? '2' : '1' });
  expect((await certificateFor(one, `${name}.shop.test`)).record.failure).toBeUndefined();
});

test('destroying leaves nothing behind', async () => {
  await access.terraform('destroy', '-auto-approve');
  const left = await Promise.all(
    [
      SOURCES,
      `${RBAC}/clusterroles/certherd-sources`,
      `${RBAC}/namespaces/shop/roles/certherd-reader`,
      `${RBAC}/namespaces/shop/rolebindings/certherd-writer`,
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/certherd-writer',
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/certherd-writer',
    ].map((path) => cluster.get(path)),
  );
  expect(left.filter((object) => object !== undefined)).toEqual([]);
});
