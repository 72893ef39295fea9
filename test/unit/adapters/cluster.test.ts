import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { loopbackIdentity, type ServerIdentity } from '../../../local/tls.ts';
import type { ClusterAccess } from '../../../shared/adapters/kubernetes/access.ts';
import { createCluster } from '../../../shared/adapters/kubernetes/cluster.ts';
import type { Delivered } from '../../../shared/ports.ts';
import { Sensitive } from '../../../shared/sensitive.ts';

type Answer = Readonly<{
  silent?: boolean;
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}>;

/** An https server that answers each request with the next of `script` and notes what it was asked. */
let identity: ServerIdentity;
let server: Server;
let running: RunningApi;
let script: Answer[] = [];
let asked: string[] = [];
let tokens: (string | undefined)[] = [];
let connections = 0;

const onRequest = (request: IncomingMessage, response: ServerResponse) => {
  asked.push(`${request.method} ${request.url}`);
  tokens.push(request.headers.authorization);
  const { silent, status = 200, headers = {}, body = page([]) } = script.shift() ?? {};
  if (silent) return;
  response.writeHead(status, headers);
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};

beforeAll(async () => {
  identity = await loopbackIdentity('cluster');
  const { key, certificate: cert, ca } = identity;
  server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false }, onRequest);
  server.on('secureConnection', () => {
    connections += 1;
  });
  running = await listenOnLoopback(server as never, 0);
});

afterEach(() => {
  [script, asked, tokens, connections] = [[], [], [], 0];
});

afterAll(() => running.close());

const page = (names: readonly string[], next = '') => ({
  kind: 'IngressList',
  metadata: { continue: next },
  items: names.map((name) => ({ metadata: { name, namespace: 'web' } })),
});

const TOKEN: ClusterAccess['credentials'] = { kind: 'token', token: new Sensitive('a-token') };

const cluster = (differs: Partial<ClusterAccess> = {}, waited: number[] = [], timeoutMs?: number) =>
  createCluster({
    name: 'prod',
    access: {
      server: `https://127.0.0.1:${running.port}`,
      ca: identity.ca,
      credentials: TOKEN,
      ...differs,
    },
    installation: 'certherd',
    annotations: [],
    sleep: async (ms) => waited.push(ms),
    timeoutMs,
  });

const names = async (list: ReturnType<ReturnType<typeof cluster>['ingresses']>) =>
  (await list).map(({ name }) => name);

describe('a list', () => {
  test('follows the continue tokens', async () => {
    script = [{ body: page(['a'], 'next+1') }, { body: page(['b']) }];
    expect(await names(cluster().ingresses())).toEqual(['a', 'b']);
    expect(asked).toEqual([
      'GET /apis/networking.k8s.io/v1/ingresses?limit=500',
      'GET /apis/networking.k8s.io/v1/ingresses?limit=500&continue=next%2B1',
    ]);
  });

  test('that expired is started over, and nothing is there twice', async () => {
    script = [
      { body: page(['a'], 'one') },
      { status: 410, body: { kind: 'Status' } },
      { body: page(['a'], 'two') },
      { body: page(['b']) },
    ];
    expect(await names(cluster().ingresses('web'))).toEqual(['a', 'b']);
  });

  test('that expires twice is given up', async () => {
    const expired = { status: 410, body: { kind: 'Status' } };
    script = [expired, expired];
    await expect(cluster().ingresses()).rejects.toMatchObject({ code: 'cluster-unreachable' });
    expect(asked).toHaveLength(2);
  });
});

test('a list that never ends is given up', async () => {
  script = [{ body: page(['a'], 'same') }, { body: page(['a'], 'same') }];
  await expect(cluster().ingresses()).rejects.toMatchObject({ code: 'cluster-unreachable' });
});

test('a server that is silent is not waited for beyond the time given', async () => {
  script = [{ silent: true }];
  const { port } = running;
  await expect(cluster({}, [], 50).ingresses()).rejects.toMatchObject({
    code: 'cluster-unreachable',
    message: `cluster prod cannot be reached at https://127.0.0.1:${port}: no answer in time; check that its API server is up and that its kubeconfig gives the right address and authority; the next tick looks again`,
  });
});

