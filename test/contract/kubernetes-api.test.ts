import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { manualClock, systemClock } from '../../local/clock.ts';
import {
  type AuthorizationAttributes,
  KubernetesFault,
  type KubernetesOptions,
  type KubernetesState,
  startKubernetes,
} from '../../local/kubernetes/kubernetes.ts';
import { loadManifests } from '../../local/kubernetes/manifests.ts';
import { memoryStore, type Store } from '../../local/state.ts';
import { kubernetesApiContract } from './kubernetes-api.ts';

const USERS = new Map([
  ['admin-token', 'admin'],
  ['reader-token', 'reader'],
  ['patcher-token', 'patcher'],
]);
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  reader: ['get', 'list', 'watch'],
  patcher: ['get', 'patch'],
};
const SECRETS = '/api/v1/namespaces/default/secrets';
const MINUTE_MS = 60_000;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe('the stand-in', () =>
  kubernetesApiContract(async () => {
    const running = await startKubernetes({
      store: memoryStore(),
      clock: systemClock,
      authenticate: (token) => USERS.get(token),
      authorize: ({ user, verb }) => RIGHTS[user]?.includes(verb) ?? true,
    });
    const tokens = { readOnlyToken: 'reader-token', patchOnlyToken: 'patcher-token' };
    return { ...running, token: 'admin-token', ...tokens };
  }));

