import { createServer } from 'node:http';
import { inspect } from 'node:util';
import { OAuth2Client } from 'google-auth-library';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { STATUS } from '../../../shared/adapters/google-client.ts';
import { createRest } from '../../../shared/adapters/google-rest.ts';

type Answer = readonly [status: number, body: string];

let server: RunningApi;
let answers: Answer[];
let asked: string[];

beforeAll(async () => {
  server = await listenOnLoopback(
    createServer((request, response) => {
      asked.push(`${request.headers.authorization} ${request.url}`);
      const [status, body] = answers.shift() ?? [200, '{}'];
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    }),
    0,
  );
});
afterAll(() => server.close());
beforeEach(() => {
  answers = [];
  asked = [];
});

function rest(endpoint = server.url) {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: 'the-token', expiry_date: Date.now() + 3_600_000 });
  return createRest({ auth: { client }, endpoint, host: 'things.test', limitMs: 1_000 });
}

async function read(endpoint?: string) {
  const things: string[] = [];
  const query = { filter: 'a=b' };
  for await (const page of rest(endpoint).pages<{ things?: string[] }>('v1/things', query))
    things.push(...(page.things ?? []));
  return things;
}

const json = (status: number, body: unknown): Answer => [status, JSON.stringify(body)];

const problem = (http: number, status: string, message: string) =>
  json(http, { error: { code: http, status, message } });

test('pages follow one another, each asked for with the query and our token', async () => {
  answers = [
    json(200, { things: ['a', 'b'], nextPageToken: 'x/y' }),
    json(200, { nextPageToken: 'z' }),
    json(200, { things: ['c'], nextPageToken: '' }),
  ];
  expect(await read(`${server.url}/`)).toEqual(['a', 'b', 'c']);
  expect(asked).toEqual([
    'Bearer the-token /v1/things?filter=a%3Db',
    'Bearer the-token /v1/things?filter=a%3Db&pageToken=x%2Fy',
    'Bearer the-token /v1/things?filter=a%3Db&pageToken=z',
  ]);
});

test.for<[string, Answer]>([
  ['too many requests', problem(429, 'RESOURCE_EXHAUSTED', 'quota')],
  ['an unavailable service', problem(503, 'UNAVAILABLE', 'later')],
  ['a front end that fails', [502, '<html>']],
])('%s: asked again', async ([, answer]) => {
  answers = [answer, json(200, { things: ['a'] })];
  expect(await read()).toEqual(['a']);
  expect(asked).toHaveLength(2);
});

test.for<[string, Answer, number | undefined, string]>([
  ['no rights', problem(403, 'PERMISSION_DENIED', 'who?'), STATUS.PERMISSION_DENIED, 'who?'],
  ['nothing there', problem(404, 'NOT_FOUND', 'no secret'), STATUS.NOT_FOUND, 'no secret'],
  ['a front end without rights', [403, '<html>'], STATUS.PERMISSION_DENIED, 'HTTP 403'],
  ['a front end without credentials', [401, ''], STATUS.UNAUTHENTICATED, 'HTTP 401'],
  [
    'what is wrong with the request',
    problem(400, 'INVALID_ARGUMENT', 'bad filter'),
    STATUS.INVALID_ARGUMENT,
    'bad filter',
  ],
  ['a status of its own', problem(418, 'TEAPOT', 'short'), undefined, 'short'],
  ['no JSON', [200, '<html>'], undefined, 'the answer is no JSON'],
])('%s: said as a generated client would', async ([, answer, code, message]) => {
  answers = [answer];
  const error = await read().catch((thrown) => thrown);
  expect(error).toMatchObject({ message, ...(code && { code }) });
  expect('code' in error).toBe(code !== undefined);
  expect(inspect(error, { depth: 9 })).not.toContain('the-token');
  expect(asked).toHaveLength(1);
});

test('what fails for good is given up in time', async () => {
  answers = Array.from({ length: 20 }, () => problem(503, 'UNAVAILABLE', 'later'));
  await expect(read()).rejects.toMatchObject({ code: STATUS.UNAVAILABLE, message: 'later' });
  // 100, 200 and 400 ms between them: a fifth would be after the second that there is.
  expect(asked).toHaveLength(4);
});

test('a page that names itself as the next is not followed', async () => {
  answers = Array.from({ length: 20 }, () => json(200, { nextPageToken: 'x' }));
  await expect(read()).rejects.toThrow('the same page comes forever');
  expect(asked).toHaveLength(2);
});

test('nobody listens: unavailable, after some tries', async () => {
  await expect(read('http://127.0.0.1:1')).rejects.toMatchObject({ code: STATUS.UNAVAILABLE });
});

test('a pause that ends too late is the end: a timeout of 0 or less would be none', async () => {
  const timeouts: unknown[] = [];
  const client = new OAuth2Client();
  client.request = async ({ timeout }) => {
    timeouts.push(timeout);
    // Whatever else the process does keeps it from waking up in time.
    setTimeout(() => {
      for (const end = Date.now() + 400; Date.now() < end; );
    }, 50);
    throw Object.assign(new Error('away'), { code: 'ECONNRESET' });
  };
  const things = createRest({ auth: { client }, host: 'things.test', limitMs: 300 });
  await expect(things.get('v1/things')).rejects.toMatchObject({ code: STATUS.UNAVAILABLE });
  expect(timeouts).toEqual([expect.any(Number)]);
  expect(timeouts[0]).toBeGreaterThan(0);
});
