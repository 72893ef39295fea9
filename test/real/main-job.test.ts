import { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loopbackIdentity } from '../../local/tls.ts';
import { type Folder, freePort, temporaryFolder } from './parts/folder.ts';
import { type Pebble, startPebble } from './parts/pebble.ts';
import { ingress, kubeconfig, type RealCluster, startRealCluster } from './parts/real-cluster.ts';
import { type Printed, runOnce, start, startAndStay } from './parts/start.ts';

let cluster: RealCluster;
let folder: Folder;

beforeAll(async () => {
  cluster = await startRealCluster();
  await cluster.create('/api/v1/namespaces', { metadata: { name: 'shop' } });
});
afterAll(() => cluster?.close());

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await cluster.remove('/apis/networking.k8s.io/v1/namespaces/shop/ingresses');
  await cluster.remove('/api/v1/namespaces/shop/secrets');
  folder.remove();
});

const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/shop/ingresses';
const APEX_AND_WILDCARD = ['shop.test', '*.shop.test'];

/** Two clusters: `prod` is the real API server, `edge` an embedded one. */
const CONFIG = {
  project: 'real',
  issuers: {
    letsencrypt: { directory: 'https://acme.example/directory', contact: 'ops@example.org' },
  },
  clusters: [
    {
      name: 'prod',
      ingressClasses: ['nginx'],
      allow: [{ namespaces: ['*'], names: ['shop.test'], wildcards: true }],
    },
    {
      name: 'edge',
      kubeconfigSecret: 'kubeconfig-edge',
      ingressClasses: ['nginx'],
      allow: [{ namespaces: ['edge'], names: ['edge.test'], wildcards: true }],
    },
  ],
  wildcards: ['edge.test'],
};

/** What a run is given besides its Ingresses. */
function given(pebble: Pebble, dnsPort: number): string[] {
  return [
    ...['--config', folder.write('certherd.yaml', CONFIG)],
    ...['--zone', 'shop.test', '--zone', 'edge.test'],
    ...['--cluster', `prod=${folder.write('kubeconfig.yaml', cluster.kubeconfig)}`],
    ...['--acme-directory', pebble.directoryUrl],
    ...['--acme-ca', folder.write('acme-ca.pem', pebble.tlsCa)],
    ...['--dns-port', String(dnsPort)],
  ];
}

const inShop = (name: string, hosts: readonly string[], secret: string) =>
  cluster.create(INGRESSES, ingress({ name, namespace: 'shop', hosts, secret }));

function edgeManifests(): string[] {
  const inEdge = (name: string, secret: string) =>
    ingress({ name, namespace: 'edge', hosts: [`${name}.edge.test`], secret });
  folder.write('edge/hub.yaml', inEdge('hub', 'edge-tls'));
  folder.write('edge/docs.yaml', inEdge('docs', 'edge-tls'));
  folder.write('edge/grafana.yaml', inEdge('grafana', 'grafana-tls'));
  return ['--manifests', `edge=${folder.path}/edge`];
}

const hexOf = (certificate: X509Certificate) => certificate.serialNumber.toLowerCase();

/** A handshake that owes nothing to the program: what is served for the host. */
function servedFor(host: string, port: number): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: host,
      rejectUnauthorized: false,
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw));
      socket.destroy();
    });
  });
}

async function frontPort(name: string): Promise<number> {
  const published = (await cluster.get(`${INGRESSES}/${name}`))?.status?.loadBalancer?.ingress;
  return published?.[0]?.ports?.[0]?.port ?? 0;
}

const certificate = (document: Printed, ...names: readonly string[]) => {
  const found = document.certificates.find((one) => `${one.names}` === `${names}`);
  if (found) return found;
  throw new Error(`no certificate has the names ${names}`);
};

const written = (name: string, secrets: readonly string[], state = 'written') =>
  secrets.map((secret) => ({
    cluster: name,
    namespace: name === 'prod' ? 'shop' : 'edge',
    secret,
    state,
    reason: state === 'refused' ? expect.stringContaining('belongs to') : null,
  }));

