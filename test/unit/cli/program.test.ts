import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { main } from '../../../cli/program.ts';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';

const TOKEN = 'aaaa.bbbb.cccc';
const IDENTITY = '/computeMetadata/v1/instance/service-accounts/default/identity';

type Reply = Readonly<{ status?: number; body: unknown }> | ((response: ServerResponse) => void);

let server: RunningApi;
/** What is answered, by method and path; a list is taken one after the other. */
let replies: Record<string, Reply | Reply[]>;
let requests: { line: string; authorization: string | undefined; body: unknown }[];

async function answer(request: IncomingMessage, response: ServerResponse) {
  const text = (await request.toArray()).join('');
  const line = `${request.method} ${request.url}`;
  if (request.url?.startsWith(IDENTITY)) {
    requests.push({ line, authorization: undefined, body: undefined });
    return response.end(request.headers['metadata-flavor'] === 'Google' ? TOKEN : '');
  }
  const { authorization } = request.headers;
  requests.push({ line, authorization, body: text ? JSON.parse(text) : undefined });
  const found = replies[line];
  const reply = (Array.isArray(found) ? found.shift() : found) ?? { status: 418, body: {} };
  if (typeof reply === 'function') return reply(response);
  return response.writeHead(reply.status ?? 200).end(JSON.stringify(reply.body));
}

beforeAll(async () => {
  const api = createServer((request, response) => void answer(request, response));
  server = await listenOnLoopback(api, 0);
});
afterAll(() => server.close());
beforeEach(() => {
  requests = [];
  replies = {};
});

/** Runs a command line against the server, without colours. */
async function certherd(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const screen = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    colors: false,
  };
  const url = args.includes('--url') ? [] : ['--url', server.url];
  const code = await main([...url, ...args], screen);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const certificate = (differs: object = {}) => ({
  id: 'www-a-test-1',
  names: ['www.a.test'],
  issuer: 'staging',
  keyType: 'ec-p256',
  state: 'issued',
  serial: '0a',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2026-04-01T00:00:00.000Z',
  version: 1,
  renewAt: '2026-03-01T00:00:00.000Z',
  failure: null,
  delivered: { version: 1, at: '2026-01-01T00:00:00.000Z', failed: [] },
  targets: [{ cluster: 'prod', namespace: 'shop', secret: 'tls' }],
  askers: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  ...differs,
});

const failure = {
  code: 'ca-rejected',
  message: 'the CA says no',
  count: 1,
  retryAt: '2026-01-02T00:00:00.000Z',
};

const statusDocument = (differs: object = {}) => ({
  schedule: {
    state: 'ENABLED',
    lastRunAt: '2026-01-10T09:00:00.000Z',
    lastResult: 'ok',
    nextRunAt: '2026-01-10T10:00:00.000Z',
  },
  queues: [{ issuer: 'staging', queue: 'q', state: 'RUNNING' }],
  certificates: {
    total: 1,
    issued: 1,
    failed: 0,
    expired: 0,
    expiringWithin7Days: 0,
    invalid: [],
  },
  next: null,
  ...differs,
});

const problem = {
  type: 'urn:certherd:problem:not-allowed',
  title: 'The policy does not allow this',
  status: 403,
  detail: 'no rule gives it',
};

const plan = (differs: object = {}) => ({
  certificates: [
    {
      id: 'www-a-test-1',
      names: ['www.a.test'],
      issuer: 'staging',
      action: 'keep',
      reason: 'fresh',
      message: 'renewed from 2026-03-01 on',
      targets: [],
    },
  ],
  refused: [],
  faults: [],
  ...differs,
});

