import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster } from '../../../../local/front/cluster-api.ts';
import { type Front, startFront } from '../../../../local/front/front.ts';
import {
  ask,
  createTestClient,
  openConnection,
  servedFor,
  type TestClient,
  type TestObject,
} from './client.ts';
import { mismatchedPair, pairFor } from './pairs.ts';

export const SETTLE_MS = 10_000;

export const secret = (namespace: string, name: string, data: unknown): TestObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/tls',
  metadata: { namespace, name },
  data,
});

export const ingress = (
  namespace: string,
  name: string,
  { hosts, secretName, className }: { hosts: string[]; secretName: string; className?: string },
): TestObject => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { namespace, name },
  spec: {
    ...(className ? { ingressClassName: className } : {}),
    tls: [{ hosts, secretName }],
    rules: hosts.map((host) => ({ host, http: { paths: [PATH] } })),
  },
});

const PATH = {
  path: '/',
  pathType: 'Prefix',
  backend: { service: { name: 'web', port: { number: 80 } } },
};

/** An API server for a suite, and what ends it. */
export type SuiteCluster = Readonly<{ cluster: Cluster; close(): Promise<void> }>;

/** What any front does on any API server. Each test has names of its own, so that their order does not matter. */
export function frontSuite(
  kind: 'nginx' | 'node',
  startCluster: () => Promise<SuiteCluster>,
): void {
  const namespace = `front-${kind}`;
  const log: Record<string, unknown>[] = [];
  let front: Front;
  let client: TestClient;
  let running: SuiteCluster;
  const settled = () => front.settled(SETTLE_MS);
  const served = (name: string) => servedFor(front.port, name);
  const askFor = (
    name: string,
    asked: { hosts: string[]; secretName: string; className?: string },
  ) => ingress(namespace, name, { className: `class-${kind}`, ...asked });
  const own = (serial: string) => ({ serial, fallback: false });
  const messages = (message: string) => log.filter((event) => event.message === message);

  beforeAll(async () => {
    running = await startCluster();
    const { cluster } = running;
    client = createTestClient(cluster);
    for (const name of [namespace, `${namespace}-other`])
      await client.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    front = await startFront({
      kind,
      cluster,
      ingressClasses: [`class-${kind}`, `second-${kind}`],
      publishStatus: true,
      log: (event) => log.push(event),
    });
  });
  afterAll(async () => {
    await front?.close();
    await client?.close();
    await running?.close();
  });

  test('is the kind that was asked for, on a loopback port', () => {
    expect(front).toMatchObject({ kind, port: expect.any(Number) });
  });

  test('serves its fallback to a name that no Ingress has', async () => {
    expect((await served('nobody.test')).fallback).toBe(true);
  });

  test('serves the certificate of a Secret, a wildcard to one label below, an exact host first', async () => {
    const [exact, wild] = [await pairFor('www.one.test'), await pairFor('*.one.test', 'one.test')];
    await client.put(secret(namespace, 'one-exact', exact.data));
    await client.put(secret(namespace, 'one-wild', wild.data));
    await client.put(askFor('one', { hosts: ['www.one.test'], secretName: 'one-exact' }));
    await client.put(
      askFor('one-wild', { hosts: ['*.one.test', 'one.test'], secretName: 'one-wild' }),
    );
    await settled();
    expect(await served('www.one.test')).toEqual(own(exact.serial));
    expect(await served('WWW.one.test')).toEqual(own(exact.serial));
    expect(await served('one.test')).toEqual(own(wild.serial));
    expect(await served('api.one.test')).toEqual(own(wild.serial));
    expect((await served('x.api.one.test')).fallback).toBe(true);
  });

  test('tells host and serial over HTTP', async () => {
    const pair = await pairFor('http.test');
    await client.put(secret(namespace, 'http', pair.data));
    await client.put(askFor('http', { hosts: ['http.test'], secretName: 'http' }));
    await settled();
    const socket = await openConnection(front.port, 'http.test');
    expect(await ask(socket, 'http.test')).toContain(`host: http.test\nserial: ${pair.serial}\n`);
    socket.destroy();
  });

  test('serves a renewed certificate to new connections and keeps a request on an old one alive', async () => {
    const [before, after] = [await pairFor('renewed.test'), await pairFor('renewed.test')];
    await client.put(secret(namespace, 'renewed', before.data));
    await client.put(askFor('renewed', { hosts: ['renewed.test'], secretName: 'renewed' }));
    await settled();
    const old = await openConnection(front.port, 'renewed.test');
    // Half a request: a server may end an idle connection at a reload, never a busy one.
    old.write('GET / HTTP/1.1\r\nX-Slow: yes\r\n');
    await client.put(secret(namespace, 'renewed', after.data));
    await settled();
    expect(await served('renewed.test')).toEqual(own(after.serial));
    const answer = Promise.withResolvers<string>();
    old.once('data', (chunk) => answer.resolve(String(chunk)));
    old.once('close', () => answer.reject(new Error('the old connection was dropped')));
    old.write('Host: renewed.test\r\n\r\n');
    expect(await answer.promise).toContain(before.serial);
    old.destroy();
  });

  test('keeps the old certificate when the new pair is broken, and says so once', async () => {
    const good = await pairFor('broken.test');
    await client.put(secret(namespace, 'broken', good.data));
    await client.put(askFor('broken', { hosts: ['broken.test'], secretName: 'broken' }));
    await settled();
    await client.put(secret(namespace, 'broken', (await mismatchedPair('broken.test')).data));
    await settled();
    await settled();
    expect(await served('broken.test')).toEqual(own(good.serial));
    const said = messages('front found a faulty TLS Secret').filter(({ reason }) =>
      String(reason).startsWith(`Secret ${namespace}/broken:`),
    );
    expect(said).toMatchObject([{ reason: expect.stringContaining('stays in use') }]);
    const repaired = await pairFor('broken.test');
    await client.put(secret(namespace, 'broken', repaired.data));
    await settled();
    expect(await served('broken.test')).toEqual(own(repaired.serial));
  });

  test('serves its fallback while the Secret is missing, lies elsewhere, or does not cover the host', async () => {
    const pair = await pairFor('late.test');
    const late = secret(namespace, 'late', pair.data);
    await client.put(askFor('late', { hosts: ['late.test'], secretName: 'late' }));
    await client.put(secret(`${namespace}-other`, 'late', pair.data));
    await settled();
    expect((await served('late.test')).fallback).toBe(true);
    await client.put(secret(namespace, 'late', (await pairFor('elsewhere.test')).data));
    await settled();
    expect((await served('late.test')).fallback).toBe(true);
    await client.put(late);
    await settled();
    expect(await served('late.test')).toEqual(own(pair.serial));
    await client.remove(late);
    await settled();
    expect((await served('late.test')).fallback).toBe(true);
  });

  test('leaves an Ingress of a foreign class alone and takes one of its second class', async () => {
    const pair = await pairFor('foreign.test', 'second.test');
    const foreign = askFor('foreign', {
      hosts: ['foreign.test'],
      secretName: 'classes',
      className: 'foreign',
    });
    await client.put(secret(namespace, 'classes', pair.data));
    await client.put(foreign);
    await client.put(
      askFor('second', {
        hosts: ['second.test'],
        secretName: 'classes',
        className: `second-${kind}`,
      }),
    );
    await settled();
    expect((await served('foreign.test')).fallback).toBe(true);
    expect(await served('second.test')).toEqual(own(pair.serial));
    expect(await addressOf(client, foreign)).toBeUndefined();
  });

  test('takes an Ingress without class', async () => {
    const host = `classless.${kind}.test`;
    const pair = await pairFor(host);
    await client.put(secret(namespace, 'classless', pair.data));
    await client.put(ingress(namespace, 'classless', { hosts: [host], secretName: 'classless' }));
    await settled();
    expect(await served(host)).toEqual(own(pair.serial));
  });

  test('publishes its address in the status, and again when it was removed', async () => {
    const published = askFor('published', {
      hosts: ['published.test'],
      secretName: 'none',
    });
    const address = [{ ip: '127.0.0.1', ports: [{ port: front.port, protocol: 'TCP' }] }];
    await client.put(published);
    await settled();
    expect(await addressOf(client, published)).toEqual(address);
    await client.clearStatus(published);
    await settled();
    expect(await addressOf(client, published)).toEqual(address);
  });

  test('serves a burst of changes without a settled call, in steps of 20 ms at least', async () => {
    const pair = await pairFor('*.burst.test');
    const before = messages('front serves a change').length;
    const began = performance.now();
    await client.put(secret(namespace, 'burst', pair.data));
    const names = Array.from({ length: 30 }, (_, index) => `burst-${index}`);
    await Promise.all(
      names.map((name) =>
        client.put(askFor(name, { hosts: [`${name}.burst.test`], secretName: 'burst' })),
      ),
    );
    await expect
      .poll(() => served('burst-29.burst.test'), { timeout: SETTLE_MS })
      .toEqual(own(pair.serial));
    await settled();
    const steps = messages('front serves a change').length - before;
    // However long the changes took; the settled call may have made a step of its own, and a timer is a millisecond early.
    expect(steps).toBeLessThanOrEqual(1 + (performance.now() - began) / 19);
  });
}

async function addressOf(client: TestClient, object: TestObject): Promise<unknown> {
  const { status } = (await client.read(object)) as {
    status?: { loadBalancer?: { ingress?: unknown } };
  };
  return status?.loadBalancer?.ingress;
}
