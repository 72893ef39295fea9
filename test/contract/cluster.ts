import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loopbackIdentity } from '../../local/tls.ts';
import { createCluster } from '../../shared/adapters/kubernetes/cluster.ts';
import type { SecretMetadata } from '../../shared/domain/delivery.ts';
import type { ClusterWriter, Delivered } from '../../shared/ports.ts';
import { Sensitive } from '../../shared/sensitive.ts';

/** A Kubernetes API server, reached as a cluster admin by `token` and as a user without rights by `strangerToken`. */
export type ApiServer = Readonly<{
  server: string;
  ca: string;
  token: string;
  strangerToken: string;
  close(): Promise<void>;
}>;

type Seen = Readonly<{ method: string; path: string; accept: string }>;

const MERGE = 'application/merge-patch+json';

/** What a ClusterWriter promises, on any server that speaks the Kubernetes API. */
export function clusterContract(start: () => Promise<ApiServer>): void {
  let api: ApiServer;
  let admin: Agent;
  let cluster: ClusterWriter;
  let first: Delivered;
  let second: Delivered;
  let namespaces = 0;

  const clusterAs = (token: string, pageSize?: number) =>
    createCluster({
      name: 'prod',
      access: {
        server: api.server,
        ca: api.ca,
        credentials: { kind: 'token', token: new Sensitive(token) },
      },
      installation: 'certherd',
      annotations: ['kubernetes.io/tls-acme'],
      pageSize,
    });

  /** A call as somebody else makes it; `manager` is the name that its fields are noted under. */
  const other = async (method: string, path: string, body?: unknown, type = MERGE) => {
    const response = await fetch(`${api.server}${path}`, {
      method,
      dispatcher: admin,
      headers: {
        authorization: `Bearer ${api.token}`,
        'content-type': method === 'POST' ? 'application/json' : type,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const reply = (await response.json()) as Record<string, unknown>;
    expect(response.status, JSON.stringify(reply)).toBeLessThan(300);
    return reply;
  };

  const newNamespace = async () => {
    namespaces += 1;
    const name = `contract-${namespaces}`;
    await other('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    });
    return name;
  };

  const newSecret = (namespace: string, differs: Readonly<Record<string, unknown>> = {}) =>
    other('POST', `${secretsOf(namespace)}?fieldManager=kubectl-create`, {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: 'web' },
      data: pair(second),
      ...differs,
    });

  const dataOf = async (namespace: string) =>
    (await other('GET', `${secretsOf(namespace)}/web`)).data;

  const ingress = (namespace: string, name: string, differs: object = {}) =>
    other('POST', `${ingressesOf(namespace)}`, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, namespace },
      spec: { tls: [{ hosts: ['a.test'], secretName: 'web' }], defaultBackend: BACKEND },
      ...differs,
    });

  const present = async (namespace: string): Promise<SecretMetadata> => {
    const found = await cluster.secret(namespace, 'web');
    if (!found) throw new Error('the secret is not there');
    return found;
  };

  beforeAll(async () => {
    api = await start();
    admin = new Agent({ connect: { ca: api.ca } });
    cluster = clusterAs(api.token);
    first = await delivery(1, 'aa');
    second = await delivery(2, 'bb');
  });

  afterAll(async () => {
    await admin.close();
    await api.close();
  });

  describe('ingresses', () => {
    test('are read with what matters and nothing else', async () => {
      const namespace = await newNamespace();
      const annotations = {
        'kubernetes.io/ingress.class': 'nginx',
        'kubernetes.io/tls-acme': 'true',
        'certherd/issuer': 'staging',
        'example.org/large': 'x'.repeat(1000),
      };
      await ingress(namespace, 'web', {
        metadata: { name: 'web', annotations },
        spec: {
          ingressClassName: 'nginx',
          tls: [{ hosts: ['a.test', 'b.test'], secretName: 'web' }, { hosts: ['c.test'] }],
          rules: [{ host: 'a.test', http: PATHS }, { http: PATHS }],
        },
      });
      expect(await cluster.ingresses(namespace)).toEqual([
        {
          namespace,
          name: 'web',
          annotations: {
            'kubernetes.io/ingress.class': 'nginx',
            'kubernetes.io/tls-acme': 'true',
            'certherd/issuer': 'staging',
          },
          className: 'nginx',
          tls: [
            { hosts: ['a.test', 'b.test'], secretName: 'web' },
            { hosts: ['c.test'], secretName: undefined },
          ],
          ruleHosts: ['a.test'],
          addresses: [],
        },
      ]);
    });

    test('say where they are served', async () => {
      const namespace = await newNamespace();
      await ingress(namespace, 'web');
      const ports = [
        { port: 8443, protocol: 'TCP' },
        { port: 9443, protocol: 'TCP' },
      ];
      const balancers = [{ ip: '203.0.113.7' }, { hostname: 'lb.test', ports }];
      await other('PATCH', `${ingressesOf(namespace)}/web/status`, {
        status: { loadBalancer: { ingress: balancers } },
      });
      expect((await cluster.ingresses(namespace))[0]?.addresses).toEqual([
        { address: '203.0.113.7', port: 443 },
        { address: 'lb.test', port: 8443 },
        { address: 'lb.test', port: 9443 },
      ]);
    });

    test('are read page by page, each once, in one namespace and in all', async () => {
      const [one, two] = [await newNamespace(), await newNamespace()];
      for (const name of ['a', 'b', 'c', 'd', 'e']) await ingress(one, name);
      await ingress(two, 'f');
      const paged = clusterAs(api.token, 2);
      const { result, seen } = await watched(() => paged.ingresses(one));
      expect(result.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
      expect(seen).toHaveLength(3);
      expect(seen.every(({ path }) => path.includes('limit=2'))).toBe(true);
      const all = (await paged.ingresses()).filter(({ namespace }) =>
        [one, two].includes(namespace),
      );
      expect(all.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    });

    test('of a namespace that does not exist are none', async () => {
      expect(await cluster.ingresses('nowhere')).toEqual([]);
    });
  });

  describe('a Secret', () => {
    test('that is absent is undefined, in a namespace that is absent too', async () => {
      const namespace = await newNamespace();
      expect(await cluster.secret(namespace, 'web')).toBeUndefined();
      expect(await cluster.secret('nowhere', 'web')).toBeUndefined();
    });

    test('of somebody else is described by its type and by who owns the pair', async () => {
      const namespace = await newNamespace();
      const created = await newSecret(namespace);
      const { uid, resourceVersion } = created.metadata as Record<string, string>;
      expect(await present(namespace)).toEqual({
        uid,
        resourceVersion,
        type: 'kubernetes.io/tls',
        installation: undefined,
        certificate: undefined,
        version: undefined,
        fingerprint: undefined,
        otherManagers: ['kubectl-create'],
        belongsTo: undefined,
      });
    });

    test('of another type and without the pair is described too', async () => {
      const namespace = await newNamespace();
      await newSecret(namespace, { type: 'Opaque', data: { note: 'bm90ZQ==' } });
      expect(await present(namespace)).toMatchObject({ type: 'Opaque', otherManagers: [] });
    });

    test('says in words whose it is', async () => {
      const namespace = await newNamespace();
      const annotations = { 'cert-manager.io/certificate-name': 'shop' };
      await newSecret(namespace, { metadata: { name: 'web', annotations } });
      expect((await present(namespace)).belongsTo).toBe("cert-manager's Certificate shop");
    });

    test('never brings the last applied configuration along', async () => {
      const namespace = await newNamespace();
      const annotations = {
        'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(pair(second)),
      };
      await newSecret(namespace, { metadata: { name: 'web', annotations } });
      expect(JSON.stringify(await present(namespace))).not.toContain('tls.key');
    });
  });

  describe('a namespace', () => {
    test('is active from the moment that it is made, and undefined before', async () => {
      expect(await cluster.namespace('nowhere')).toBeUndefined();
      expect(await cluster.namespace(await newNamespace())).toBe('active');
    });

    test('is terminating from the moment that it is deleted', async () => {
      const namespace = await newNamespace();
      await other('DELETE', `/api/v1/namespaces/${namespace}`);
      expect(await cluster.namespace(namespace)).toBe('terminating');
    });

    test('whose name Kubernetes does not allow is refused', async () => {
      await expect(cluster.namespace('..')).rejects.toMatchObject({ code: 'secret-refused' });
    });
  });

  const target = (namespace: string) => ({ cluster: 'prod', namespace, secret: 'web' });

  describe('apply', () => {
    test('makes the Secret with the pair, our label and what is in it', async () => {
      const namespace = await newNamespace();
      expect(await cluster.apply(target(namespace), first, undefined)).toBe('applied');
      expect(await dataOf(namespace)).toEqual(pair(first));
      expect(await present(namespace)).toMatchObject({
        type: 'kubernetes.io/tls',
        installation: 'certherd',
        certificate: 'a-test-1',
        version: 1,
        fingerprint: 'aa',
        otherManagers: [],
        belongsTo: undefined,
      });
    });

    test('that expects no Secret leaves alone one that somebody made meanwhile', async () => {
      const namespace = await newNamespace();
      await newSecret(namespace);
      expect(await cluster.apply(target(namespace), first, undefined)).toBe('changed');
      expect(await dataOf(namespace)).toEqual(pair(second));
      expect((await present(namespace)).otherManagers).toEqual(['kubectl-create']);
    });

    test('puts the next version over ours, again and again, and nobody else owns the pair', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      for (const delivered of [second, first, second])
        expect(await cluster.apply(target(namespace), delivered, await present(namespace))).toBe(
          'applied',
        );
      expect(await dataOf(namespace)).toEqual(pair(second));
      expect(await present(namespace)).toMatchObject({ version: 2, otherManagers: [] });
    });

    test('keeps what others wrote beside it', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      const metadata = { labels: { team: 'shop' }, annotations: { note: 'ours' } };
      await other('PATCH', `${secretsOf(namespace)}/web?fieldManager=kubectl`, { metadata });
      await cluster.apply(target(namespace), second, await present(namespace));
      const stored = await other('GET', `${secretsOf(namespace)}/web`);
      expect(stored.metadata).toMatchObject(metadata);
    });

    test('over a Secret that was written to since says so and writes nothing', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      const looked = await present(namespace);
      await other('PATCH', `${secretsOf(namespace)}/web`, { metadata: { labels: { new: 'one' } } });
      expect(await cluster.apply(target(namespace), second, looked)).toBe('changed');
      expect(await dataOf(namespace)).toEqual(pair(first));
    });

    test('over a Secret that was deleted since says so and does not bring it back', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      const looked = await present(namespace);
      await other('DELETE', `${secretsOf(namespace)}/web`);
      expect(await cluster.apply(target(namespace), second, looked)).toBe('changed');
      expect(await cluster.secret(namespace, 'web')).toBeUndefined();
    });

    test('over a Secret that was made anew since says so, whatever its revision', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      const { uid } = await present(namespace);
      await other('DELETE', `${secretsOf(namespace)}/web`);
      await cluster.apply(target(namespace), first, undefined);
      const anew = await present(namespace);
      expect(await cluster.apply(target(namespace), second, { ...anew, uid })).toBe('changed');
      expect(await dataOf(namespace)).toEqual(pair(first));
    });

    test('takes back a pair that somebody edited in our Secret', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      await other('PATCH', `${secretsOf(namespace)}/web?fieldManager=kubectl-edit`, {
        data: pair(second),
      });
      const edited = await present(namespace);
      expect(edited).toMatchObject({ version: 1, otherManagers: ['kubectl-edit'] });
      expect(await cluster.apply(target(namespace), first, edited)).toBe('applied');
      expect(await dataOf(namespace)).toEqual(pair(first));
      expect((await present(namespace)).otherManagers).toEqual([]);
    });

    test('never takes a pair from somebody whose Secret it is', async () => {
      const namespace = await newNamespace();
      await newSecret(namespace);
      await expect(
        cluster.apply(target(namespace), first, await present(namespace)),
      ).rejects.toMatchObject({
        code: 'secret-refused',
        message: expect.stringContaining(`${namespace}/web: somebody else manages .data.tls.crt`),
      });
      expect(await dataOf(namespace)).toEqual(pair(second));
    });

    test('refuses a Secret of another type and does not replace it', async () => {
      const namespace = await newNamespace();
      const labels = { 'app.kubernetes.io/managed-by': 'certherd' };
      await newSecret(namespace, {
        type: 'Opaque',
        metadata: { name: 'web', labels },
        data: { note: 'bm90ZQ==' },
      });
      const looked = await present(namespace);
      await expect(cluster.apply(target(namespace), first, looked)).rejects.toMatchObject({
        code: 'secret-refused',
        message: expect.stringContaining('type cannot become what we write'),
      });
      expect(await present(namespace)).toEqual(looked);
    });

    test('refuses an immutable Secret', async () => {
      const namespace = await newNamespace();
      const labels = { 'app.kubernetes.io/managed-by': 'certherd' };
      await newSecret(namespace, { immutable: true, metadata: { name: 'web', labels } });
      await expect(
        cluster.apply(target(namespace), first, await present(namespace)),
      ).rejects.toMatchObject({ code: 'secret-refused' });
    });

    test('refuses a namespace that does not exist', async () => {
      await expect(cluster.apply(target('nowhere'), first, undefined)).rejects.toMatchObject({
        code: 'secret-refused',
        message: expect.stringContaining('its namespace does not exist'),
      });
    });

    test('asks only for metadata, and answers to writes hold no key either', async () => {
      const namespace = await newNamespace();
      const { seen } = await watched(async () => {
        await cluster.apply(target(namespace), first, undefined);
        await cluster.apply(target(namespace), second, await present(namespace));
      });
      expect(seen.map(({ method, accept }) => [method, /;as=(\w+);/.exec(accept)?.[1]])).toEqual([
        ['POST', 'PartialObjectMetadata'],
        ['GET', 'Table'],
        ['PATCH', 'PartialObjectMetadata'],
      ]);
    });
  });

  describe('rights', () => {
    test('that are missing are named with the verb to grant', async () => {
      const namespace = await newNamespace();
      await cluster.apply(target(namespace), first, undefined);
      const looked = await present(namespace);
      const stranger = clusterAs(api.strangerToken);
      const expected = (verb: string, resource: string) => ({
        code: 'cluster-forbidden',
        message: expect.stringContaining(`does not let us ${verb} ${resource} in`),
      });
      await expect(stranger.ingresses()).rejects.toMatchObject(
        expected('list', 'ingresses.networking.k8s.io'),
      );
      await expect(stranger.secret(namespace, 'web')).rejects.toMatchObject(
        expected('get', 'secrets'),
      );
      for (const name of [namespace, 'nowhere'])
        await expect(stranger.namespace(name)).rejects.toMatchObject(expected('get', 'namespaces'));
      await expect(stranger.apply(target(namespace), first, undefined)).rejects.toMatchObject(
        expected('create', 'secrets'),
      );
      await expect(stranger.apply(target(namespace), first, looked)).rejects.toMatchObject(
        expected('patch', 'secrets'),
      );
    });

    test('of nobody are none, and the token is not said', async () => {
      await expect(clusterAs('of-nobody').ingresses()).rejects.toMatchObject({
        code: 'cluster-unreachable',
        message: 'cluster prod does not accept our credentials (HTTP 401); renew them',
      });
    });
  });
}

