import { once } from 'node:events';
import { createServer, type RequestListener, request as send } from 'node:http';
import { request as sendSecurely } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectSecurely } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startAcmeCa } from '../../../local/acme-ca/acme-ca.ts';
import { systemClock } from '../../../local/clock.ts';
import { requireInvoker } from '../../../local/cloud-run.ts';
import { openDoor } from '../../../local/door.ts';
import { startFunctionsHost } from '../../../local/functions.ts';
import { listenOnLoopback, serveGoogleApi } from '../../../local/google-api.ts';
import { startKubernetes } from '../../../local/kubernetes/kubernetes.ts';
import { startMetadata } from '../../../local/metadata/metadata.ts';
import { memoryStore } from '../../../local/state.ts';
import { createSigner } from '../../contract/acme-signer.ts';

type Listener = Readonly<{ url: string; close(): Promise<void> }>;
type Reply = Readonly<{ status: number | undefined; body: string }>;

const own = { store: memoryStore<never>(), clock: systemClock };
const served: RequestListener = (_, response) => response.end('served');

const START: Readonly<Record<string, () => Promise<Listener>>> = {
  'a Google API': () =>
    serveGoogleApi({
      routes: [{ method: 'POST', template: '/v1/{name}', handle: ({ body }) => body }],
    }),
  'the metadata server': () => startMetadata({ ...own, project: 'p' }),
  'the Kubernetes API': async () => {
    const { server, close } = await startKubernetes({ ...own, authenticate: () => undefined });
    return { url: server, close };
  },
  'the ACME CA': async () => {
    const dnsServer = { address: '127.0.0.1', port: 1 };
    const { directoryUrl, close } = await startAcmeCa({ ...own, dnsServer });
    return { url: new URL(directoryUrl).origin, close };
  },
  'the front of a function': () => {
    const verify = async () => ({});
    const listener = requireInvoker(served, { invokers: [], audiences: [], verify });
    return listenOnLoopback(createServer(listener), 0);
  },
  'the host of the functions': async () => {
    const host = await startFunctionsHost(0);
    host.open();
    return host;
  },
  'the door': () =>
    openDoor({
      api: served,
      port: 0,
      identityToken: () => Promise.reject(new Error('no token')),
      audience: 'api',
    }),
};

const listeners = new Map<string, Listener>();
beforeAll(async () => {
  for (const [name, start] of Object.entries(START)) listeners.set(name, await start());
});
afterAll(() => Promise.all([...listeners.values()].map(({ close }) => close())));

const urlOf = (name: string) => new URL(listeners.get(name)?.url ?? '');

/** Sends the target as it is: `fetch` would mend it first. */
async function ask(
  name: string,
  path: string,
  differs: Readonly<{ method?: string; headers?: Record<string, string>; body?: string }> = {},
): Promise<Reply> {
  const { protocol, hostname, port } = urlOf(name);
  const { body = '', headers = {}, method = 'GET' } = differs;
  const options = { hostname, port, path, method, headers: { 'user-agent': 'test', ...headers } };
  const call =
    protocol === 'https:' ? sendSecurely({ ...options, rejectUnauthorized: false }) : send(options);
  call.end(body);
  const [response] = await once(call, 'response');
  return { status: response.statusCode, body: await text(response) };
}

const html = (title: string, sentence: string) => expect.stringMatching(`${title}[^]*${sentence}`);
const status = (message: string) =>
  JSON.stringify({
    ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message },
    ...{ reason: 'BadRequest', code: 400 },
  });

describe.for(['*', 'http://evil.example/login', '/%', '/%ff', '/v1/%c3%28?x=%'])(
  'a request for %s',
  (target) => {
    test.for<[string, Reply]>([
      [
        'a Google API',
        {
          status: 400,
          body: '{"error":{"code":400,"message":"The URL of the request is not valid.","status":"INVALID_ARGUMENT"}}',
        },
      ],
      ['the metadata server', { status: 400, body: 'Bad request: the URL is not valid\n' }],
      ['the Kubernetes API', { status: 400, body: status('the URL of the request is not valid') }],
      [
        'the ACME CA',
        { status: 404, body: expect.stringContaining('"urn:ietf:params:acme:error:malformed"') },
      ],
      [
        'the front of a function',
        { status: 400, body: html('400 Bad Request', 'a malformed or illegal request') },
      ],
      [
        'the host of the functions',
        { status: 404, body: html('404 Not Found', 'was not found on this server') },
      ],
      ['the door', { status: 400, body: 'The URL is not valid.\n' }],
    ])('is an error in the shape of %s', async ([name, reply]) => {
      expect(await ask(name, target)).toEqual(reply);
    });
  },
);

