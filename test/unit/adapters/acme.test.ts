import { createServer, type ServerResponse } from 'node:http';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { listenOnLoopback } from '../../../local/google-api.ts';
import { createCertificateAuthority } from '../../../shared/adapters/acme/certificate-authority.ts';
import type { CertificateError } from '../../../shared/errors.ts';
import type { Order } from '../../../shared/ports.ts';
import { Sensitive } from '../../../shared/sensitive.ts';
import { memoryVault } from '../../contract/memory-vault.ts';

const NOW = new Date('2026-06-01T00:00:00Z');
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const URN = 'urn:ietf:params:acme:error:';
const CHAIN = '-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n';

/** What the CA says at one path: `headers` besides the usual ones, `body` as JSON or as it is. */
type Said = Readonly<{
  status?: number;
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
}>;

/** A CA without any sense of its own: it says what the test wants, and good answers to the rest. */
let said: Record<string, Said | ((response: ServerResponse) => void)> = {};
let asked: string[] = [];
let nonce = 0;

const at = (path: string) => `${api.url}${path}`;
const order = (differs: object = {}) => ({
  status: 'pending',
  authorizations: [at('/authz/1')],
  finalize: at('/finalize/1'),
  ...differs,
});
const good = (): Record<string, Said> => ({
  'GET /directory': {
    body: { newNonce: at('/nonce'), newAccount: at('/account'), newOrder: at('/order') },
  },
  'HEAD /nonce': {},
  'POST /account': { status: 201, headers: { location: at('/account/1') }, body: {} },
  'POST /order': { status: 201, headers: { location: at('/order/1') }, body: order() },
  'POST /order/1': { body: order() },
  'POST /finalize/1': { body: order({ status: 'processing' }) },
  'POST /cert/1': { headers: { 'content-type': 'application/pem-certificate-chain' }, body: CHAIN },
});

const server = createServer((request, response) => {
  request.resume();
  const key = `${request.method} ${request.url}`;
  asked.push(key);
  const reply = said[key] ?? good()[key] ?? { status: 404, body: 'not here' };
  if (typeof reply === 'function') return reply(response);
  const { status = 200, headers = {}, body = '' } = reply;
  nonce += 1;
  const isText = typeof body === 'string';
  response.writeHead(status, {
    'replay-nonce': `nonce-${nonce}`,
    'content-type': isText ? 'text/html' : 'application/json',
    ...headers,
  });
  response.end(isText ? body : JSON.stringify(body));
});
const api = await listenOnLoopback(server, 0);
afterEach(() => {
  said = {};
  asked = [];
});
afterAll(() => api.close());

const authority = (differs: object = {}) =>
  createCertificateAuthority({
    issuer: { name: 'i', directory: at('/directory'), contact: undefined },
    vault: memoryVault(),
    accountSecret: 'account',
    userAgent: 'tests',
    now: () => NOW,
    ...differs,
  });

const failure = (calling: Promise<unknown>): Promise<CertificateError> =>
  calling.then(
    () => Promise.reject(new Error('did not fail')),
    (error) => error,
  );

const problem = (type: string, detail: string, more: object = {}) => ({
  type: `${URN}${type}`,
  detail,
  ...more,
});

