import { inspect } from 'node:util';
import { PassThroughClient } from 'google-auth-library';
import { expect, test } from 'vitest';
import {
  absent,
  clientOptions,
  isUnanswered,
  once,
  statusOf,
  translated,
} from '../../../shared/adapters/google-client.ts';
import { CertificateError } from '../../../shared/errors.ts';

const auth = { client: new PassThroughClient() };
const ATTEMPT = {
  code: 'store-unavailable',
  doing: 'read',
  grant: 'x.y.get on project p',
} as const;

const ENDING = '; if it lasts, check the network here and https://status.cloud.google.com';

/** An error as the libraries throw it. */
const failed = (code: unknown, message = 'the words of the service') =>
  Object.assign(new Error(message), { code });

test.for<[string, string | undefined, object]>([
  ["no endpoint leaves the service's own", undefined, {}],
  [
    'an endpoint with a port is taken apart',
    'http://127.0.0.1:1234',
    { apiEndpoint: '127.0.0.1', port: 1234, protocol: 'http' },
  ],
  [
    'an endpoint without a port has that of its scheme',
    'https://secrets.test',
    { apiEndpoint: 'secrets.test', port: 443, protocol: 'https' },
  ],
  [
    'plain http has its own',
    'http://secrets.test/',
    { apiEndpoint: 'secrets.test', port: 80, protocol: 'http' },
  ],
])('%s', ([, endpoint, expected]) => {
  expect(clientOptions({ auth, endpoint })).toEqual({
    fallback: true,
    authClient: auth.client,
    ...expected,
  });
});

test.for<[string, unknown, string, string]>([
  ['what is absent', failed(5), 'not-found', 'it does not exist'],
  [
    'what is forbidden',
    failed(7),
    'not-permitted',
    'permission denied; grant x.y.get on project p',
  ],
  [
    'bad credentials',
    failed(16),
    'store-unavailable',
    'our credentials are not accepted; check the account that this runs as',
  ],
  [
    'too much',
    failed(8),
    'store-unavailable',
    'too many requests; wait, or raise the quota (the words of the service)',
  ],
  ['what is down', failed(14, 'ECONNREFUSED'), 'store-unavailable', `ECONNREFUSED${ENDING}`],
  [
    'what was tried until time ran out',
    failed(
      4,
      'Total timeout of API google.x exceeded 10000 milliseconds retrying error Error: connect ECONNREFUSED 127.0.0.1:1  before any response was received. : Previous errors : [{message: x}]',
    ),
    'store-unavailable',
    `connect ECONNREFUSED 127.0.0.1:1, for 10 s${ENDING}`,
  ],
  [
    'an answer that is none',
    new SyntaxError('Unexpected token K, "KEY-1234" is not valid JSON'),
    'store-unavailable',
    'the answer was not understood',
  ],
  [
    'an answer that is none, as a library calls it',
    failed(14, `Unexpected token 'K', "KEY-1234" is not valid JSON`),
    'store-unavailable',
    `the answer was not understood${ENDING}`,
  ],
  [
    'an answer with a field that is none',
    failed(14, 'fromProto3JSONToInternalRepresentation: field x cannot contain value KEY-1234'),
    'store-unavailable',
    `the answer was not understood${ENDING}`,
  ],
  [
    'a page of a proxy',
    failed(13, 'Error response from RPC X with status 502: the body is not JSON: <html>'),
    'store-unavailable',
    `HTTP 502, and the answer was not understood${ENDING}`,
  ],
  [
    'a request that is not understood',
    failed(3, 'Invalid JSON payload received. Unknown name "x": Cannot find field.'),
    'store-unavailable',
    'Invalid JSON payload received. Unknown name "x": Cannot find field.',
  ],
  [
    'a service that is silent',
    failed(4, 'Deadline exceeded: getSecret did not respond within 10000 milliseconds.'),
    'store-unavailable',
    `no answer in time${ENDING}`,
  ],
  [
    'a server that is not there',
    failed(14, 'request to http://x/?y=z failed, reason: connect ECONNREFUSED 127.0.0.1:1'),
    'store-unavailable',
    `connect ECONNREFUSED 127.0.0.1:1${ENDING}`,
  ],
  ['many words', failed(3, 'x'.repeat(900)), 'store-unavailable', 'x'.repeat(300)],
  ['what is no error', 'oops', 'store-unavailable', 'the answer was not understood'],
])('%s is said in one sentence', ([, error, code, problem]) => {
  expect(translated(error, 'projects/p/secrets/x', ATTEMPT)).toMatchObject({
    code,
    message: `cannot read projects/p/secrets/x: ${problem}`,
  });
});

test('an error of ours stays what it is', () => {
  const error = new CertificateError('certificate-invalid', 'no');
  expect(translated(error, 'x', ATTEMPT)).toBe(error);
});

test('the cause keeps status, words and place, and nothing of the request', () => {
  const request = { config: { data: 'KEY-1234', headers: { authorization: 'Bearer TOKEN' } } };
  const error = Object.assign(failed(14, 'socket hang up'), {
    cause: Object.assign(new Error('x'), request),
    ...request,
  });
  const text = inspect(translated(error, 'x', ATTEMPT), { depth: 20, showHidden: true });
  expect(text).toContain('status 14: socket hang up');
  expect(text).toContain('google-client.test.ts');
  expect(text).not.toContain('KEY-1234');
  expect(text).not.toContain('TOKEN');
});

test.for<[string, unknown, number | undefined, boolean]>([
  ['a deadline', failed(4), 4, true],
  ['an unavailable service', failed(14), 14, true],
  ['an internal error', failed(13), 13, true],
  ['a refusal', failed(7), 7, false],
  ['a code that is a text', failed('ECONNRESET'), undefined, false],
  ['an error without a code', new Error('x'), undefined, false],
  ['nothing', undefined, undefined, false],
])('%s has its status', ([, error, status, unanswered]) => {
  expect(statusOf(error)).toBe(status);
  expect(isUnanswered(error)).toBe(unanswered);
});

test('only what is not found is absent', () => {
  expect(absent(new CertificateError('not-found', 'x'))).toBeUndefined();
  expect(() => absent(new CertificateError('store-unavailable', 'x'))).toThrow('x');
  expect(() => absent(failed(5, 'untranslated'))).toThrow('untranslated');
});

test('what is made once is made once, and again after a failure', async () => {
  let made = 0;
  const thing = once(async () => {
    made += 1;
    if (made === 1) throw new Error('first');
    return made;
  });
  await expect(thing()).rejects.toThrow('first');
  expect(await Promise.all([thing(), thing()])).toEqual([2, 2]);
});