describe.for<[string, number, number]>([
  ['at Pebble', 0, 0],
  ['at Pebble that refuses a fifth of the nonces', 20, 0],
  ['at Pebble that uses authorizations again', 0, 100],
  ['at Pebble that does both', 20, 100],
])('two clusters, one of them kube-apiserver, %s', ([, nonceReject, authzReuse]) => {
  let pebble: Pebble;
  let dnsPort: number;
  beforeEach(async () => {
    dnsPort = await freePort();
    pebble = await startPebble({ dnsServer: `127.0.0.1:${dnsPort}`, nonceReject, authzReuse });
  });
  afterEach(() => pebble?.close());

  /** Refused nonces cost a request each, and chance has its way with how many. */
  const isPlausible = (signedRequests: number, least: number) =>
    nonceReject === 0
      ? signedRequests === least
      : signedRequests >= least && signedRequests <= 3 * least;

  test('issues, delivers and serves, then keeps everything, then adds what is new', async () => {
    await inShop('shop', APEX_AND_WILDCARD, 'shop-tls');
    await cluster.create(
      INGRESSES,
      ingress({
        ...{ name: 'admin', namespace: 'shop', hosts: ['admin.shop.test'], secret: 'shop-tls' },
        optIn: false,
      }),
    );
    const state = ['--front', 'nginx', '--state', `${folder.path}/state`];
    const options = [...given(pebble, dnsPort), ...edgeManifests(), ...state];

    const first = await runOnce(options);
    const shop = certificate(first.document, '*.shop.test', 'shop.test');
    const edge = certificate(first.document, '*.edge.test');
    expect(first.document).toMatchObject({
      ok: true,
      certificates: [
        {
          names: ['*.edge.test'],
          issuer: 'letsencrypt',
          state: 'issued',
          targets: written('edge', ['edge-tls', 'grafana-tls']),
        },
        {
          names: ['*.shop.test', 'shop.test'],
          issuer: 'letsencrypt',
          state: 'issued',
          targets: written('prod', ['shop-tls']),
        },
      ],
      refused: [],
      served: [
        { cluster: 'edge', host: 'docs.edge.test', serial: edge.serial, proven: true },
        { cluster: 'edge', host: 'grafana.edge.test', serial: edge.serial, proven: true },
        { cluster: 'edge', host: 'hub.edge.test', serial: edge.serial, proven: true },
        { cluster: 'prod', host: 'admin.shop.test', serial: shop.serial, proven: true },
        { cluster: 'prod', host: 'shop.test', serial: shop.serial, proven: true },
      ],
      acme: { orders: 2 },
      faults: [],
    });
    expect(first.document.certificates).toHaveLength(2);
    expect(first.code).toBe(0);
    // One for the account, 9 for apex and wildcard, 7 for the other wildcard.
    expect(first.document.acme.signedRequests).toSatisfy((n: number) => isPlausible(n, 17));

    const delivered = await cluster.certificateIn('shop', 'shop-tls');
    expect(hexOf(delivered)).toBe(shop.serial);
    expect(delivered.validToDate).toEqual(new Date(shop.notAfter ?? 0));
    expect(delivered.subjectAltName).toBe('DNS:*.shop.test, DNS:shop.test');
    expect(delivered.issuer).toContain('Pebble Intermediate CA');
    expect((await cluster.get('/api/v1/namespaces/shop/secrets/shop-tls'))?.type).toBe(
      'kubernetes.io/tls',
    );

    const second = await runOnce(options);
    expect(second.document).toEqual({
      ...first.document,
      seconds: expect.any(Number),
      certificates: [
        {
          ...edge,
          state: 'kept',
          targets: written('edge', ['edge-tls', 'grafana-tls'], 'unchanged'),
        },
        { ...shop, state: 'kept', targets: written('prod', ['shop-tls'], 'unchanged') },
      ],
      acme: { orders: 0, signedRequests: 0, requests: 0 },
    });
    expect(second.code).toBe(0);

    await inShop('below', ['*.shop.test'], 'below-tls');
    const third = await runOnce(options);
    const below = certificate(third.document, '*.shop.test');
    expect(below).toMatchObject({ state: 'issued', targets: written('prod', ['below-tls']) });
    expect(third.document.acme.orders).toBe(1);
    // Fewer when the order is ready from the start: no authorization, no challenge, no look at the order.
    const signed = authzReuse === 100 ? 4 : 7;
    expect(third.document.acme.signedRequests).toSatisfy((n: number) => isPlausible(n, signed));
    expect(hexOf(await cluster.certificateIn('shop', 'below-tls'))).toBe(below.serial);
    expect(third.code).toBe(0);
  });
});