test.for<[string, Answer]>([
  ['nothing', { body: 'null' }],
  ['something else', { body: page([]).items }],
  ['a refusal that is no JSON', { status: 400, body: 'no' }],
  ['a refusal', { status: 400, body: { kind: 'Status', metadata: {} } }],
])('a namespace is not taken for absent when %s is answered', async ([, answer]) => {
  script = [answer];
  await expect(cluster().namespace('web')).rejects.toMatchObject({
    code: 'cluster-unreachable',
    message: `cluster prod answers HTTP ${answer.status ?? 200} and no namespace web`,
  });
  expect(asked).toEqual(['GET /api/v1/namespaces/web']);
});

describe('a read that is put off', () => {
  const later = { status: 429, headers: { 'retry-after': '1' }, body: {} };

  test('is sent again when the server says', async () => {
    script = [later, later, { body: page(['a']) }];
    const waited: number[] = [];
    expect(await names(cluster({}, waited).ingresses())).toEqual(['a']);
    expect(waited).toEqual([1000, 1000]);
  });

  test('is sent again twice at most', async () => {
    script = [later, later, later];
    await expect(cluster().ingresses()).rejects.toMatchObject({
      code: 'cluster-unreachable',
      message: 'cluster prod answers HTTP 429',
      retryAt: expect.any(Date),
    });
    expect(asked).toHaveLength(3);
  });

  test('for long is not waited for', async () => {
    script = [{ ...later, headers: { 'retry-after': '3600' } }];
    await expect(cluster().ingresses()).rejects.toMatchObject({ code: 'cluster-unreachable' });
    expect(asked).toHaveLength(1);
  });
});

const delivered: Delivered = {
  certificate: 'a',
  version: 1,
  serial: '01',
  fingerprint: 'aa',
  notBefore: new Date('2026-01-01'),
  notAfter: new Date('2026-03-01'),
  bundle: { key: new Sensitive('THE-KEY'), chain: 'THE-CHAIN' },
};
const target = { cluster: 'prod', namespace: 'web', secret: 'tls' };

test('a write that is put off is not sent again', async () => {
  script = [{ status: 429, headers: { 'retry-after': '0' }, body: {} }];
  await expect(cluster().apply(target, delivered, undefined)).rejects.toMatchObject({
    code: 'cluster-unreachable',
  });
  expect(asked).toHaveLength(1);
});

const quoting = (field: string) => ({
  kind: 'Status',
  message: 'secrets "tls" is invalid: THE-KEY is not what it was',
  details: { causes: [{ reason: 'FieldValueInvalid', message: 'THE-KEY', field }] },
});

test.for<[string, Answer, string]>([
  [
    'a refusal of RBAC',
    {
      status: 403,
      body: { kind: 'Status', message: 'secrets is forbidden: User "u" cannot create resource' },
    },
    'cluster-forbidden',
  ],
  [
    'an admission rule',
    { status: 403, body: { kind: 'Status', message: 'exceeded quota, says THE-KEY' } },
    'secret-refused',
  ],
  [
    'a namespace that is being deleted',
    {
      status: 403,
      body: {
        kind: 'Status',
        message: '',
        details: { causes: [{ reason: 'NamespaceTerminating' }] },
      },
    },
    'secret-refused',
  ],
  ['an invalid field', { status: 422, body: quoting('data') }, 'secret-refused'],
  ['a request that makes no sense', { status: 400, body: quoting('x') }, 'secret-refused'],
  ['a server error', { status: 500, body: quoting('x') }, 'cluster-unreachable'],
  ['a gateway', { status: 502, body: '<html>THE-KEY' }, 'cluster-unreachable'],
  ['a page in place of JSON', { status: 200, body: '<html>THE-KEY' }, 'cluster-unreachable'],
  ['a proxy without rights', { status: 403, body: '<html>THE-KEY' }, 'cluster-forbidden'],
])('%s on a write becomes an error that quotes nothing', async ([, answer, code]) => {
  script = [answer];
  const error = await cluster()
    .apply(target, delivered, undefined)
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code });
  expect(`${error}`).not.toContain('THE-KEY');
});

const CONNECT =
  'Permission \'container.clusters.connect\' denied on resource "projects/p/locations/l/clusters/c" (or it may not exist).';