describe('a CA that cannot be used', () => {
  const page = { body: '<html>\n<b>Welcome</b>' };
  const cut = { headers: { 'content-type': 'application/json' }, body: '{"newNonce": "htt' };
  test.for<[string, string, Said, string]>([
    ['is no CA but a page', 'GET /directory', page, 'the reply makes no sense: the body: '],
    ['answers half a directory', 'GET /directory', cut, 'the reply makes no sense: the body: '],
    [
      'has a directory without newOrder',
      'GET /directory',
      { body: { newNonce: 'http://a.test', newAccount: 'http://a.test' } },
      'the reply makes no sense: newOrder: ',
    ],
    ['has no directory there', 'GET /directory', { status: 404 }, 'without an ACME problem'],
    [
      'moved its directory',
      'GET /directory',
      { status: 302, headers: { location: '/d' } },
      'HTTP 302, and redirects are not followed',
    ],
    ['gives no nonce', 'HEAD /nonce', { headers: { 'replay-nonce': '' } }, 'nonce'],
    ['gives the account no URL', 'POST /account', { status: 201, body: {} }, 'has no Location'],
    ['gives the order no URL', 'POST /order', { status: 201, body: {} }, 'has no Location'],
    [
      'answers a page for an order',
      'POST /order',
      { ...page, status: 201, headers: { location: '/o' } },
      'the reply makes no sense',
    ],
    [
      'knows a state that nobody knows',
      'POST /order',
      { status: 201, headers: { location: '/o' }, body: { status: 'odd' } },
      'the reply makes no sense: status: ',
    ],
    ['is broken', 'POST /order', { status: 500, ...page }, 'failed: HTTP 500'],
    [
      'is broken and says so',
      'POST /order',
      { status: 500, body: problem('serverInternal', 'try later') },
      'failed: serverInternal: try later',
    ],
    ['refuses without a reason', 'POST /order', { status: 403, ...page }, 'HTTP 403 without'],
    [
      'refuses every nonce',
      'POST /order',
      { status: 400, body: problem('badNonce', 'not that one') },
      'not that one',
    ],
  ])('%s', async ([, path, reply, words]) => {
    said = { [path]: reply };
    const error = await failure(authority().newOrder(['a.test']));
    expect(error).toMatchObject({ code: 'ca-unavailable', retryable: true });
    expect(error.message).toContain(words);
    expect(error.message).toContain(
      `the order for a.test at the CA i (${at('/directory')}) failed: `,
    );
    expect(error.message).not.toContain('\n');
  });

  test.for<[string, (response: ServerResponse) => void]>([
    ['hangs up', (response) => response.destroy()],
    [
      'hangs up in the middle of an answer',
      (response) => {
        response.writeHead(200, { 'content-length': '1000', 'content-type': 'application/json' });
        response.write('{');
        setImmediate(() => response.destroy());
      },
    ],
    ['sends without end', (response) => response.end('x'.repeat(1_100_000))],
  ])('%s', async ([, reply]) => {
    said = { 'POST /order': reply };
    const error = await failure(authority().newOrder(['a.test']));
    expect(error.code).toBe('ca-unavailable');
    expect(error.message).toContain(`no answer from the CA at ${at('/directory')}`);
  });

  test('is not there', async () => {
    const issuer = { name: 'i', directory: 'https://127.0.0.1:1/directory', contact: undefined };
    const error = await failure(authority({ issuer }).newOrder(['a.test']));
    expect(error.code).toBe('ca-unavailable');
    expect(error.message).toMatch(/127\.0\.0\.1:1\/directory.*ECONNREFUSED/);
  });

  test('is found again once it is back', async () => {
    const ca = authority();
    said = { 'GET /directory': { status: 503 } };
    await failure(ca.newOrder(['a.test']));
    said = {};
    expect(await ca.newOrder(['a.test'])).toMatchObject({ url: at('/order/1') });
  });

  test.for<[string, string, string]>([
    ['sends a page for a chain', '<html></html>', 'holds no certificate'],
    ['sends nothing for a chain', '', 'holds no certificate'],
    ['cuts the chain off', CHAIN + CHAIN.slice(0, 40), 'the chain is cut off'],
  ])('%s', async ([, body, words]) => {
    said = { 'POST /cert/1': { body } };
    const valid = { url: at('/order/1'), certificate: at('/cert/1') } as Order;
    const error = await failure(authority().certificate(valid));
    expect(error).toMatchObject({ code: 'ca-unavailable' });
    expect(error.message).toContain(words);
  });
});