describe('with kube-apiserver, Pebble and nginx', () => {
  let pebble: Pebble;
  let dnsPort: number;
  beforeEach(async () => {
    dnsPort = await freePort();
    pebble = await startPebble({ dnsServer: `127.0.0.1:${dnsPort}` });
  });
  afterEach(() => pebble?.close());

  test('nginx serves what the Secret holds, to whoever shakes hands', async () => {
    await inShop('shop', APEX_AND_WILDCARD, 'shop-tls');
    const running = await startAndStay([...given(pebble, dnsPort), '--front', 'nginx']);
    const port = await frontPort('shop');
    const served = await servedFor('any.shop.test', port);
    const delivered = await cluster.certificateIn('shop', 'shop-tls');
    expect(served.fingerprint256).toBe(delivered.fingerprint256);
    expect((await servedFor('shop.test', port)).fingerprint256).toBe(delivered.fingerprint256);
    expect(running.said()).toContain('nginx serves cluster prod at https://127.0.0.1:');
    expect(await running.interrupt()).toBe(0);
  });

  test('takes 9 or 10 signed requests for an apex and its wildcard', async () => {
    await inShop('shop', APEX_AND_WILDCARD, 'shop-tls');
    const { code, document } = await runOnce(given(pebble, dnsPort));
    expect(code).toBe(0);
    expect(document.acme.orders).toBe(1);
    expect([9, 10]).toContain(document.acme.signedRequests);
    // The directory and one nonce besides.
    expect(document.acme.requests - document.acme.signedRequests).toBe(2);
    expect(document.served).toMatchObject([{ host: 'shop.test', proven: false }]);
  });

  test('refuses by name what it may not have, before any order, and goes on with the rest', async () => {
    const secrets = '/api/v1/namespaces/shop/secrets';
    const foreign = {
      metadata: { name: 'taken', annotations: { 'cert-manager.io/certificate-name': 'shop' } },
      type: 'Opaque',
      data: { 'tls.key': Buffer.from('not ours').toString('base64') },
    };
    await cluster.create(secrets, foreign);
    await inShop('shop', APEX_AND_WILDCARD, 'shop-tls');
    await inShop('taken', ['taken.shop.test'], 'taken');
    await inShop('stranger', ['www.elsewhere.example'], 'elsewhere-tls');
    const { code, document } = await runOnce(given(pebble, dnsPort));
    expect(code).toBe(1);
    expect(document).toMatchObject({
      ok: false,
      refused: [
        {
          cluster: 'prod',
          kind: 'Ingress',
          namespace: 'shop',
          name: 'stranger',
          message: expect.stringContaining('www.elsewhere.example'),
        },
      ],
      acme: { orders: 1 },
    });
    expect(certificate(document, 'taken.shop.test')).toMatchObject({
      state: 'refused',
      reason: 'targets-refused',
      message: expect.stringContaining(
        "Secret prod/shop/taken exists with type Opaque and belongs to cert-manager's",
      ),
      targets: written('prod', ['taken'], 'refused'),
    });
    expect(certificate(document, '*.shop.test', 'shop.test')).toMatchObject({ state: 'issued' });
    expect(await cluster.get(`${secrets}/taken`)).toMatchObject({
      type: 'Opaque',
      data: foreign.data,
    });
  });
});

test('the example as it is ends well with nginx', async () => {
  const { code, document } = await runOnce(['--front', 'nginx']);
  expect(code).toBe(0);
  expect(document).toMatchObject({ ok: true, refused: [], faults: [], acme: { orders: 10 } });
  expect(document.certificates).toHaveLength(10);
  expect(document.certificates.every(({ state }) => state === 'issued')).toBe(true);
  expect(document.served).toHaveLength(22);
  expect(document.served.every(({ proven }) => proven)).toBe(true);
});

