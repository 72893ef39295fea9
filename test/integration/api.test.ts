import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { certificateId } from '../../shared/domain/certificate.ts';
import { type CertificateRecord, newRecord } from '../../shared/domain/record.ts';
import { startWorld, type World } from './api/world.ts';

const VIEWER = 'viewer@a.test';
const OPERATOR = 'operator@a.test';
const ADMIN = 'ci@p.iam.gserviceaccount.com';
const DAY_MS = 86_400_000;

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  world.answers['/look'] = { secrets: [{ state: 'behind', reason: 'secret-missing' }] };
  world.woken.issue.length = 0;
  world.woken.reconcile.length = 0;
  world.log.length = 0;
});
afterEach(() => {
  world.worker.work = async () => {};
});

const idOf = (name: string) =>
  certificateId({ names: [name], issuer: 'staging', keyType: 'ec-p256' });

const asking = (body: unknown): RequestInit => ({ body: JSON.stringify(body) });

const issuedNow = (version: number, serial = `0${version}`) => ({
  version,
  serial,
  fingerprint: `f${serial}`,
  notBefore: new Date(Date.now() - 60_000),
  notAfter: new Date(Date.now() + 90 * DAY_MS),
});

/** What issue and sync together leave in the record. */
const served = (record: CertificateRecord): CertificateRecord => {
  const version = (record.issued?.version ?? 0) + 1;
  const delivered = { version, at: new Date(), failed: [] };
  return { ...record, issued: issuedNow(version), delivered, failure: undefined };
};

const workWell = () => {
  world.worker.work = async ({ certificate }) =>
    void (await world.records.update(certificate, served));
};

const problem = (code: string, status: number) =>
  expect.objectContaining({ type: `urn:certherd:problem:${code}`, status });

describe('the door', () => {
  test('is open to nobody but health checks', async () => {
    expect((await world.ask(undefined, 'GET /health')).body).toEqual({ status: 'ok' });
    const { status, headers, body } = await world.ask(undefined, 'GET /v1/status');
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toEqual(problem('unauthenticated', 401));
  });

  test('takes no token of another audience, and none whose signature was taken off', async () => {
    const other = await world.token(ADMIN, 'https://example.test');
    const stripped = (await world.token(ADMIN)).replace(/[^.]+$/, 'SIGNATURE_REMOVED_BY_GOOGLE');
    for (const token of [other, stripped]) {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await world.ask(undefined, 'GET /v1/status', { headers });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      expect(answer.text + JSON.stringify(world.log)).not.toContain(token);
    }
  });

  test('is closed to those who have no role', async () => {
    const { status, body } = await world.ask('stranger@a.test', 'GET /v1/certificates');
    expect(status).toBe(403);
    expect(body).toEqual(problem('role-missing', 403));
    expect(body.detail).toMatch(/^user:stranger@a.test is neither/);
  });

  test.for([
    [VIEWER, 'POST /v1/run', 'only operators may start a run'],
    [VIEWER, 'POST /v1/certificates', 'only operators may ask for certificates'],
    [VIEWER, 'POST /v1/certificates/x:renew', 'only operators may renew certificates'],
    [VIEWER, 'POST /v1/certificates/x:deliver', 'only operators may have certificates delivered'],
    [VIEWER, 'GET /v1/zones', 'only operators may have the zones tried out'],
    [VIEWER, 'GET /v1/configuration', 'only operators may read the configuration'],
    [OPERATOR, 'GET /v1/backup', 'only admins may back up'],
    [OPERATOR, 'POST /v1/certificates', 'only admins may ask for a certificate without naming'],
  ] as const)('%s may not %s', async ([who, request, sentence]) => {
    const init = request.endsWith('certificates') ? asking({ names: ['x.a.test'] }) : {};
    const { status, body } = await world.ask(who, request, init);
    expect(status).toBe(403);
    expect(body).toEqual(problem('role-missing', 403));
    expect(body.detail).toContain(sentence);
  });

  test.for([
    [VIEWER, 'POST /v1/certificates', { names: ['x.a.test'], targets: ['prod/shop/tls'] }],
    [ADMIN, 'POST /v1/certificates', { names: ['x.a.test'] }],
    [ADMIN, 'POST /v1/run', {}],
  ] as const)('what %s sends along by mistake is in no log: %s', async ([who, request, body]) => {
    const init = asking({ ...body, key: '-----BEGIN PRIVATE KEY-----MIGH' });
    expect((await world.ask(who, request, init)).status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify(world.log)).not.toContain('MIGH');
  });

  test('every answer forbids what a browser could do with it', async () => {
    for (const request of ['GET /health', 'GET /v1/status', 'GET /nothing', 'GET /']) {
      const { headers } = await world.ask(VIEWER, request);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none';.*frame-ancestors 'none'$/,
      );
    }
  });
});