test('a CA that refuses a nonce and brings no other is asked for one', async () => {
  said = {
    'POST /order': (response) => {
      said = {};
      const type = { 'content-type': 'application/problem+json' };
      response.writeHead(400, type).end(JSON.stringify(problem('badNonce', 'spent')));
    },
  };
  expect(await authority().newOrder(['a.test'])).toMatchObject({ url: at('/order/1') });
  expect(asked.slice(-3)).toEqual(['POST /order', 'HEAD /nonce', 'POST /order']);
});

describe('a CA that limits', () => {
  const limited = problem('rateLimited', 'too many');
  const date = (seconds: number) => ({ 'retry-after': later(seconds).toUTCString() });
  test.for<[string, Said, string, Date | undefined]>([
    [
      'tells the seconds',
      { status: 429, headers: { 'retry-after': '60' }, body: limited },
      'ca-rate-limited',
      later(60),
    ],
    [
      'tells the date',
      { status: 429, headers: { ...date(90), date: '' }, body: limited },
      'ca-rate-limited',
      later(90),
    ],
    [
      'tells the date by a clock that is an hour ahead',
      { status: 429, headers: { ...date(3690), date: later(3600).toUTCString() }, body: limited },
      'ca-rate-limited',
      later(90),
    ],
    ['tells no time', { status: 429, body: limited }, 'ca-rate-limited', undefined],
    [
      'tells nonsense',
      { status: 429, headers: { 'retry-after': 'soon' }, body: limited },
      'ca-rate-limited',
      undefined,
    ],
    [
      'tells it on a page',
      { status: 429, headers: { 'retry-after': '60' }, body: '<html>' },
      'ca-rate-limited',
      later(60),
    ],
    ['tells it under another status', { status: 403, body: limited }, 'ca-rate-limited', undefined],
    [
      'tells a moment gone by',
      { status: 429, headers: { ...date(-9), date: '' }, body: limited },
      'ca-rate-limited',
      later(1),
    ],
    [
      'tells no pause',
      { status: 429, headers: { 'retry-after': '0' }, body: limited },
      'ca-rate-limited',
      later(1),
    ],
    [
      'tells a year',
      { status: 429, headers: { 'retry-after': '31536000' }, body: limited },
      'ca-rate-limited',
      later(7 * 86_400),
    ],
    [
      'is busy and tells when',
      { status: 503, headers: { 'retry-after': '30' }, body: 'busy' },
      'ca-unavailable',
      later(30),
    ],
    ['is busy', { status: 503, body: 'busy' }, 'ca-unavailable', undefined],
  ])('%s', async ([, reply, code, retryAt]) => {
    said = { 'POST /order': reply };
    const error = await failure(authority().newOrder(['a.test']));
    expect(error).toMatchObject({ code, retryAt });
    expect(asked.filter((path) => path === 'POST /order')).toHaveLength(1);
  });

  test.for<[string, Record<string, string>, number | undefined]>([
    ['seconds', { 'retry-after': '2' }, 2000],
    ['a date', { ...date(3), date: NOW.toUTCString() }, 3000],
    ['no word', {}, undefined],
  ])('says when to look again at an order: %s', async ([, headers, retryAfterMs]) => {
    said = { 'POST /order/1': { headers, body: order({ status: 'processing' }) } };
    expect(await authority().order(at('/order/1'))).toMatchObject({ retryAfterMs });
  });
});

describe('a CA that refuses', () => {
  test.for<[string, object, string]>([
    [
      'says why',
      problem('rejectedIdentifier', 'not this name'),
      'rejectedIdentifier: not this name',
    ],
    [
      'says why for each name',
      problem('compound', 'several', {
        subproblems: [
          problem('rejectedIdentifier', 'no', { identifier: { type: 'dns', value: 'a.test' } }),
          problem('caa', 'forbidden'),
        ],
      }),
      'compound: several; a.test: rejectedIdentifier: no; caa: forbidden',
    ],
    ['says it on several lines', problem('malformed', 'one\n  two\u0007'), 'malformed: one two'],
    ['gives no detail', { type: `${URN}malformed` }, 'malformed'],
  ])('%s', async ([, body, words]) => {
    said = {
      'POST /order': { status: 403, headers: { 'content-type': 'application/problem+json' }, body },
    };
    const error = await failure(authority().newOrder(['a.test']));
    expect(error).toMatchObject({ code: 'ca-rejected', retryable: false });
    expect(error.message).toBe(
      `the order for a.test at the CA i (${at('/directory')}) was refused: ${words}`,
    );
  });

  test('is not quoted for ever', async () => {
    said = { 'POST /order': { status: 403, body: problem('malformed', 'x'.repeat(5000)) } };
    expect((await failure(authority().newOrder(['a.test']))).message.length).toBeLessThan(800);
  });
});