describe('wrong use ends with 2 and one sentence', () => {
  test.for<[string, string[], RegExp]>([
    ['no names', ['issue'], /missing required argument 'names'/],
    [
      'a target of two parts',
      ['issue', 'a.test', '--target', 'a/b'],
      /Give CLUSTER\/NAMESPACE\/SECRET/,
    ],
    ['an unknown command', ['isue'], /unknown command 'isue'/],
    ['an unknown option', ['status', '--all'], /unknown option '--all'/],
    ['no id', ['renew'], /missing required argument 'id'/],
    ['too many arguments', ['status', 'x'], /too many arguments/],
    ['a URL that is none', ['status', '--url', 'nowhere'], /"nowhere" is not an http/],
    ['a token over plain HTTP', ['status', '--url', 'http://a.test'], /plain HTTP to a\.test/],
    [
      'another URL without a token command',
      ['status', '--url', 'https://a.test'],
      /--token-command 'gcloud auth print-identity-token --impersonate-service-account=ACCOUNT --include-email --audiences=AUDIENCE'/,
    ],
  ])('%s', async ([, args, sentence]) => {
    const { code, out, err } = await certherd(...args);
    expect(err).toMatch(sentence);
    expect([code, out]).toEqual([2, '']);
    expect(requests).toEqual([]);
  });

  test('help is no wrong use', async () => {
    const { code, out, err } = await certherd('--help');
    expect([code, err]).toEqual([0, '']);
    for (const command of ['issue', 'renew', 'status', 'plan', 'run'])
      expect(out).toContain(command);
    expect(out).toContain('Exit codes: 0 fine; 1 something');
  });
});

test.for([
  ['issue', 'bad_name.x'],
  ['issue', 'bad_name.x', '--json'],
])('what the api does not understand is wrong use as well: %j', async (args) => {
  const invalid = {
    ...{ type: 'urn:certherd:problem:request-invalid', title: 'The request is not understood' },
    ...{ status: 400, detail: 'names[0]: "bad_name.x" has an underscore' },
  };
  replies = { 'POST /v1/certificates': { status: 400, body: invalid } };
  const { code, out, err } = await certherd(...args);
  expect([code, err]).toEqual([2, `${invalid.title}: ${invalid.detail}`]);
  expect(out && JSON.parse(out)).toEqual(args.includes('--json') ? invalid : '');
});

describe('the token', () => {
  test('comes from the running npm start, once, and is never printed', async () => {
    replies = {
      'GET /v1/status': { body: statusDocument() },
      'GET /v1/certificates': { body: { certificates: [certificate()] } },
    };
    const { code, out, err } = await certherd('status');
    expect([code, err]).toEqual([0, '']);
    expect(requests.map(({ line }) => line)).toEqual([
      `GET ${IDENTITY}?audience=certherd-api&format=full`,
      'GET /v1/status',
      'GET /v1/certificates',
    ]);
    expect(requests[1]?.authorization).toBe(`Bearer ${TOKEN}`);
    expect(out).not.toContain(TOKEN);
  });

  test('is what a command prints', async () => {
    replies = { 'POST /v1/run': { status: 202, body: { started: true } } };
    expect((await certherd('--token-command', 'echo " x.y.z "', 'run')).code).toBe(0);
    expect(requests).toEqual([{ line: 'POST /v1/run', authorization: 'Bearer x.y.z', body: {} }]);
  });

  test.for<[string, string, RegExp]>([
    ['fails', 'exit 3', /^the token command ends with exit code 3$/],
    ['prints something else', 'echo secret words', /^the token command gives something that is no/],
  ])('command that %s ends with 1', async ([, command, sentence]) => {
    const { code, out, err } = await certherd('run', '--token-command', command);
    expect(err).toMatch(sentence);
    expect(err).not.toContain('secret');
    expect([code, out, requests]).toEqual([1, '', []]);
  });
});

