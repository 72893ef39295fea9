import { OAuth2Client } from 'google-auth-library';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Container, startContainer } from '../../../local/container.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const PARENT = 'projects/p/locations/europe-west1';

let container: Container;
beforeAll(async () => {
  container = await startContainer({
    clusters: [
      { name: `${PARENT}/clusters/prod`, endpoint: '127.0.0.1:6443', ca: PEM },
      {
        name: 'projects/p/locations/us/clusters/dns',
        endpoint: '127.0.0.1:6444',
        ca: PEM,
        dnsEndpoint: 'gke-1.us.gke.goog',
      },
    ],
    authenticate: (token) => (token === 'ya29.good' ? 'reconcile@p.test' : undefined),
  });
});
afterAll(() => container.close());

const get = async (path: string, token = 'ya29.good') => {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token });
  const url = `${container.url}/v1/${path}`;
  const { status, data } = await client.request({ url, validateStatus: () => true });
  return { status, data };
};

test('a cluster says where its API server is and who signed its certificate', async () => {
  const { status, data } = await get(`${PARENT}/clusters/prod`);
  expect(status).toBe(200);
  expect(data).toMatchObject({
    name: 'prod',
    location: 'europe-west1',
    status: 'RUNNING',
    endpoint: '127.0.0.1:6443',
    masterAuth: { clusterCaCertificate: Buffer.from(PEM).toString('base64') },
    controlPlaneEndpointsConfig: {
      dnsEndpointConfig: { allowExternalTraffic: false },
      ipEndpointsConfig: { enabled: true, publicEndpoint: '127.0.0.1:6443' },
    },
  });
});

test('a cluster with a DNS endpoint says so', async () => {
  const { data } = await get('projects/p/locations/us/clusters/dns');
  expect(data).toMatchObject({
    controlPlaneEndpointsConfig: {
      dnsEndpointConfig: { endpoint: 'gke-1.us.gke.goog', allowExternalTraffic: true },
    },
  });
});

test.for<[string, string[]]>([
  [PARENT, ['prod']],
  ['projects/p/locations/-', ['prod', 'dns']],
  ['projects/other/locations/-', []],
])('the clusters of %s are listed', async ([parent, names]) => {
  const { data } = await get(`${parent}/clusters`);
  expect((data as { clusters: { name: string }[] }).clusters.map(({ name }) => name)).toEqual(
    names,
  );
});

test('an unknown cluster is not found, in the words of the service', async () => {
  expect(await get(`${PARENT}/clusters/absent`)).toEqual({
    status: 404,
    data: {
      error: { code: 404, message: `Not found: ${PARENT}/clusters/absent.`, status: 'NOT_FOUND' },
    },
  });
});

test('a token that nobody gave out is refused', async () => {
  const { status, data } = await get(`${PARENT}/clusters/prod`, 'ya29.bad');
  expect(status).toBe(401);
  expect(data).toMatchObject({ error: { status: 'UNAUTHENTICATED' } });
});

test('a request without a token is refused, even for a cluster that is not there', async () => {
  const reply = await fetch(`${container.url}/v1/${PARENT}/clusters/absent`);
  expect(reply.status).toBe(401);
});
