import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { gkeAccess } from '../../../shared/adapters/kubernetes/gke.ts';

const CLUSTER = 'projects/p/locations/europe-west1/clusters/c';

let api: RunningApi;
let answer: Readonly<{ status: number; body: unknown }>;
let asked: string[] = [];

beforeAll(async () => {
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    response.writeHead(answer.status, { location: '/elsewhere' });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  });
  api = await listenOnLoopback(server, 0);
});
afterAll(() => api.close());

/** A running cluster with both endpoints; each case states only what differs. */
const described = (differs: object = {}) => ({
  status: 'RUNNING',
  endpoint: '203.0.113.5',
  masterAuth: { clusterCaCertificate: Buffer.from('THE-CA').toString('base64') },
  controlPlaneEndpointsConfig: {
    dnsEndpointConfig: { endpoint: 'gke-1.europe-west1.gke.goog', allowExternalTraffic: true },
  },
  ...differs,
});

const access = (status: number, body: unknown, token = 'a-token') => {
  answer = { status, body };
  asked = [];
  return gkeAccess({ cluster: CLUSTER, endpoint: api.url, token: async () => token });
};

const closed = { dnsEndpointConfig: { endpoint: 'x.gke.goog', allowExternalTraffic: false } };

test.for<[string, object, string, string | undefined]>([
  [
    'at its DNS endpoint with a public authority',
    {},
    'https://gke-1.europe-west1.gke.goog',
    undefined,
  ],
  [
    'at its IP address when the DNS endpoint is closed',
    { controlPlaneEndpointsConfig: closed },
    'https://203.0.113.5',
    'THE-CA',
  ],
  [
    'at its IP address when it has no DNS endpoint',
    { controlPlaneEndpointsConfig: undefined },
    'https://203.0.113.5',
    'THE-CA',
  ],
  [
    'at a port, and while it reconciles',
    { controlPlaneEndpointsConfig: undefined, status: 'RECONCILING', endpoint: '127.0.0.1:6443' },
    'https://127.0.0.1:6443',
    'THE-CA',
  ],
])('a cluster is reached %s', async ([, differs, server, ca]) => {
  expect(await access(200, described(differs))).toMatchObject({
    server,
    ca,
    credentials: { kind: 'google' },
  });
  expect(asked).toEqual([`/v1/${CLUSTER} Bearer a-token`]);
});

test('who is refused there is told to whom to grant', async () => {
  answer = { status: 200, body: described() };
  const grantee = () => ' to sync@p.iam.gserviceaccount.com';
  const options = { cluster: CLUSTER, endpoint: api.url, token: async () => 'a-token', grantee };
  expect((await gkeAccess(options)).credentials).toMatchObject({ grantee });
});

test.for<[string, number, unknown, string, string]>([
  ['without the permission', 403, {}, 'cluster-forbidden', 'grant container.clusters.get'],
  ['that does not exist', 404, {}, 'cluster-unreachable', 'there is no such cluster'],
  ['behind a broken API', 500, {}, 'cluster-unreachable', 'answers HTTP 500'],
  ['behind a page', 200, '<html>', 'cluster-unreachable', 'asking the Container API failed'],
  ['behind null', 200, 'null', 'cluster-unreachable', 'answers what is no cluster'],
  ['behind a redirect', 302, {}, 'cluster-unreachable', 'asking the Container API failed'],
  [
    'that is being made',
    200,
    described({ status: 'PROVISIONING' }),
    'cluster-unreachable',
    'its status is PROVISIONING',
  ],
  ['without any endpoint', 200, { status: 'RUNNING' }, 'cluster-unreachable', 'names no endpoint'],
  [
    'with an endpoint that is no host',
    200,
    described({ controlPlaneEndpointsConfig: undefined, endpoint: 'u:p@evil.test/x' }),
    'cluster-unreachable',
    'an endpoint that is no host',
  ],
])('a cluster %s is a clear error', async ([, status, body, code, message]) => {
  await expect(access(status, body)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
  expect(asked).toHaveLength(1);
});

test('a cluster with another kind of name is asked for nowhere', async () => {
  const token = async () => 'a-token';
  await expect(gkeAccess({ cluster: 'c?x', endpoint: api.url, token })).rejects.toMatchObject({
    code: 'cluster-unreachable',
  });
});

test('a token that is no header is not quoted', async () => {
  await expect(access(200, described(), 'THE-KEY\n')).rejects.toMatchObject({
    message: expect.not.stringContaining('THE-KEY'),
  });
});