describe('what is not as it should be ends with 1', () => {
  test('nothing answers', async () => {
    const gone = await listenOnLoopback(createServer(), 0);
    await gone.close();
    const { code, out, err } = await certherd('status', '--url', gone.url);
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe(`nothing answers at ${gone.url}; is npm start running?`);
  });

  test('a problem is told in its own words', async () => {
    replies = { 'POST /v1/certificates': { status: 403, body: problem } };
    const { code, out, err } = await certherd('issue', 'x.test');
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe('The policy does not allow this: no rule gives it');
  });

  test('with --json the problem document is on stdout', async () => {
    replies = { 'POST /v1/certificates': { status: 403, body: problem } };
    const { code, out } = await certherd('issue', 'x.test', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual(problem);
  });

  test('an answer of another program', async () => {
    replies = { 'GET /v1/plan': { body: { other: true } } };
    const { code, err } = await certherd('plan');
    expect([code, err]).toEqual([
      1,
      'the answer is not that of this version of Certherd; bring both to the same',
    ]);
  });

  test.for<[string, object]>([
    ['a certificate failed', { certificates: { ...statusDocument().certificates, failed: 1 } }],
    ['a certificate expired', { certificates: { ...statusDocument().certificates, expired: 1 } }],
    ['a part cannot be read', { schedule: { error: 'no schedule' } }],
    ['the certificates cannot be read', { certificates: { error: 'no store' } }],
    [
      'a queue cannot be read',
      { queues: [{ issuer: 'a', queue: 'q', state: 'UNREADABLE', problem: 'no' }] },
    ],
  ])('status, when %s', async ([, differs]) => {
    replies = {
      'GET /v1/status': { body: statusDocument(differs) },
      'GET /v1/certificates': { body: { certificates: [certificate({ failure })] } },
    };
    expect((await certherd('status')).code).toBe(1);
    expect((await certherd('status', '--json')).code).toBe(1);
  });

  const late = { version: 2, delivered: { ...certificate().delivered, failed: [] } };
  const refusing = (failed: readonly string[]) => ({ ...certificate().delivered, failed });
  const REFUSED = 'Secret prod/shop/tls exists and belongs to somebody else';
  const TWO = ['tls', 'old'].map((secret) => ({ cluster: 'prod', namespace: 'shop', secret }));
  test.for<[string, object, number, RegExp]>([
    [
      'the only Secret refused it',
      { delivered: refusing([REFUSED]) },
      1,
      /not delivered\n(.*\n)*www-a-test-1: Secret prod\/shop\/tls exists/,
    ],
    [
      'one of two Secrets refused it',
      { delivered: refusing([REFUSED]), targets: TWO },
      1,
      / in part\n(.*\n)*www-a-test-1: Secret prod\/shop\/tls exists/,
    ],
    [
      'a version of long ago went nowhere',
      late,
      1,
      /not yet delivered\n(.*\n)*www-a-test-1: version 2 is not yet delivered everywhere/,
    ],
    ['a new one is on its way', { ...late, notBefore: new Date() }, 0, /not yet delivered\n/],
    ['nobody asks for it', { delivered: null, targets: [] }, 0, /stored only\n/],
  ])('status, when the counts are good and %s', async ([, differs, code, says]) => {
    replies = {
      'GET /v1/status': { body: statusDocument() },
      'GET /v1/certificates': { body: { certificates: [certificate(differs)] } },
    };
    const shown = await certherd('status');
    expect([shown.code, shown.out]).toEqual([code, expect.stringMatching(says)]);
    expect((await certherd('status', '--json')).code).toBe(code);
  });

  test.for<[string, object, number]>([
    ['all is kept', {}, 0],
    [
      'a request is refused',
      {
        refused: [
          {
            cluster: 'c',
            kind: 'Ingress',
            namespace: 'n',
            name: 'i',
            reason: 'r',
            message: 'no zone',
          },
        ],
      },
      1,
    ],
    ['a part could not be read', { faults: [{ resource: 'cluster c', message: 'away' }] }, 1],
    [
      'a certificate is refused',
      { certificates: [{ ...plan().certificates[0], action: 'refuse' }] },
      1,
    ],
  ])('plan, when %s', async ([, differs, code]) => {
    replies = { 'GET /v1/plan': { body: plan(differs) } };
    const answer = await certherd('plan');
    expect(answer.code).toBe(code);
    for (const line of answer.out.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

const html = (status: number, headers: object) => (response: ServerResponse) =>
  void response.writeHead(status, { ...headers, 'content-type': 'text/html' }).end('<h1>No</h1>');
const brokenOff = (response: ServerResponse) => {
  response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy());
};
const PATH = '/v1/certificates/www-a-test-1';
const COMMANDS: readonly (readonly [command: string, line: string])[] = [
  ['status', 'GET /v1/status'],
  ['plan', 'GET /v1/plan'],
  ['run', 'POST /v1/run'],
  ['backup', 'GET /v1/backup'],
  ['backup --out /dev/null', 'GET /v1/backup'],
  ['issue x.test', 'POST /v1/certificates'],
  ['issue x.test --wait', 'POST /v1/certificates?wait=60'],
  ['renew www-a-test-1', `POST ${PATH}:renew`],
  ['renew www-a-test-1 --wait', `GET ${PATH}`],
];

describe.for<[string, Reply, string]>([
  [
    'a refusal of Cloud Run',
    html(403, {}),
    'URL answers 403 before the api is asked; have the token command print an ID token with an e-mail, made out to URL, and name its account under access in the configuration',
  ],
  [
    'one in JSON that is not ours',
    { status: 401, body: { message: 'no' } },
    'URL answers 401 before the api is asked; have the token command print an ID token with an e-mail, made out to URL, and name its account under access in the configuration',
  ],
  [
    'a log-in of Identity-Aware Proxy',
    html(302, { location: 'https://accounts.google.test/o?code=secret' }),
    'URL answers 302 and leads to accounts.google.test, as Identity-Aware Proxy does; have the token command print the JWT that it takes, which the account signs itself, made out to URL/* (docs/day-one.md); or correct --url',
  ],
  [
    'a page of something else',
    html(404, {}),
    'URL answers 404 and no JSON; is it the api of Certherd?',
  ],
  [
    'a fault without a reason',
    { status: 500, body: { error: 'x' } },
    'the api answers 500 without a reason',
  ],
  [
    'an answer of another program',
    { body: [] },
    'the answer is not that of this version of Certherd; bring both to the same',
  ],
  ['an answer that breaks off', brokenOff, 'the answer of URL breaks off; AGAIN'],
])('what came is %s', ([, reply, sentence]) => {
  test.for(COMMANDS)('to %s', async ([command, line]) => {
    const args = command.split(' ');
    replies = { [line]: reply };
    const says = sentence
      .replaceAll('URL', server.url)
      .replace(
        'AGAIN',
        line.startsWith('POST')
          ? 'see by "status" whether it was done, then try again'
          : 'try again',
      );
    expect(await certherd(...args)).toEqual({ code: 1, out: '', err: says });
    const { code, out, err } = await certherd(...args, '--json');
    expect([code, JSON.parse(out), err]).toEqual([1, { error: says }, says]);
  });
});

test.for(COMMANDS)('with --json a problem is the one document, for %s', async ([command, line]) => {
  const args = command.split(' ');
  replies = { [line]: { status: 403, body: problem } };
  const { code, out, err } = await certherd(...args, '--json');
  expect([code, JSON.parse(out)]).toEqual([1, problem]);
  expect(err).toBe('The policy does not allow this: no rule gives it');
});

test('with --json a token that cannot be had, and an api that is away, are documents as well', async () => {
  const token = await certherd('status', '--json', '--token-command', 'exit 3');
  expect(JSON.parse(token.out)).toEqual({ error: 'the token command ends with exit code 3' });
  const gone = await listenOnLoopback(createServer(), 0);
  await gone.close();
  const away = await certherd('run', '--json', '--url', gone.url);
  expect([away.code, JSON.parse(away.out)]).toEqual([
    1,
    { error: `nothing answers at ${gone.url}; is npm start running?` },
  ]);
});

test.for<[string, Reply, string, string]>([
  [
    'is shut',
    html(403, {}),
    'answers 403 before the api is asked',
    'have the token command print an ID token',
  ],
  [
    'wants a log-in',
    html(302, { location: '/login' }),
    'as Identity-Aware Proxy does',
    'have the token command print the JWT',
  ],
  ['breaks off', brokenOff, 'breaks off', 'npm start'],
])('doctor goes on, and says the same, when the api %s', async ([, reply, says, remedy]) => {
  replies = { 'GET /v1/status': reply, 'GET /v1/configuration': reply };
  const { code, out, err } = await certherd('doctor', '--json');
  expect([code, err]).toEqual([1, '']);
  const { findings } = JSON.parse(out);
  expect(findings.map(({ check }: { check: string }) => check)).toEqual([
    'api',
    'configuration',
    'all else',
  ]);
  const [{ message, repair = '', advice = '' }] = findings;
  expect(message).toContain(says);
  expect(repair + advice).toContain(remedy);
  expect(message).not.toContain(remedy);
});

test('plan shows times in seconds, and until when an entry waits', async () => {
  const [kept] = plan().certificates;
  const certificates = [
    {
      ...kept,
      message: 'renewed from 2026-03-01T05:54:21.925Z on',
      at: '2026-03-01T05:54:21.925Z',
    },
    {
      ...{ ...kept, action: 'wait', reason: 'backing-off', at: '2026-01-02T00:01:02.345Z' },
      message: 'ca-rejected: no (failure 1 in a row)',
    },
    { ...kept, action: 'wait', message: 'looked at in a later run' },
  ];
  replies = { 'GET /v1/plan': { body: plan({ certificates }) } };
  const { code, out } = await certherd('plan');
  const words = out.replace(/\s+/g, ' ');
  expect(code).toBe(0);
  expect(words).toContain('renewed from 2026-03-01T05:54:21Z on');
  expect(words).toContain('(failure 1 in a row); waits until 2026-01-02T00:01:02Z');
  expect(words).toMatch(/looked at in a later run$/);
});

describe('issue and renew', () => {
  test.for([
    ['issue', 'www.a.test'],
    ['renew', 'www-a-test-1'],
  ])(
    '%s --json says that what was asked for is still under way',
    async ([command = '', of = '']) => {
      const reply = { status: 202, body: certificate() };
      replies = {
        'POST /v1/certificates': reply,
        'POST /v1/certificates/www-a-test-1:renew': reply,
      };
      const { code, out } = await certherd(command, of, '--json');
      expect([code, JSON.parse(out)]).toEqual([0, { ...certificate(), requested: true }]);
    },
  );

  test('issue sends what was asked for and says that it is on its way', async () => {
    replies = { 'POST /v1/certificates': { status: 202, body: certificate({ version: null }) } };
    const { code, out } = await certherd(
      ...['issue', 'a.test', '*.a.test', '--issuer', 'staging'],
      ...['--target', 'c/n/s', '--target', 'c/n/t'],
    );
    expect(code).toBe(0);
    expect(out).toContain('www-a-test-1 is on its way');
    expect(requests.at(-1)?.body).toEqual({
      names: ['a.test', '*.a.test'],
      issuer: 'staging',
      targets: ['c/n/s', 'c/n/t'],
    });
  });

  test.for<[string, Reply[], number]>([
    ['is there at once', [{ body: certificate() }], 0],
    [
      'is there in the second minute',
      [{ status: 202, body: certificate() }, { body: certificate() }],
      0,
    ],
    [
      'is not there after two',
      [
        { status: 202, body: certificate() },
        { status: 202, body: certificate() },
      ],
      1,
    ],
    ['failed', [{ status: 502, body: { ...problem, certificate: certificate({ failure }) } }], 1],
    [
      'was refused by a Secret',
      [
        {
          body: certificate({
            delivered: { version: 1, at: '2026-01-01T00:00:00.000Z', failed: ['no'] },
          }),
        },
      ],
      1,
    ],
  ])('issue --wait, when it %s', async ([, waiting, expected]) => {
    replies = { 'POST /v1/certificates?wait=60': waiting };
    const { code, err } = await certherd('issue', 'www.a.test', '--wait');
    expect(code).toBe(expected);
    expect(waiting).toEqual([]);
    if (expected === 0) expect(err).toBe('');
  });

  test('renew --wait looks again, and never asks twice', async () => {
    const path = '/v1/certificates/www-a-test-1';
    replies = {
      [`GET ${path}`]: [
        { body: certificate() },
        {
          body: certificate({
            version: 2,
            delivered: { version: 2, at: '2026-03-01T00:00:00.000Z', failed: [] },
          }),
        },
      ],
      [`POST ${path}:renew?wait=60`]: [{ status: 202, body: certificate() }],
    };
    const { code, out } = await certherd('renew', 'www-a-test-1', '--wait', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ version: 2 });
    expect(JSON.parse(out)).not.toHaveProperty('requested');
  });
});

describe('status --json', () => {
  const inventory = { certificates: [certificate()], invalid: [] };

  test('has every certificate beside the counts', async () => {
    replies = {
      'GET /v1/status': { body: statusDocument() },
      'GET /v1/certificates': { body: inventory },
    };
    const { code, out } = await certherd('status', '--json');
    expect([code, JSON.parse(out)]).toEqual([0, { ...statusDocument(), inventory }]);
  });

  test('is the status alone when the certificates cannot be read', async () => {
    const unread = statusDocument({ certificates: { error: 'no store' } });
    replies = { 'GET /v1/status': { body: unread } };
    const { code, out } = await certherd('status', '--json');
    expect([code, JSON.parse(out)]).toEqual([1, unread]);
  });

  test('has the problem where the certificates should be', async () => {
    replies = {
      'GET /v1/status': { body: statusDocument() },
      'GET /v1/certificates': { status: 503, body: problem },
    };
    const { code, out, err } = await certherd('status', '--json');
    expect([code, JSON.parse(out)]).toEqual([1, { ...statusDocument(), inventory: problem }]);
    expect(err).toBe('The policy does not allow this: no rule gives it');
  });
});

test('status shows names, end, engines and troubles within 100 columns, whatever they hold', async () => {
  const long = Array.from({ length: 5 }, (_, n) => `host-${n}.${'long-'.repeat(8)}label.a.test`);
  const hostile = { ...failure, message: 'no\u001b[31m\nway' };
  const found = [
    certificate(),
    certificate({
      id: 'b-2',
      names: long,
      version: null,
      notAfter: null,
      state: 'failed',
      failure: hostile,
    }),
    certificate({ id: 'c-3', names: null, delivered: null, targets: [] }),
  ];
  replies = {
    'GET /v1/status': { body: statusDocument() },
    'GET /v1/certificates': { body: { certificates: found } },
  };
  const { out } = await certherd('status');
  expect(out).toContain('www.a.test');
  expect(out).toMatch(/issued +2026-04-01 +1 +delivered/);
  expect(out).toMatch(/and\s+2\s+more/);
  expect(out).toContain('stored only');
  expect(out).toContain('b-2: ca-rejected: no [31m way; tried again at 2026-01-02T00:00:00Z');
  for (const id of ['www-a-test-1', 'b-2', 'c-3'])
    expect(out).toMatch(new RegExp(`^id ${id}$`, 'm'));
  expect(out).toContain(
    'schedule: ENABLED, last run 2026-01-10 09:00 UTC ok, next run 2026-01-10 10:00 UTC',
  );
  expect(out).toContain('queue of staging: RUNNING');
  expect(out).not.toContain('\u001b');
  const lines = out.split('\n').slice(
    0,
    out.split('\n').findIndex((line) => line.startsWith('b-2:')),
  );
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
});
