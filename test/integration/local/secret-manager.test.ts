import { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { PassThroughClient } from 'google-auth-library';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ManualClock, manualClock } from '../../../local/clock.ts';
import { GoogleFault } from '../../../local/google-api.ts';
import { crc32c } from '../../../local/secret-manager/crc32c.ts';
import {
  type SecretManager,
  type SecretManagerOptions,
  startSecretManager,
} from '../../../local/secret-manager/secret-manager.ts';
import type { SecretManagerState } from '../../../local/secret-manager/state.ts';
import { memoryStore } from '../../../local/state.ts';

const START = new Date('2026-11-21T10:00:00Z');
const NUMBERED = 'projects/123456789012/secrets';
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const UNIMPLEMENTED = 12;

type Told = { topic: string; attributes: Record<string, string>; resource: { name?: string } };

let clock: ManualClock;
let service: SecretManager;
let client: SecretManagerServiceClient;
let told: Told[];

beforeEach(() => start());
afterEach(() => stop());

async function start(options: Partial<SecretManagerOptions> = {}) {
  clock = manualClock(START);
  told = [];
  service = await startSecretManager({
    store: memoryStore(),
    clock,
    publish(topic, { data, attributes }) {
      if (topic.endsWith('/gone'))
        throw new GoogleFault('NOT_FOUND', 'Resource not found (resource=gone).');
      const resource = JSON.parse(Buffer.from(data ?? '', 'base64').toString());
      told.push({ topic, attributes: attributes ?? {}, resource });
    },
    ...options,
  });
  client = new SecretManagerServiceClient({
    apiEndpoint: '127.0.0.1',
    port: Number(new URL(service.url).port),
    protocol: 'http',
    fallback: true,
    authClient: new PassThroughClient(),
    projectId: 'p',
  });
}

async function stop() {
  await client.close();
  await service.close();
}

async function restart(options: Partial<SecretManagerOptions>) {
  await stop();
  await start(options);
}

type Fields = NonNullable<Parameters<SecretManagerServiceClient['createSecret']>[0]>['secret'];

async function create(secretId: string, fields: Fields = {}) {
  const secret = { replication: { automatic: {} }, ...fields };
  const [created] = await client.createSecret({ parent: 'projects/p', secretId, secret });
  return created;
}

async function add(secretId: string, text = 'payload') {
  const parent = `projects/p/secrets/${secretId}`;
  const [version] = await client.addSecretVersion({ parent, payload: { data: Buffer.from(text) } });
  return version;
}

async function access(name: string) {
  const [{ payload }] = await client.accessSecretVersion({ name });
  return Buffer.from(payload?.data as Uint8Array).toString();
}

async function patch(secret: Fields & { name: string }, ...paths: string[]) {
  const [updated] = await client.updateSecret({ secret, updateMask: { paths } });
  return updated;
}

const events = () => told.map(({ attributes }) => attributes.eventType);