describe("a 403 that is not the cluster's own word", () => {
  const google = {
    kind: 'google',
    token: async () => 'a-token',
    grantee: () => ' to sync@p.iam.gserviceaccount.com',
  } as const;

  test.for<[string, unknown]>([
    ["of Google's IAM", { error: { code: 403, message: CONNECT, status: 'PERMISSION_DENIED' } }],
    ["of Google's IAM, put as Kubernetes would", { kind: 'Status', code: 403, message: CONNECT }],
    ['of an endpoint that is closed', '<!DOCTYPE html><title>Error 403 (Forbidden)!!1</title>'],
  ])('%s, says what to grant or to open', async ([, body]) => {
    script = [
      { status: 403, body },
      { status: 403, body },
    ];
    const one = cluster({ credentials: google });
    const refusal = {
      code: 'cluster-forbidden',
      message:
        'cluster prod: the DNS endpoint refuses us; grant container.clusters.connect on its project to sync@p.iam.gserviceaccount.com, or allow external traffic to that endpoint',
    };
    await expect(one.ingresses()).rejects.toMatchObject(refusal);
    await expect(one.apply(target, delivered, undefined)).rejects.toMatchObject(refusal);
  });

  test('of whatever stands before a cluster of a kubeconfig says so', async () => {
    script = [{ status: 403, body: '<html>' }];
    await expect(cluster().ingresses()).rejects.toMatchObject({
      code: 'cluster-forbidden',
      message:
        'cluster prod: what stands before its API server refuses us (HTTP 403); have it let us through',
    });
  });
});

test.for<[string, Answer]>([
  ['a list of something else', { body: { kind: 'List' } }],
  ['null', { body: 'null' }],
  ['no Kubernetes API', { status: 404, body: {} }],
])('%s in place of Ingresses is an unreachable cluster', async ([, answer]) => {
  script = [answer];
  await expect(cluster().ingresses()).rejects.toMatchObject({ code: 'cluster-unreachable' });
});

test.for<[string, Answer]>([
  ['a whole Secret', { body: { kind: 'Secret', data: { 'tls.key': 'THE-KEY' } } }],
  ['an empty Table', { body: { kind: 'Table', columnDefinitions: [], rows: [] } }],
])('%s in place of its metadata is an unreachable cluster', async ([, answer]) => {
  script = [answer];
  await expect(cluster().secret('web', 'tls')).rejects.toMatchObject({
    code: 'cluster-unreachable',
    message: 'cluster prod answers HTTP 200 and no metadata of secret web/tls',
  });
});

test('no redirect is followed, so no token goes anywhere else', async () => {
  script = [{ status: 302, headers: { location: '/elsewhere' }, body: {} }];
  await expect(cluster().ingresses()).rejects.toMatchObject({ code: 'cluster-unreachable' });
  expect(asked).toHaveLength(1);
});

// The pool may open a second one before it sees that the first is free again.
test('calls share their connections', async () => {
  const one = cluster();
  for (let call = 0; call < 10; call += 1) await one.ingresses();
  expect(connections).toBeLessThanOrEqual(2);
});

test('a Google token is asked for before each call', async () => {
  const fresh = ['first', 'second'];
  const one = cluster({
    credentials: { kind: 'google', token: async () => fresh.shift() ?? '' },
  });
  await one.ingresses();
  await one.ingresses();
  expect(tokens).toEqual(['Bearer first', 'Bearer second']);
});

test('a token that is no header is not quoted', async () => {
  const credentials = { kind: 'google', token: async () => 'THE-KEY\nx' } as const;
  const error = await cluster({ credentials })
    .ingresses()
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'cluster-unreachable' });
  expect(`${error}`).not.toContain('THE-KEY');
});

test('a client certificate is shown', async () => {
  let shown = '';
  server.once('secureConnection', (socket) => {
    shown = socket.getPeerX509Certificate()?.toString().trim() ?? '';
  });
  const { certificate, key } = identity;
  const credentials = { kind: 'certificate', certificate, key: new Sensitive(key) } as const;
  await cluster({ credentials }).ingresses();
  expect(shown).toBe(certificate.trim());
  expect(tokens).toEqual([undefined]);
});

test('a server of another authority gets nothing', async () => {
  const { ca } = await loopbackIdentity('another');
  const credentials = { kind: 'google', token: async () => 'a-token' } as const;
  await expect(cluster({ ca, credentials }).ingresses()).rejects.toMatchObject({
    code: 'cluster-unreachable',
    message: `cluster prod cannot be reached at https://127.0.0.1:${running.port}: self-signed certificate in certificate chain; check that its API server is up and that the Container API gives the right address and authority; the next tick looks again`,
  });
  expect(asked).toEqual([]);
});

test.for(['..', 'a/b', 'A', '', 'a?b', '-a'])(
  'a name like "%s" is asked for nowhere',
  async (name) => {
    await expect(cluster().secret('web', name)).rejects.toMatchObject({ code: 'secret-refused' });
    expect(asked).toEqual([]);
  },
);