const BACKEND = { service: { name: 'web', port: { number: 80 } } };
const PATHS = { paths: [{ path: '/', pathType: 'Prefix', backend: BACKEND }] };

const secretsOf = (namespace: string) => `/api/v1/namespaces/${namespace}/secrets`;
const ingressesOf = (namespace: string) =>
  `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`;

async function delivery(version: number, fingerprint: string): Promise<Delivered> {
  const { key, certificate } = await loopbackIdentity(`authority ${version}`);
  return {
    certificate: 'a-test-1',
    bundle: { key: new Sensitive(key), chain: certificate },
    version,
    serial: `0${version}`,
    fingerprint,
    notBefore: new Date('2026-11-01T00:00:00Z'),
    notAfter: new Date('2027-01-30T00:00:00Z'),
  };
}

const pair = ({ bundle }: Delivered) => ({
  'tls.crt': Buffer.from(bundle.chain).toString('base64'),
  'tls.key': Buffer.from(bundle.key.reveal()).toString('base64'),
});

/** Every request that leaves while `work` runs. */
async function watched<T>(work: () => Promise<T>) {
  const seen: Seen[] = [];
  const note = (message: unknown) => {
    const { request } = message as { request: Omit<Seen, 'accept'> & { headers: string[] } };
    const accept = request.headers[request.headers.indexOf('accept') + 1] ?? '';
    seen.push({ method: request.method, path: request.path, accept });
  };
  subscribe('undici:request:create', note);
  try {
    return { result: await work(), seen };
  } finally {
    unsubscribe('undici:request:create', note);
  }
}