describe('an order', () => {
  test.for<[string, Said]>([
    ['is gone with 404', { status: 404, body: problem('malformed', 'no order') }],
    ['is gone with 404 and no reason', { status: 404, body: '' }],
    ['is gone with malformed', { status: 400, body: problem('malformed', 'no order') }],
    ['is of another account', { status: 403, body: problem('unauthorized', 'not yours') }],
  ])('%s', async ([, reply]) => {
    said = { 'POST /order/1': reply };
    expect(await authority().order(at('/order/1'))).toBeUndefined();
  });

  test('is not gone when the CA is', async () => {
    said = { 'POST /order/1': { status: 502 } };
    expect(await failure(authority().order(at('/order/1')))).toMatchObject({
      code: 'ca-unavailable',
    });
  });

  test('tells its problem, and when it ends', async () => {
    const error = problem('dns', 'no answer');
    const expires = '2026-06-02T00:00:00Z';
    said = { 'POST /order/1': { body: order({ status: 'invalid', error, expires }) } };
    expect(await authority().order(at('/order/1'))).toMatchObject({
      status: 'invalid',
      problem: 'dns: no answer',
      expires: new Date(expires),
    });
  });

  const lost = (response: ServerResponse) => response.destroy();
  const placed = { url: '/order/1', finalize: '/finalize/1' };
  const finalize = () =>
    authority().finalize(
      { url: at(placed.url), finalize: at(placed.finalize) } as Order,
      Buffer.from('csr'),
    );

  test.for<[string, object]>([
    ['processing', { status: 'processing' }],
    ['valid', { status: 'valid' }],
    ['invalid with its problem', { status: 'invalid', error: problem('badCSR', 'no') }],
  ])('whose finalize was lost shows that it had arrived: %s', async ([, state]) => {
    said = { 'POST /finalize/1': lost, 'POST /order/1': { body: order(state) } };
    expect((await finalize()).status).toBe((state as Order).status);
  });

  test.for<[string, Said]>([
    ['ready still', { body: order({ status: 'ready' }) }],
    ['out of sight', { status: 500 }],
  ])('whose finalize was lost fails by that when it is %s', async ([, reply]) => {
    said = { 'POST /finalize/1': lost, 'POST /order/1': reply };
    expect((await failure(finalize())).message).toContain('no answer from the CA');
  });
});

describe('an authorization', () => {
  const dns01 = { type: 'dns-01', url: 'http://a.test/c', status: 'pending', token: 't' };
  const authorization = (differs: object = {}) => ({
    status: 'pending',
    identifier: { type: 'dns', value: 'A.test' },
    challenges: [{ type: 'http-01', url: 'http://a.test/h', status: 'pending', token: 'h' }, dns01],
    ...differs,
  });

  test('has the value of its dns-01 challenge', async () => {
    said = { 'POST /authz/1': { body: authorization({ wildcard: true }) } };
    expect(await authority().authorization(at('/authz/1'))).toMatchObject({
      name: 'a.test',
      challenge: { url: 'http://a.test/c', value: expect.stringMatching(/^[\w-]{43}$/) },
      problem: undefined,
    });
  });

  test('may have no dns-01 challenge', async () => {
    said = { 'POST /authz/1': { body: authorization({ challenges: [] }) } };
    const { challenge } = await authority().authorization(at('/authz/1'));
    expect(challenge).toBeUndefined();
  });

  test('tells why its challenge failed', async () => {
    const failed = { ...dns01, status: 'invalid', error: problem('dns', 'NXDOMAIN') };
    const body = authorization({ status: 'invalid', challenges: [failed] });
    said = { 'POST /authz/1': { body } };
    expect((await authority().authorization(at('/authz/1'))).problem).toBe('dns: NXDOMAIN');
  });
});