/** What the REST API answers to a call that the client would not make. */
async function raw(method: string, path: string, body?: unknown) {
  const response = await fetch(`${service.url}/v1/projects/p/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const reply = (await response.json()) as { error?: { status: string; message: string } };
  return { status: response.status, reply };
}

describe('secrets', () => {
  test('a created secret is read back under its project number, by id or number', async () => {
    const created = await create('web', { labels: { app: 'herd' }, annotations: { 'a.b': 'x' } });
    expect(created).toMatchObject({
      name: `${NUMBERED}/web`,
      labels: { app: 'herd' },
      annotations: { 'a.b': 'x' },
      replication: { automatic: {} },
      createTime: { seconds: String(START.getTime() / 1000) },
    });
    const byId = await client.getSecret({ name: 'projects/p/secrets/web' });
    const byNumber = await client.getSecret({ name: `${NUMBERED}/web` });
    expect(byId[0]).toEqual(created);
    expect(byNumber[0]).toEqual(created);
  });

  test('each project has its own secrets', async () => {
    await create('web');
    const [other] = await client.listSecrets({ parent: 'projects/other' });
    expect(other).toEqual([]);
  });

  test('the list comes newest first, in pages, and survives a deletion between pages', async () => {
    for (const id of ['one', 'two', 'three', 'four', '5']) await create(id);
    const page = async (pageToken?: string) =>
      (await raw('GET', `secrets?pageSize=2${pageToken ? `&pageToken=${pageToken}` : ''}`))
        .reply as {
        secrets: { name: string }[];
        nextPageToken?: string;
        totalSize: number;
      };
    const ids = (from: { secrets: { name: string }[] }) =>
      from.secrets.map(({ name }) => name.slice(NUMBERED.length + 1));
    const first = await page();
    expect([ids(first), first.totalSize]).toEqual([['5', 'four'], 5]);
    await client.deleteSecret({ name: 'projects/p/secrets/four' });
    const second = await page(first.nextPageToken);
    expect(ids(second)).toEqual(['three', 'two']);
    const third = await page(second.nextPageToken);
    expect([ids(third), third.nextPageToken]).toEqual([['one'], undefined]);
  });

  test.for<[string, string, string[]]>([
    ['one label', 'labels.app=herd', ['web-b', 'web-a']],
    ['one label with a colon', 'labels.app:herd', ['web-b', 'web-a']],
    ['a part of the id', 'name:WEB-B', ['web-b']],
    ['both', 'labels.app=herd AND name:web-a', ['web-a']],
    ['a quoted value', 'labels.app="other"', ['db']],
    ['nothing that is there', 'labels.none=x', []],
  ])('a filter may ask for %s', async ([, filter, expected]) => {
    await create('web-a', { labels: { app: 'herd' } });
    await create('web-b', { labels: { app: 'herd' } });
    await create('db', { labels: { app: 'other' } });
    const [found] = await client.listSecrets({ parent: 'projects/p', filter });
    expect(found.map(({ name }) => name?.slice(NUMBERED.length + 1))).toEqual(expected);
  });

  test('a patch replaces what its mask names and nothing else', async () => {
    const created = await create('web', { labels: { a: '1' }, annotations: { x: '1', y: '2' } });
    const updated = await patch(
      { name: created.name as string, labels: {}, annotations: { z: '3' } },
      'annotations',
    );
    expect(updated).toMatchObject({ labels: { a: '1' }, annotations: { z: '3' } });
    expect(updated.annotations).not.toHaveProperty('x');
    expect(updated.etag).not.toBe(created.etag);
    const emptied = await patch({ name: created.name as string }, 'annotations', 'labels');
    expect([emptied.annotations, emptied.labels]).toEqual([{}, {}]);
  });

  test.for(['version_aliases', 'versionAliases'])('the mask may say %s', async (field) => {
    await create('web');
    await add('web');
    const { status, reply } = await raw('PATCH', `secrets/web?updateMask=labels,${field}`, {
      labels: { a: 'b' },
      versionAliases: { current: '1' },
    });
    expect(status).toBe(200);
    expect(reply).toMatchObject({ labels: { a: 'b' }, versionAliases: { current: '1' } });
  });

  test('of two writers with the same etag one wins', async () => {
    const { name, etag } = await create('web');
    const write = (who: string) =>
      patch({ name: name as string, etag: etag as string, annotations: { who } }, 'annotations');
    await write('first');
    await expect(write('second')).rejects.toMatchObject({
      code: FAILED_PRECONDITION,
      message: expect.stringContaining('The etag provided does not match the current etag'),
    });
    const [secret] = await client.getSecret({ name: name as string });
    expect(secret.annotations).toEqual({ who: 'first' });
    expect(secret.etag).toMatch(/^"[0-9a-f]+"$/);
  });

  test('a deletion wants the current etag too, and takes the versions with it', async () => {
    const { name, etag } = await create('web');
    await add('web');
    await patch({ name: name as string, labels: { a: 'b' } }, 'labels');
    const removal = { name: name as string, etag: etag as string };
    await expect(client.deleteSecret(removal)).rejects.toMatchObject({ code: FAILED_PRECONDITION });
    await client.deleteSecret({ name: name as string });
    await create('web');
    await expect(access('projects/p/secrets/web/versions/1')).rejects.toMatchObject({
      code: NOT_FOUND,
    });
  });

  test('a new secret never gets the etag that an older one had', async () => {
    const { etag } = await create('web');
    await client.deleteSecret({ name: 'projects/p/secrets/web' });
    expect((await create('web')).etag).not.toBe(etag);
  });

  test('a policy is kept, and refused when it was made from an older one', async () => {
    const { name } = await create('web');
    const resource = name as string;
    const [before] = await client.getIamPolicy({ resource });
    const policy = { bindings: [{ role: 'roles/viewer', members: ['user:a@b.test'] }] };
    await client.setIamPolicy({ resource, policy: { ...policy, etag: before.etag as Buffer } });
    const [after] = await client.getIamPolicy({ resource });
    expect(after.bindings).toMatchObject(policy.bindings);
    await expect(
      client.setIamPolicy({ resource, policy: { ...policy, etag: before.etag as Buffer } }),
    ).rejects.toMatchObject({ code: ABORTED });
    const [granted] = await client.testIamPermissions({ resource, permissions: ['a.b.c'] });
    expect(granted.permissions).toEqual(['a.b.c']);
  });
});

describe('versions', () => {
  test('a payload comes back with its checksum', async () => {
    await create('web');
    const data = Buffer.from('123456789');
    const checksum = crc32c(data);
    expect(checksum).toBe(0xe3069283);
    const parent = 'projects/p/secrets/web';
    const [version] = await client.addSecretVersion({
      parent,
      payload: { data, dataCrc32c: checksum },
    });
    expect(version).toMatchObject({
      name: `${NUMBERED}/web/versions/1`,
      state: 'ENABLED',
      clientSpecifiedPayloadChecksum: true,
    });
    const [{ name, payload }] = await client.accessSecretVersion({ name: `${parent}/versions/1` });
    expect(name).toBe(`${NUMBERED}/web/versions/1`);
    expect(payload).toMatchObject({ data, dataCrc32c: String(checksum) });
  });

  test('adding a version leaves the etag of the secret alone', async () => {
    const { name, etag } = await create('web');
    await add('web');
    expect((await client.getSecret({ name: name as string }))[0].etag).toBe(etag);
  });

  test('the list comes newest first, and by state', async () => {
    await create('web');
    for (const text of ['a', 'b', 'c']) await add('web', text);
    await client.disableSecretVersion({ name: 'projects/p/secrets/web/versions/2' });
    const parent = 'projects/p/secrets/web';
    const numbers = async (request: { filter?: string }) =>
      (await client.listSecretVersions({ parent, ...request }))[0].map(({ name }) =>
        Number(name?.split('/').at(-1)),
      );
    expect(await numbers({})).toEqual([3, 2, 1]);
    const { reply } = await raw('GET', 'secrets/web/versions?pageSize=1');
    const token = (reply as { nextPageToken?: string }).nextPageToken;
    const rest = await raw('GET', `secrets/web/versions?pageSize=2&pageToken=${token}`);
    expect(rest.reply).toMatchObject({ versions: [{ name: `${NUMBERED}/web/versions/2` }, {}] });
    expect(rest.reply).not.toHaveProperty('nextPageToken');
    expect(await numbers({ filter: 'state:ENABLED' })).toEqual([3, 1]);
  });

  test('latest is the newest version even when it is disabled; an alias names one for good', async () => {
    const { name } = await create('web');
    await add('web', 'old');
    await add('web', 'new');
    expect(await access(`${name}/versions/latest`)).toBe('new');
    await client.disableSecretVersion({ name: `${name}/versions/2` });
    await expect(access(`${name}/versions/latest`)).rejects.toMatchObject({
      code: FAILED_PRECONDITION,
      message: expect.stringContaining(`[${name}/versions/2] is in DISABLED state.`),
    });
    await patch({ name: name as string, versionAliases: { current: 1 } }, 'version_aliases');
    expect(await access(`${name}/versions/current`)).toBe('old');
    const [aliased] = await client.getSecretVersion({ name: `${name}/versions/current` });
    expect(aliased.name).toBe(`${name}/versions/1`);
  });

  test('a version is disabled, enabled again, and destroyed for good', async () => {
    const { name } = await create('web');
    await add('web', 'text');
    const version = { name: `${name}/versions/1` };
    expect((await client.disableSecretVersion(version))[0].state).toBe('DISABLED');
    expect((await client.enableSecretVersion(version))[0].state).toBe('ENABLED');
    expect(await access(version.name)).toBe('text');
    clock.advance(5000);
    const [destroyed] = await client.destroySecretVersion(version);
    expect(destroyed).toMatchObject({
      state: 'DESTROYED',
      destroyTime: { seconds: String(START.getTime() / 1000 + 5) },
    });
    await expect(access(version.name)).rejects.toMatchObject({ code: FAILED_PRECONDITION });
    await expect(client.enableSecretVersion(version)).rejects.toMatchObject({
      code: FAILED_PRECONDITION,
    });
  });

  test.for(['enable', 'disable', 'destroy'] as const)(
    'the old etag of a version that changed since does not %s it',
    async (verb) => {
      const { name } = await create('web');
      const { etag } = await add('web');
      const version = { name: `${name}/versions/1`, etag: etag as string };
      const change = {
        enable: (request: typeof version) => client.enableSecretVersion(request),
        disable: (request: typeof version) => client.disableSecretVersion(request),
        destroy: (request: typeof version) => client.destroySecretVersion(request),
      }[verb];
      await client.enableSecretVersion({ name: version.name });
      await expect(change(version)).rejects.toMatchObject({ code: FAILED_PRECONDITION });
      const [current] = await client.getSecretVersion({ name: version.name });
      await change({ name: version.name, etag: current.etag as string });
    },
  );

  test('a destroyed payload is nowhere in the state', async () => {
    let saved: SecretManagerState | undefined;
    await restart({ store: { load: () => undefined, save: (state) => (saved = state) } });
    await create('web');
    await add('web', 'very secret');
    const payload = Buffer.from('very secret').toString('base64');
    expect(JSON.stringify(saved)).toContain(payload);
    await client.destroySecretVersion({ name: 'projects/p/secrets/web/versions/1' });
    expect(JSON.stringify(saved)).not.toContain(payload);
  });
});

describe('what is refused', () => {
  const missing = 'projects/p/secrets/none';
  const long = (length: number) => 'x'.repeat(length);
  test.for<[string, () => Promise<unknown>, number]>([
    ['a secret that is not there', () => client.getSecret({ name: missing }), NOT_FOUND],
    [
      'a version of no secret',
      () => client.accessSecretVersion({ name: `${missing}/versions/1` }),
      NOT_FOUND,
    ],
    ['a version that is not there', () => access('projects/p/secrets/web/versions/7'), NOT_FOUND],
    ['an alias that is not there', () => access('projects/p/secrets/web/versions/now'), NOT_FOUND],
    [
      'latest of a secret without versions',
      () => access('projects/p/secrets/web/versions/latest'),
      NOT_FOUND,
    ],
    ['a second secret of that name', () => create('web'), ALREADY_EXISTS],
    ['a secret id with a dot', () => create('a.test'), INVALID_ARGUMENT],
    ['a secret id of 256 characters', () => create(long(256)), INVALID_ARGUMENT],
    ['a secret without replication', () => create('n', { replication: null }), INVALID_ARGUMENT],
    ['65 labels', () => create('n', { labels: many(65) }), INVALID_ARGUMENT],
    ['a label with a capital', () => create('n', { labels: { App: 'x' } }), INVALID_ARGUMENT],
    [
      'a label value with a dot',
      () => create('n', { labels: { app: 'a.test' } }),
      INVALID_ARGUMENT,
    ],
    [
      'an annotation key with a slash',
      () => create('n', { annotations: { 'a/b': 'x' } }),
      INVALID_ARGUMENT,
    ],
    [
      'annotations of more than 16 KiB',
      () => create('n', { annotations: { k: long(16 * 1024) } }),
      INVALID_ARGUMENT,
    ],
    ['11 topics', () => create('n', { topics: topics(11) }), INVALID_ARGUMENT],
    [
      'a topic without its project',
      () => create('n', { topics: [{ name: 'events' }] }),
      INVALID_ARGUMENT,
    ],
    [
      'a topic that cannot be published to',
      () => create('n', { topics: topic('gone') }),
      FAILED_PRECONDITION,
    ],
    [
      'an alias to no version',
      () => patch({ name: 'projects/p/secrets/web', versionAliases: { a: 1 } }, 'version_aliases'),
      INVALID_ARGUMENT,
    ],
    ['the alias latest', () => alias({ latest: 1 }), INVALID_ARGUMENT],
    ['51 aliases', () => alias(many(51)), INVALID_ARGUMENT],
    ['a patch without a mask', () => patch({ name: 'projects/p/secrets/web' }), INVALID_ARGUMENT],
    [
      'a patch of the replication',
      () => patch({ name: 'projects/p/secrets/web' }, 'replication'),
      INVALID_ARGUMENT,
    ],
    [
      'a patch of the rotation',
      () => patch({ name: 'projects/p/secrets/web' }, 'rotation'),
      UNIMPLEMENTED,
    ],
    [
      'a patch of the expiry',
      () => patch({ name: 'projects/p/secrets/web' }, 'expire_time'),
      UNIMPLEMENTED,
    ],
    ['an expiring secret', () => create('n', { ttl: { seconds: 3600 } }), UNIMPLEMENTED],
    ['a payload over 64 KiB', () => add('web', long(64 * 1024 + 1)), INVALID_ARGUMENT],
    ['an empty payload', () => add('web', ''), INVALID_ARGUMENT],
    [
      'a payload with another checksum',
      () =>
        client.addSecretVersion({
          parent: 'projects/p/secrets/web',
          payload: { data: Buffer.from('x'), dataCrc32c: 1 },
        }),
      INVALID_ARGUMENT,
    ],
    [
      'a filter it cannot read',
      () => client.listSecrets({ parent: 'projects/p', filter: 'create_time>2020' }),
      INVALID_ARGUMENT,
    ],
    [
      'a filter of versions by label',
      () => client.listSecretVersions({ parent: 'projects/p/secrets/web', filter: 'labels.a=b' }),
      INVALID_ARGUMENT,
    ],
    [
      'a regional secret',
      () => client.getSecret({ name: 'projects/p/locations/l/secrets/s' }),
      UNIMPLEMENTED,
    ],
  ])('%s', async ([, call, code]) => {
    await create('web');
    await expect(call()).rejects.toMatchObject({ code });
  });

  test('limits are reached, not passed', async () => {
    const annotations = { key: long(16 * 1024 - 3) };
    await create(long(255), { labels: many(64), annotations, topics: topics(10) });
    await add(long(255), long(64 * 1024));
    const versionAliases = many(50);
    await patch({ name: `projects/p/secrets/${long(255)}`, versionAliases }, 'version_aliases');
  });

  test('a field that does not exist is named', async () => {
    const { status, reply } = await raw('POST', 'secrets?secretId=n', { replicaton: {} });
    expect([status, reply.error?.status, reply.error?.message]).toEqual([
      400,
      'INVALID_ARGUMENT',
      'Invalid JSON payload received. Unknown name "replicaton": Cannot find field.',
    ]);
  });

  const alias = async (aliases: Record<string, string | number>) => {
    await add('web');
    await patch({ name: 'projects/p/secrets/web', versionAliases: aliases }, 'version_aliases');
  };
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '1']));
});

const topic = (name: string) => [{ name: `projects/p/topics/${name}` }];
const topics = (count: number) => Array.from({ length: count }, (_, n) => topic(`t${n}`)).flat();

describe('events', () => {
  test('every change is told to every topic of the secret, with the resource but no payload', async () => {
    const { name } = await create('web', { topics: topics(2) });
    expect(told.map(({ topic: to, attributes }) => `${attributes.eventType} ${to}`)).toEqual([
      'TOPIC_CONFIGURED projects/p/topics/t0',
      'TOPIC_CONFIGURED projects/p/topics/t1',
      'SECRET_CREATE projects/p/topics/t0',
      'SECRET_CREATE projects/p/topics/t1',
    ]);
    told = [];
    await add('web', 'very secret');
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({
      attributes: {
        eventType: 'SECRET_VERSION_ADD',
        dataFormat: 'JSON_API_V1',
        secretId: name,
        versionId: `${name}/versions/1`,
        timestamp: '2026-11-21T10:00:00.000Z',
      },
      resource: { name: `${name}/versions/1`, state: 'ENABLED' },
    });
    expect(JSON.stringify(told)).not.toContain(Buffer.from('very secret').toString('base64'));
  });

  test('the whole life of a secret is told in order', async () => {
    const { name } = await create('web', { topics: topic('t') });
    const version = { name: `${name}/versions/1` };
    await add('web');
    await client.disableSecretVersion(version);
    await client.enableSecretVersion(version);
    await client.destroySecretVersion(version);
    await patch({ name: name as string, labels: { a: 'b' } }, 'labels');
    await client.deleteSecret({ name: name as string });
    expect(events()).toEqual([
      'TOPIC_CONFIGURED',
      'SECRET_CREATE',
      'SECRET_VERSION_ADD',
      'SECRET_VERSION_DISABLE',
      'SECRET_VERSION_ENABLE',
      'SECRET_VERSION_DESTROY',
      'SECRET_UPDATE',
      'SECRET_DELETE',
    ]);
  });

  test('topics given later are tried out; without topics and for refused calls nothing is told', async () => {
    const { name } = await create('web');
    await add('web');
    expect(told).toEqual([]);
    await patch({ name: name as string, topics: topic('t') }, 'topics');
    expect(events()).toEqual(['TOPIC_CONFIGURED', 'SECRET_UPDATE']);
    told = [];
    await expect(add('web', '')).rejects.toMatchObject({ code: INVALID_ARGUMENT });
    expect(told).toEqual([]);
  });
});

describe('keeping and limits', () => {
  test('a change is saved before it is told', async () => {
    const steps: string[] = [];
    await restart({
      store: { load: () => undefined, save: () => steps.push('saved') },
      publish: (_, message) => steps.push(message.attributes?.eventType ?? ''),
    });
    await create('web', { topics: topic('t') });
    await add('web');
    expect(steps).toEqual([
      'TOPIC_CONFIGURED',
      'saved',
      'SECRET_CREATE',
      'saved',
      'SECRET_VERSION_ADD',
    ]);
  });

  test('a new process goes on where the old one stopped', async () => {
    let saved = '';
    const store = {
      load: () => (saved ? (JSON.parse(saved) as SecretManagerState) : undefined),
      save: (state: SecretManagerState) => {
        saved = JSON.stringify(state);
      },
    };
    await restart({ store });
    const { etag } = await create('web');
    await add('web', 'kept');
    await restart({ store });
    expect(await access(`${NUMBERED}/web/versions/latest`)).toBe('kept');
    const [secret] = await client.getSecret({ name: `${NUMBERED}/web` });
    expect(secret.etag).toBe(etag);
    expect((await create('next')).etag).not.toBe(etag);
  });

  test('on request, a third change of one secret within a second is refused', async () => {
    await restart({ limits: true });
    await create('web');
    await create('other');
    await add('web');
    await add('web');
    await expect(add('web')).rejects.toMatchObject({ code: RESOURCE_EXHAUSTED });
    await add('other');
    clock.advance(1000);
    await add('web');
  });

  test('on request, the 601st read of a minute is refused', async () => {
    await restart({ limits: true });
    await create('web');
    const statuses: number[] = [];
    for (let call = 0; call < 601; call += 1)
      statuses.push((await raw('GET', 'secrets/web')).status);
    expect(statuses.slice(598)).toEqual([200, 200, 429]);
    clock.advance(60_000);
    expect((await raw('GET', 'secrets/web')).status).toBe(200);
  });
});