/** A stand-in for one test and a way to talk to it; it ends with the test. */
async function started(options: Partial<KubernetesOptions> = {}) {
  const clock = manualClock(new Date('2026-11-21T08:00:00Z'));
  const running = await startKubernetes({
    store: memoryStore(),
    clock,
    authenticate: () => 'someone',
    ...options,
  });
  const dispatcher = new Agent({ connect: { ca: running.ca } });
  cleanUps.push(running.close, () => dispatcher.destroy());
  const open = (method: string, path: string, body?: unknown) =>
    fetch(running.server + path, {
      method,
      dispatcher,
      headers: {
        authorization: 'Bearer t',
        'content-type': method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const send = async (method: string, path: string, body?: unknown) => {
    const response = await open(method, path, body);
    return {
      status: response.status,
      headers: response.headers,
      body: JSON.parse(await response.text()),
    };
  };
  return { ...running, clock, open, send };
}

/** A store that keeps what a file would: text. */
function textStore(): Store<KubernetesState> {
  let text: string | undefined;
  return {
    load: () => (text === undefined ? undefined : JSON.parse(text)),
    save: (state) => {
      text = JSON.stringify(state);
    },
  };
}

describe('time and memory of the stand-in', () => {
  test('what was answered is there after a restart, and versions go on', async () => {
    const store = textStore();
    const first = await started({ store });
    const { body } = await first.send('POST', SECRETS, { metadata: { name: 'a' } });
    await first.close();
    const second = await started({ store });
    expect((await second.send('GET', `${SECRETS}/a`)).body).toEqual(body);
    const next = await second.send('POST', SECRETS, { metadata: { name: 'b' } });
    expect(Number(next.body.metadata.resourceVersion)).toBeGreaterThan(
      Number(body.metadata.resourceVersion),
    );
  });

  test('time is that of the clock', async () => {
    const { send } = await started();
    const { body } = await send('POST', SECRETS, { metadata: { name: 'a' } });
    expect(body.metadata.creationTimestamp).toBe('2026-11-21T08:00:00Z');
  });

  test.for<[string, number, number]>([
    ['just within five minutes a continue token is good', 5 * MINUTE_MS, 200],
    ['past five minutes it is gone', 5 * MINUTE_MS + 1, 410],
  ])('%s', async ([, ms, status]) => {
    const { send, clock } = await started();
    for (const name of ['a', 'b', 'c']) await send('POST', SECRETS, { metadata: { name } });
    const { body } = await send('GET', `${SECRETS}?limit=1`);
    clock.advance(ms);
    const path = `${SECRETS}?limit=1&continue=${body.metadata.continue}`;
    expect((await send('GET', path)).status).toBe(status);
  });

  test('an expired token comes with one for the rest as it is now', async () => {
    const { send, clock } = await started();
    for (const name of ['a', 'b', 'c']) await send('POST', SECRETS, { metadata: { name } });
    const { body } = await send('GET', `${SECRETS}?limit=1`);
    clock.advance(6 * MINUTE_MS);
    await send('DELETE', `${SECRETS}/b`);
    const gone = await send('GET', `${SECRETS}?limit=1&continue=${body.metadata.continue}`);
    expect(gone.body).toMatchObject({
      code: 410,
      reason: 'Expired',
      message: expect.stringContaining('The provided continue parameter is too old'),
    });
    const rest = await send('GET', `${SECRETS}?continue=${gone.body.metadata.continue}`);
    expect(rest.body.items).toMatchObject([{ metadata: { name: 'c' } }]);
  });

  test('a token does not outlive the process', async () => {
    const store = textStore();
    const first = await started({ store });
    for (const name of ['a', 'b']) await first.send('POST', SECRETS, { metadata: { name } });
    const { body } = await first.send('GET', `${SECRETS}?limit=1`);
    await first.close();
    const second = await started({ store });
    const path = `${SECRETS}?limit=1&continue=${body.metadata.continue}`;
    expect((await second.send('GET', path)).status).toBe(410);
  });

  test('a watch from a version past five minutes is told to start over', async () => {
    const { open, send, clock } = await started();
    const { body } = await send('POST', SECRETS, { metadata: { name: 'a' } });
    await send('POST', SECRETS, { metadata: { name: 'b' } });
    clock.advance(6 * MINUTE_MS);
    const version = body.metadata.resourceVersion;
    const answer = await open('GET', `${SECRETS}?watch=1&resourceVersion=${version}`);
    expect(answer.status).toBe(200);
    expect(JSON.parse(await answer.text())).toMatchObject({
      type: 'ERROR',
      object: {
        code: 410,
        reason: 'Expired',
        message: `too old resource version: ${version} (${Number(version) + 1})`,
      },
    });
  });

  test('a watch ends when its time is up', async () => {
    const { open, clock } = await started();
    const answer = await open('GET', `${SECRETS}?watch=1&timeoutSeconds=60`);
    clock.advance(MINUTE_MS);
    expect(await answer.text()).toBe('');
  });

  test('closing ends open watches', async () => {
    const { open, close } = await started();
    const answer = await open('GET', `${SECRETS}?watch=1`);
    await close();
    expect(await answer.text()).toBe('');
  });

  test('a list goes back for all pages, whatever is written in between', async () => {
    const ingresses = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
    const { send } = await started();
    const names = Array.from({ length: 120 }, (_, index) => `i${String(index).padStart(3, '0')}`);
    const spec = { rules: [{ host: 'a.test' }] };
    for (const name of names) await send('POST', ingresses, { metadata: { name }, spec });
    const seen: string[] = [];
    let token = '';
    do {
      const { body } = await send('GET', `${ingresses}?limit=50&continue=${token}`);
      for (const { metadata } of body.items) seen.push(metadata.name);
      await send('POST', ingresses, { metadata: { name: `late-${seen.length}` }, spec });
      token = body.metadata.continue ?? '';
    } while (token);
    expect(seen).toEqual(names);
  });
});

describe('what a test can make of the stand-in', () => {
  test('a fault thrown before a request is its answer', async () => {
    const { send } = await started({
      before({ url }) {
        if (url?.includes('/secrets'))
          throw new KubernetesFault(429, 'TooManyRequests', 'later', { retryAfterSeconds: 7 });
      },
    });
    const answer = await send('GET', SECRETS);
    expect(answer.body).toMatchObject({ kind: 'Status', code: 429, reason: 'TooManyRequests' });
    expect(answer.headers.get('retry-after')).toBe('7');
    expect((await send('GET', '/api/v1/namespaces')).status).toBe(200);
  });

  test('authorize hears what is asked, an apply that creates twice', async () => {
    const heard: AuthorizationAttributes[] = [];
    const { send } = await started({ authorize: (attributes) => heard.push(attributes) > 0 });
    await send('PATCH', `${SECRETS}/a?fieldManager=m`, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a' },
    });
    const secret = { group: '', resource: 'secrets', subresource: '' };
    const place = { user: 'someone', namespace: 'default', name: 'a' };
    expect(heard).toEqual([
      { ...secret, ...place, verb: 'patch' },
      { ...secret, ...place, verb: 'create' },
    ]);
  });

  test.for<[string, unknown]>([
    ['finalizers', { metadata: { name: 'a', finalizers: ['example.test/x'] } }],
    ['owner references', { metadata: { name: 'a', ownerReferences: [{ uid: 'x' }] } }],
    ['account tokens', { metadata: { name: 'a' }, type: 'kubernetes.io/service-account-token' }],
  ])('it refuses %s rather than storing them without effect', async ([, body]) => {
    const { send } = await started();
    expect((await send('POST', SECRETS, body)).body).toMatchObject({
      code: 501,
      reason: 'NotImplemented',
      message: expect.stringContaining('this stand-in does not implement'),
    });
  });
});

describe('manifests', () => {
  function folder(files: Readonly<Record<string, string>>): string {
    const dir = mkdtempSync(join(tmpdir(), 'manifests-'));
    cleanUps.push(() => rmSync(dir, { recursive: true }));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
    return dir;
  }
  const named = (name: string) => `apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\n`;
  const names = (dir: string) => loadManifests(dir).objects.map(({ metadata }) => metadata.name);

  test('are read from all folders in the order of their paths', () => {
    const dir = folder({
      'b.yaml': named('b'),
      'a/z.yml': named('az'),
      'c.json': '{\n\t"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}\n}',
      'notes.txt': 'no manifest',
    });
    expect(names(dir)).toEqual(['az', 'b', 'c']);
  });

  test('may hold several documents, empty ones and lists', () => {
    const list =
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: c}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: d}\n';
    const dir = folder({
      'a.yaml': `---\n${named('a')}---\n# nothing\n---\n${named('b')}---\n${list}`,
    });
    expect(names(dir)).toEqual(['a', 'b', 'c', 'd']);
    expect(loadManifests(dir).faults).toEqual([]);
  });

  test('that do not parse are named with file and line, and the rest is read', () => {
    const dir = folder({
      'a.yaml': `${named('a')}---\nkind: Secret\n  metadata: [\n---\n${named('b')}`,
      'b.yaml': named('c'),
    });
    expect(names(dir)).toEqual(['a', 'b', 'c']);
    expect(loadManifests(dir).faults).toEqual([
      {
        file: join(dir, 'a.yaml'),
        line: 6,
        message: 'Nested mappings are not allowed in compact mappings',
      },
    ]);
  });

  test.for<[string, string, number, string]>([
    [
      'no kind and no name',
      'apiVersion: v1\nmetadata: {}\n',
      1,
      'has no kind and no metadata.name',
    ],
    ['a text', '\n\nhello\n', 3, 'is no object'],
    [
      'an item without a version',
      `kind: List\napiVersion: v1\nitems:\n- kind: Secret\n  metadata: {name: a}\n`,
      4,
      'has no apiVersion',
    ],
    ['a name that YAML reads as yes', named('y'), 1, 'has no metadata.name'],
  ])('with %s are a fault', ([, text, line, message]) => {
    const dir = folder({ 'a.yaml': text });
    expect(loadManifests(dir)).toEqual({
      objects: [],
      faults: [{ file: join(dir, 'a.yaml'), line, message }],
    });
  });
});