describe('the account', () => {
  test('is in the vault before the CA hears of it, and has its URL there afterwards', async () => {
    const vault = memoryVault();
    said = { 'POST /account': { status: 500 } };
    await failure(authority({ vault }).newOrder(['a.test']));
    expect(vault.written.map((value) => value.reveal())).toEqual([
      expect.stringMatching(/^-----BEGIN PRIVATE KEY-----\n/),
    ]);
    said = {};
    await authority({ vault }).newOrder(['a.test']);
    expect(vault.written[1]?.reveal()).toBe(
      `account: ${at('/account/1')} directory: ${at('/directory')}\n${vault.written[0]?.reveal()}`,
    );
  });

  test('is asked for once more when the CA was just making it for another process', async () => {
    const vault = memoryVault();
    said = {
      'POST /account': (response) => {
        said = {};
        response.writeHead(500, { 'replay-nonce': 'of-the-failure' }).end('being saved');
      },
    };
    expect(await authority({ vault }).newOrder(['a.test'])).toMatchObject({ url: at('/order/1') });
    expect(asked.filter((key) => key === 'POST /account')).toHaveLength(2);
    expect(vault.written).toHaveLength(2);
  });

  test('is asked for twice of a CA that fails, and no more', async () => {
    said = { 'POST /account': { status: 500 } };
    expect(await failure(authority().newOrder(['a.test']))).toMatchObject({
      code: 'ca-unavailable',
    });
    expect(asked.filter((key) => key === 'POST /account')).toHaveLength(2);
  });

  test('is looked up anew when the issuer moved to another directory', async () => {
    const vault = memoryVault();
    await authority({ vault }).newOrder(['a.test']);
    said = { 'GET /moved': good()['GET /directory'] ?? {} };
    asked = [];
    const issuer = { name: 'i', directory: at('/moved'), contact: undefined };
    await authority({ vault, issuer }).newOrder(['a.test']);
    expect(asked).toContain('POST /account');
  });

  test('goes over to the key of another process that was first', async () => {
    const vault = memoryVault();
    const rival = memoryVault();
    await authority({ vault: rival }).newOrder(['a.test']);
    const stored = rival.written[1] as Sensitive;
    const seen: string[] = [];
    const overtaken = {
      ...vault,
      // The rival's value arrives between our newAccount and our second look.
      read: async (name: string) => (asked.includes('POST /account') ? stored : vault.read(name)),
      write: async (name: string, kind: 'account' | 'pending', value: Sensitive) => {
        seen.push(value.reveal());
        return vault.write(name, kind, value);
      },
    };
    asked = [];
    await authority({ vault: overtaken }).newOrder(['a.test']);
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toContain(stored.reveal());
  });

  test('is no account without a key', async () => {
    const vault = memoryVault();
    await vault.write('account', 'account', new Sensitive('not a key at all'));
    const error = await failure(authority({ vault }).newOrder(['a.test']));
    expect(error).toMatchObject({ code: 'config-invalid' });
    expect(error.message).not.toContain('at all');
  });
});

test('a CA over https that names an address without it is not believed', async () => {
  const { createTransport } = await import('../../../shared/adapters/acme/transport.ts');
  const send = createTransport({
    ...{ directory: 'https://a.test/directory', tlsCa: undefined, userAgent: 'tests' },
  });
  const error = await failure(send({ method: 'GET', url: at('/nonce'), body: undefined }));
  expect(error.message).toContain('which is not https');
  expect(asked).toEqual([]);
});