describe('behind Identity-Aware Proxy', () => {
  const SERVICE = '/projects/1/locations/europe-west1/services/certherd-api';
  let proxied: World;
  beforeAll(async () => {
    proxied = await startWorld({ iapAudience: SERVICE });
  });
  afterAll(() => proxied.close());

  /** A request of a browser whose session is the person's: it carries no token. */
  const asBrowser = (one: World, who: string, request: string, headers: object = {}) => {
    const assertion = { 'x-goog-iap-jwt-assertion': one.assertion(who, SERVICE) };
    return one.ask(undefined, request, { headers: { ...assertion, ...headers } });
  };

  test('a viewer sees the page, and may do no more', async () => {
    const { status, headers, text } = await asBrowser(proxied, VIEWER, 'GET /');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(text).toContain('<h1>Certherd</h1>');
    expect((await asBrowser(proxied, VIEWER, 'POST /v1/run')).body).toEqual(
      problem('role-missing', 403),
    );
  });

  test('a stranger has no role', async () => {
    const { body } = await asBrowser(proxied, 'stranger@a.test', 'GET /');
    expect(body).toEqual(problem('role-missing', 403));
  });

  test.for<[string, object, number]>([
    ['the same site', { 'sec-fetch-site': 'same-origin' }, 202],
    ['another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['another site of the same domain', { 'sec-fetch-site': 'same-site' }, 403],
    ['another site, in an old browser', { origin: 'https://evil.test' }, 403],
  ])('an operator who is led by a page of %s', async ([, headers, status]) => {
    expect((await asBrowser(proxied, OPERATOR, 'POST /v1/run', headers)).status).toBe(status);
  });

  test('the same site of an old browser is known by its host', async () => {
    const { status } = await asBrowser(proxied, OPERATOR, 'POST /v1/run', { origin: proxied.url });
    expect(status).toBe(202);
  });

  test('an assertion for another service is nobody, whatever token comes with it', async () => {
    const headers = { 'x-goog-iap-jwt-assertion': proxied.assertion(ADMIN, `${SERVICE}-2`) };
    const { status, body } = await proxied.ask(ADMIN, 'GET /v1/status', { headers });
    expect(status).toBe(401);
    expect(body).toEqual(problem('unauthenticated', 401));
    expect(body.detail).toContain('runtime.iapAudience');
  });

  test('a token suffices where no assertion comes', async () => {
    expect((await proxied.ask(VIEWER, 'GET /v1/status')).status).toBe(200);
  });

  test('without the proxy, whoever sends an assertion is nobody', async () => {
    const { status, body } = await asBrowser(world, ADMIN, 'GET /');
    expect(status).toBe(401);
    expect(body.detail).not.toContain('Proxy');
  });
});

describe('what is not understood', () => {
  test.for<[string, string, RequestInit, string, number]>([
    ['an unknown path', 'GET /v2/nothing', {}, 'not-found', 404],
    ['a certificate that is none', 'GET /v1/certificates/none', {}, 'not-found', 404],
    ['a renewal of none', 'POST /v1/certificates/none:renew', {}, 'not-found', 404],
    ['a wrong method', 'DELETE /v1/certificates', {}, 'method-not-allowed', 405],
    ['a form', 'POST /v1/run', { body: new URLSearchParams({ a: 'b' }) }, 'media-type', 415],
    ['too much', 'POST /v1/run', { body: `{"a":"${'x'.repeat(65_536)}"}` }, 'body-too-large', 413],
    ['no JSON', 'POST /v1/run', { body: '{ "a": ' }, 'request-invalid', 400],
    ['JSON that is no object', 'POST /v1/run', asking(null), 'request-invalid', 400],
    ['a path that is no UTF-8', 'GET /v1/certificates/%E0%A4%A', {}, 'not-found', 404],
    [
      'what says that it is compressed',
      'POST /v1/run',
      { ...asking({}), headers: { 'content-encoding': 'gzip' } },
      'media-type',
      415,
    ],
    ['a body that nothing reads', 'POST /v1/run', asking({ now: true }), 'request-invalid', 400],
    ['a wait of no seconds', 'POST /v1/certificates?wait=0', {}, 'request-invalid', 400],
    ['a wait too long', 'POST /v1/certificates?wait=61', {}, 'request-invalid', 400],
    [
      'a page of another site',
      'POST /v1/run',
      { headers: { 'sec-fetch-site': 'cross-site' } },
      'cross-site',
      403,
    ],
    [
      'a page of another site in a browser that does not say so',
      'POST /v1/run',
      { headers: { origin: 'https://evil.test' } },
      'cross-site',
      403,
    ],
    ['a page of no site', 'POST /v1/run', { headers: { origin: 'null' } }, 'cross-site', 403],
  ])('%s', async ([, request, init, code, status]) => {
    const answer = await world.ask(ADMIN, request, init);
    expect(answer.body).toEqual(problem(code, status));
    expect(answer.status).toBe(status);
    if (status === 405) expect(answer.headers.get('allow')).toBe('GET, HEAD, POST');
  });

  test('all faults of a request are told at once', async () => {
    const { body } = await world.ask(
      ADMIN,
      'POST /v1/certificates',
      asking({
        names: ['a_b.test', '10.0.0.1', 'good.a.test'],
        issuer: 'other',
        targets: ['prod/shop', { cluster: 'prod', namespace: 'shop', secret: 'tls' }],
        name: 'x',
      }),
    );
    expect(body).toEqual(problem('request-invalid', 400));
    expect(body.errors).toEqual([
      { path: 'names[0]', message: '"a_b.test" has an underscore, which no CA certifies' },
      {
        path: 'names[1]',
        message: '"10.0.0.1" is an IP address; only DNS names can be proven by DNS-01',
      },
      { path: 'issuer', message: 'there is no such issuer; the configuration has staging' },
      {
        path: 'targets[0]',
        message: 'give "CLUSTER/NAMESPACE/SECRET" or an object of cluster, namespace and secret',
      },
      { path: 'name', message: 'there is no such key; correct its spelling or remove it' },
    ]);
  });
});

describe('a certificate asked for by hand', () => {
  const order = (name: string) => asking({ names: [name], targets: ['prod/shop/tls'] });

  test('is recorded, ordered and shown', async () => {
    const id = idOf('one.a.test');
    const answer = await world.ask(OPERATOR, 'POST /v1/certificates', order('One.a.test.'));
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/certificates/${id}`);
    expect(answer.body).toMatchObject({
      id,
      names: ['one.a.test'],
      issuer: 'staging',
      state: 'requested',
      serial: null,
      targets: [{ cluster: 'prod', namespace: 'shop', secret: 'tls' }],
    });
    expect((await world.records.read(id))?.record.manual?.by).toBe(`user:${OPERATOR}`);
    await expect
      .poll(() => world.woken.issue)
      .toMatchObject([{ certificate: id, reason: 'manual', replaces: 0, failures: 0 }]);
    expect(world.log).toContainEqual(
      expect.objectContaining({
        severity: 'INFO',
        message: 'asked by hand',
        by: `user:${OPERATOR}`,
        asked: {
          identity: { names: ['one.a.test'], issuer: 'staging', keyType: 'ec-p256' },
          targets: [{ cluster: 'prod', namespace: 'shop', secret: 'tls' }],
        },
      }),
    );
  });

  test('is waited for until it is issued and delivered', async () => {
    workWell();
    const request = 'POST /v1/certificates?wait=10';
    const { status, body } = await world.ask(OPERATOR, request, order('two.a.test'));
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: 'issued', version: 1, delivered: { version: 1 } });
  });

  test('that is there already is delivered by the next run, and not ordered again', async () => {
    const id = idOf('two.a.test');
    const { status } = await world.ask(OPERATOR, 'POST /v1/certificates', order('two.a.test'));
    expect(status).toBe(202);
    await expect.poll(() => world.woken.reconcile.length).toBe(1);
    expect(world.woken.issue).toEqual([]);
    const secrets = [{ state: 'behind', reason: 'secret-outdated', serves: id }];
    world.answers['/look'] = { secrets };
    const again = await world.ask(OPERATOR, 'POST /v1/certificates?wait=5', order('two.a.test'));
    expect(again.status).toBe(200);
  });

  test('is renewed at a word', async () => {
    workWell();
    const id = idOf('two.a.test');
    const { status, body } = await world.ask(OPERATOR, `POST /v1/certificates/${id}:renew?wait=10`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, version: 2, serial: '02' });
    expect(world.woken.issue).toMatchObject([{ reason: 'manual', replaces: 1 }]);
  });

  test('that cannot be issued says why', async () => {
    const failure = { code: 'ca-rejected', message: 'the CA says no', count: 1 };
    const retryAt = new Date(Date.now() + 60_000);
    world.worker.work = async ({ certificate }) =>
      void (await world.records.update(certificate, (record) => ({
        ...record,
        failure: { ...failure, retryAt },
      })));
    const { status, body } = await world.ask(
      OPERATOR,
      'POST /v1/certificates?wait=10',
      order('bad.a.test'),
    );
    expect(status).toBe(502);
    expect(body).toEqual(problem('certificate-failed', 502));
    expect(body).toMatchObject({
      detail: 'ca-rejected: the CA says no',
      certificate: { state: 'failed', failure },
    });
  });

  test('that a Secret refused in the end says which', async () => {
    const sentence = 'Secret prod/shop/tls exists and belongs to others';
    world.worker.work = async ({ certificate }) =>
      void (await world.records.update(certificate, (record) => {
        const { delivered, ...rest } = served(record);
        return { ...rest, delivered: delivered && { ...delivered, failed: [sentence] } };
      }));
    const request = 'POST /v1/certificates?wait=10';
    const { status, body } = await world.ask(OPERATOR, request, order('three.a.test'));
    expect(status).toBe(502);
    expect(body).toEqual(problem('delivery-failed', 502));
    expect(body).toMatchObject({ detail: sentence, certificate: { state: 'issued' } });
  });

  test('without a Secret is stored only, at the word of an admin', async () => {
    const { status, body } = await world.ask(
      ADMIN,
      'POST /v1/certificates',
      asking({ names: ['*.elsewhere.test'] }),
    );
    expect(status).toBe(202);
    expect(body).toMatchObject({ names: ['*.elsewhere.test'], targets: [] });
  });

  test.for<[string, string, unknown, string, number, RegExp]>([
    [
      'the policy',
      'x.other.test',
      { secrets: [] },
      'not-allowed',
      403,
      /no rule gives x.other.test to/,
    ],
    [
      "somebody else's Secret",
      'x.a.test',
      {
        secrets: [
          { state: 'refused', reason: 'secret-foreign', message: 'exists and belongs to others' },
        ],
      },
      'secret-refused',
      409,
      /^Secret prod\/shop\/tls exists and belongs to others$/,
    ],
    [
      'a Secret that cannot be read',
      'x.a.test',
      { secrets: [{ state: 'unreadable', message: 'cannot be read' }] },
      'secret-unreadable',
      503,
      /^Secret prod\/shop\/tls cannot be read$/,
    ],
    [
      'an Ingress whose Secret it is',
      'x.a.test',
      {
        secrets: [{ state: 'refused', reason: 'target-taken', message: 'Secret tls gets another' }],
      },
      'target-taken',
      409,
      /^Secret tls gets another$/,
    ],
    [
      'zones that do not have it',
      'x.a.test',
      { outside: 'host x.a.test lies in none of the public zones', secrets: [] },
      'not-allowed',
      403,
      /^host x\.a\.test lies in none/,
    ],
    ['a reconcile that is away', 'x.a.test', 500, 'cluster-unreachable', 503, /gives no answer/],
    ['nonsense', 'x.a.test', { error: 'y' }, 'cluster-unreachable', 503, /gives no look/],
  ])('is refused by %s, and nothing is recorded', async ([, name, look, code, status, detail]) => {
    world.answers['/look'] = look;
    const answer = await world.ask(OPERATOR, 'POST /v1/certificates', order(name));
    expect(answer.body).toEqual(problem(code, status));
    expect(answer.body.detail).toMatch(detail);
    expect(await world.records.read(idOf(name))).toBeUndefined();
  });
});

describe('what only a person can mend', () => {
  const gone = { names: ['gone.a.test'], issuer: 'gone', keyType: 'ec-p256' } as const;
  const orphan = newRecord(gone, { askers: [], manual: undefined });

  test('an issuer that is not configured any more is told of', async () => {
    const id = certificateId(gone);
    await world.records.create(id, orphan);
    const { status, body } = await world.ask(OPERATOR, `POST /v1/certificates/${id}:renew`);
    expect(status).toBe(409);
    expect(body).toEqual(problem('config-invalid', 409));
    expect(body.detail).toMatch(/issuer gone/);
  });

  test("a record that was edited into another certificate's is told of", async () => {
    await world.records.create('edited', orphan).catch(() => undefined);
    for (const request of ['GET /v1/certificates/edited', 'POST /v1/certificates/edited:renew']) {
      const { status, body } = await world.ask(OPERATOR, request);
      expect(status).toBe(409);
      expect(body).toEqual(problem('record-invalid', 409));
      expect(body.detail).toMatch(/^the secret of certificate edited holds other names/);
    }
  });
});

describe('what is, what would be, and do it now', () => {
  test('certificates are listed in the order of their ids', async () => {
    const { body } = await world.ask(VIEWER, 'GET /v1/certificates');
    const ids = (body.certificates as { id: string }[]).map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(ids).toContain(idOf('two.a.test'));
    const { body: one } = await world.ask(VIEWER, `GET /v1/certificates/${idOf('two.a.test')}`);
    expect(one).toMatchObject({ state: 'issued', version: 2 });
  });

  test('the plan is that of reconcile', async () => {
    world.answers['/plan'] = { certificates: [{ id: 'x' }], refused: [], faults: [], more: 1 };
    expect((await world.ask(VIEWER, 'GET /v1/plan')).body).toEqual(world.answers['/plan']);
    world.answers['/plan'] = { error: 'config-invalid' };
    expect((await world.ask(VIEWER, 'GET /v1/plan')).status).toBe(503);
  });

  test('a run starts reconcile', async () => {
    const { status, body } = await world.ask(OPERATOR, 'POST /v1/run');
    expect([status, body]).toEqual([202, { started: true }]);
    await expect.poll(() => world.woken.reconcile.length).toBe(1);
  });

  test('the status page escapes what is on it and needs no script', async () => {
    await world.records.update(idOf('bad.a.test'), (record) => ({
      ...record,
      failure: { code: 'x', message: '<script>alert(1)</script>', count: 2, retryAt: new Date() },
    }));
    const { headers, text } = await world.ask(VIEWER, 'GET /');
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(text).not.toMatch(/<script|<form|<img|style=/);
    expect(text).toContain('two.a.test');
  });

  test('the status has the sentence of a part that is away in its place', async () => {
    const all = (await world.ask(VIEWER, 'GET /v1/status')).body;
    expect(all).toMatchObject({
      schedule: { state: 'ENABLED' },
      queues: [{ issuer: 'staging', state: 'RUNNING' }],
      certificates: { issued: 2, failed: 1, expiringWithin7Days: 0, expired: 0 },
      next: { id: idOf('two.a.test') },
    });
    world.forbidScheduler();
    const { status, body } = await world.ask(VIEWER, 'GET /v1/status');
    expect(status).toBe(200);
    expect(body).toMatchObject({ certificates: all.certificates as object });
    expect((body.schedule as { error: string }).error).toMatch(/jobs\/tick/);
    expect((await world.ask(VIEWER, 'GET /')).text).toContain('jobs/tick');
    const run = await world.ask(OPERATOR, 'POST /v1/run');
    expect(run.body).toEqual(problem('not-permitted', 503));
  });
});