describe('says in one sentence what is wrong', () => {
  const alone = () => [
    ...['--config', folder.write('certherd.yaml', CONFIG)],
    ...['--zone', 'shop.test', '--zone', 'edge.test'],
    ...edgeManifests(),
  ];
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  /** Answers whatever it is asked with a page. */
  const webServer = async () => {
    const { certificate: cert, key, ca } = await loopbackIdentity('a web server');
    const server = createServer({ cert, key }, (_, response) =>
      response.setHeader('content-type', 'text/html').end('<html><h1>It works!</h1></html>'),
    );
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca };
  };
  const withKubeconfig = (content: unknown) => [
    ...alone(),
    ...['--cluster', `prod=${folder.write('kubeconfig.yaml', content)}`],
  ];

  test.for<[string, Parameters<typeof kubeconfig>[1], string]>([
    [
      'a program to start',
      { user: { exec: { command: 'touch', args: ['/tmp/owned'] } } },
      'user.exec is refused; it would start a program',
    ],
    [
      'a file in place of the authority',
      { cluster: { 'certificate-authority': '/etc/ssl/cert.pem' } },
      'cluster.certificate-authority names a file; put the data itself in certificate-authority-data',
    ],
    [
      'a file in place of the token',
      { user: { token: undefined, tokenFile: '/root/.token' } },
      'user.tokenFile names a file; put the data itself in token',
    ],
    [
      'a client certificate in a file',
      { user: { 'client-certificate': 'a.crt', 'client-key': 'a.key' } },
      'user.client-key names a file; put the data itself in client-key-data',
    ],
    [
      'TLS that is not checked',
      { cluster: { 'insecure-skip-tls-verify': true } },
      'cluster.insecure-skip-tls-verify is refused',
    ],
    [
      'no TLS',
      { cluster: { server: 'http://127.0.0.1' } },
      'cluster.server must be an https:// URL',
    ],
    [
      'a proxy',
      { cluster: { 'proxy-url': 'http://127.0.0.1:3128' } },
      'cluster.proxy-url is refused',
    ],
    ['a password', { user: { password: 'hunter2' } }, 'user.password is refused'],
  ])('and ends with 2 for a kubeconfig with %s', async ([, differs, sentence]) => {
    const { code, stdout, stderr } = await start([
      ...['--once', '--json', '--port', '0'],
      ...withKubeconfig(kubeconfig(cluster, differs)),
    ]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining(
        `certherd: --cluster prod=…: ${folder.path}/kubeconfig.yaml cannot be used: `,
      ),
    ]);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toMatch(/hunter2|admin-token/);
  });

  test.for<[string, () => Promise<string>, string]>([
    [
      'a token that the cluster does not know',
      async () => JSON.stringify(kubeconfig({ ...cluster, token: 'of-yesterday' })),
      'of-yesterday',
    ],
    [
      'an authority that is not behind the server',
      async () => {
        const { ca } = await loopbackIdentity('somebody else');
        return JSON.stringify(kubeconfig({ ...cluster, ca }));
      },
      'admin-token',
    ],
    [
      'a server that is not there',
      async () => {
        const server = `https://127.0.0.1:${await freePort()}`;
        return JSON.stringify(kubeconfig({ ...cluster, server }));
      },
      'admin-token',
    ],
    [
      'a web server in its place',
      async () => {
        const { url, ca } = await webServer();
        return JSON.stringify(kubeconfig({ ...cluster, server: url, ca }));
      },
      'admin-token',
    ],
  ])(
    'and ends with 1 for a cluster reached with %s, serving the other one',
    async ([, content, secret]) => {
      const { code, document, log } = await runOnce(withKubeconfig(await content()));
      expect(code).toBe(1);
      expect(document).toMatchObject({
        ok: false,
        faults: [{ resource: 'cluster prod', message: expect.stringMatching(/^cluster prod .+/) }],
      });
      expect(document.faults).toHaveLength(1);
      expect(certificate(document, '*.edge.test')).toMatchObject({ state: 'issued' });
      expect(document.served.map(({ proven }) => proven)).toEqual([true, true, true]);
      expect(JSON.stringify(document) + log).not.toContain(secret);
    },
  );

  test('and ends with 1 for a CA that is not there', async () => {
    const directory = `https://127.0.0.1:${await freePort()}/directory`;
    const { code, document } = await runOnce([...alone(), '--acme-directory', directory]);
    expect(code).toBe(1);
    expect(certificate(document, '*.edge.test')).toMatchObject({
      state: 'failed',
      reason: 'ca-unavailable',
      message: expect.stringMatching(
        new RegExp(`^no answer from the CA at ${directory} .+ECONNREFUSED.+; tried again at 20`),
      ),
    });
    expect(document.acme).toEqual({ orders: 0, signedRequests: 0, requests: 0 });
  });

  test('and ends with 1 for a web server in place of the CA', async () => {
    const { url, ca } = await webServer();
    const directory = `${url}/directory`;
    const { code, document } = await runOnce([
      ...alone(),
      ...['--acme-directory', directory, '--acme-ca', folder.write('web.pem', ca)],
    ]);
    expect(code).toBe(1);
    const { state, reason, message } = certificate(document, '*.edge.test');
    expect({ state, reason }).toEqual({ state: 'failed', reason: 'ca-unavailable' });
    expect(message).toContain(directory);
    expect(message).not.toContain('<');
    expect(document.acme.orders).toBe(0);
  });
});