describe('a path that begins with //', () => {
  test('names nothing here, and never another host', async () => {
    expect((await ask('a Google API', '//evil.example/v1/x', { method: 'POST' })).status).toBe(501);
    expect((await ask('the metadata server', '//evil.example/oauth2/v3/certs')).status).toBe(403);
    expect((await ask('the Kubernetes API', '//')).status).toBe(403);
    expect((await ask('the front of a function', '//')).status).toBe(403);
    expect(await ask('the door', '//')).toEqual({ status: 200, body: 'served' });
  });

  test('does not get past the door under a foreign name', async () => {
    const headers = { host: 'evil.example' };
    for (const path of ['//', '*', '/%'])
      expect((await ask('the door', path, { headers })).status).toBe(421);
  });
});

test.for(Object.keys(START))('%s outlives a caller that leaves within a body', async (name) => {
  const { protocol, hostname, port } = urlOf(name);
  const secure = protocol === 'https:';
  const socket = secure
    ? connectSecurely({ host: hostname, port: Number(port), rejectUnauthorized: false })
    : connect(Number(port), hostname);
  await once(socket, secure ? 'secureConnect' : 'connect');
  socket.write(
    `POST /v1/x HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Length: 9\r\n\r\n{"a`,
    () => socket.destroy(),
  );
  await once(socket, 'close');
  // What a listener throws now would be unhandled, which fails the run.
  expect((await ask(name, '/')).status).toBeGreaterThanOrEqual(200);
});

test.for<[string, string, string]>([
  ['is cut off', '{"a"', 'Invalid JSON payload received.'],
  [
    'is nested more than 100 deep',
    '['.repeat(101) + ']'.repeat(101),
    'Message too deep. Max recursion depth reached.',
  ],
])('a Google API refuses JSON that %s', async ([, body, message]) => {
  expect(await ask('a Google API', '/v1/x', { method: 'POST', body })).toEqual({
    status: 400,
    body: JSON.stringify({ error: { code: 400, message, status: 'INVALID_ARGUMENT' } }),
  });
});

test('a Google API reads JSON that is nested 100 deep', async () => {
  const body = '['.repeat(100) + ']'.repeat(100);
  const reply = await ask('a Google API', '/v1/x', { method: 'POST', body });
  expect(reply).toEqual({ status: 200, body });
});

test('a fault of our own is told without where it happened', async () => {
  const { url, close } = await serveGoogleApi({
    routes: [{ method: 'GET', template: '/', handle: () => Promise.reject(new Error('it broke')) }],
  });
  const reply = await fetch(url);
  expect(await reply.json()).toEqual({
    error: { code: 500, message: 'internal error of the stand-in: it broke', status: 'INTERNAL' },
  });
  await close();
});

test('the door answers when no token can be had', async () => {
  const headers = { 'metadata-flavor': 'Google' };
  const path = '/computeMetadata/v1/instance/service-accounts/default/identity';
  expect(await ask('the door', path, { headers })).toEqual({ status: 500, body: '' });
});

describe('the ACME CA', () => {
  test.for<[string, string, number]>([
    ['account', 'accountDoesNotExist', 400],
    ['order', 'malformed', 404],
    ['authorization', 'malformed', 404],
    ['certificate', 'malformed', 404],
  ])('has no %s that is called like what every object inherits', async ([kind, type, code]) => {
    const dnsServer = { address: '127.0.0.1', port: 1 };
    const ca = await startAcmeCa({ ...own, dnsServer });
    onTestFinished(ca.close);
    const signer = await createSigner(ca);
    onTestFinished(signer.close);
    await signer.register();
    const url = `${new URL(ca.directoryUrl).origin}/${kind}/constructor`;
    const { status, body } = await signer.post(
      url,
      ...(kind === 'account' ? [{}, { header: { kid: url } }] : []),
    );
    expect([status, body.type]).toEqual([code, `urn:ietf:params:acme:error:${type}`]);
  });
});

describe('the metadata server', () => {
  test.for<[string, string, number]>([
    ['POST', '/oauth2/v3/certs', 405],
    ['DELETE', '/iap/verify/public_key-jwk', 405],
    ['GET', '/computeMetadata/v1/toString', 404],
    ['GET', '/computeMetadata/v1/__proto__', 404],
  ])('refuses %s %s', async ([method, path, code]) => {
    const headers = { 'metadata-flavor': 'Google' };
    expect((await ask('the metadata server', path, { method, headers })).status).toBe(code);
  });
});
