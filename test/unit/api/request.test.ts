import { describe, expect, test } from 'vitest';
import { requireRole, roleOf } from '../../../functions/api/access.ts';
import { certificateRequest } from '../../../functions/api/certificate-request.ts';
import { ApiProblem, problemOf } from '../../../functions/api/problem.ts';
import { routed } from '../../../functions/api/router.ts';
import { ROUTES } from '../../../functions/api/routes.ts';
import { CertificateError } from '../../../shared/errors.ts';
import { rules, target } from '../build.ts';

describe('roles', () => {
  const access = {
    viewers: ['user:a@a.test', 'user:c@a.test'],
    operators: ['user:b@a.test', 'user:c@a.test'],
    admins: ['user:c@a.test'],
  };

  test.for<[string, string | undefined]>([
    ['user:a@a.test', 'viewer'],
    ['user:b@a.test', 'operator'],
    ['user:c@a.test', 'admin'],
    ['user:A@a.test', undefined],
    ['user:C@a.test', undefined],
    ['user:B@a.test', undefined],
    ['serviceAccount:a@a.test', undefined],
    ['', undefined],
  ])('%s is %s', ([member, role]) => {
    expect(roleOf(member, access)).toBe(role);
  });

  test('each may what those below it may', () => {
    const may = (role: 'viewer' | 'operator' | 'admin', needed: typeof role) => {
      try {
        requireRole({ member: 'user:x@a.test', role }, needed, 'do this');
        return true;
      } catch {
        return false;
      }
    };
    expect(may('admin', 'operator')).toBe(true);
    expect(may('operator', 'operator')).toBe(true);
    expect(may('viewer', 'operator')).toBe(false);
    expect(may('operator', 'admin')).toBe(false);
  });
});

describe('paths', () => {
  test.for<[string, string, string]>([
    ['GET', '/v1/certificates/www-1', 'GET /v1/certificates/{id} of www-1'],
    ['HEAD', '/v1/status', 'GET /v1/status of '],
    ['POST', '/v1/certificates/www-1:renew', 'POST /v1/certificates/{id}:renew of www-1'],
    ['POST', '/v1/certificates', 'POST /v1/certificates of '],
    ['GET', '/v1/certificates/', '404'],
    ['GET', '/v1/certificates/a/b', '404'],
    ['POST', '/v1/certificates/www-1:revoke', '404'],
    ['GET', '/v1/certificates/www-1:renew', '405 POST'],
    ['POST', '/', '405 GET, HEAD'],
    ['PUT', '/v1/certificates', '405 GET, HEAD, POST'],
  ])('%s %s', ([method, path, expected]) => {
    expect(found(method, path)).toBe(expected);
  });

  function found(method: string, path: string): string {
    try {
      const { route, id } = routed(ROUTES, { method, path });
      return `${route.method} ${route.path} of ${id}`;
    } catch (error) {
      const { document, headers } = problemOf(error);
      return `${document.status} ${headers.allow ?? ''}`.trim();
    }
  }
});

describe('a request for a certificate', () => {
  const parse = (body: unknown) => certificateRequest(rules()).safeParse(body);

  test('is read in its normal form, with the default issuer', () => {
    const targets = ['prod/shop/tls', { ...target() }, 'prod/shop/other'];
    expect(parse({ names: ['WWW.a.test.', '*.a.test', 'bücher.test'], targets }).data).toEqual({
      identity: {
        names: ['*.a.test', 'xn--bcher-kva.test'],
        issuer: 'production',
        keyType: 'ec-p256',
      },
      targets: [target(), target({ secret: 'other' })],
    });
  });

  test('takes the key type of its issuer', () => {
    const { data } = parse({ names: ['a.test'], issuer: 'staging' });
    expect(data?.identity).toMatchObject({ issuer: 'staging', keyType: 'rsa-2048' });
  });

  const many = (count: number) => Array.from({ length: count }, (_, n) => `n${n}.a.test`);
  const secrets = (count: number) => Array.from({ length: count }, (_, n) => `prod/shop/s${n}`);

  test.for<[string, unknown, string | undefined]>([
    ['a hundred names are fine', { names: many(100) }, undefined],
    ['a hundred and one are not', { names: many(101) }, 'at most 100 names'],
    ['names below a wildcard do not count', { names: ['*.a.test', ...many(101)] }, undefined],
    ['no name', { names: [] }, 'give at least one name'],
    ['no list', { names: 'a.test' }, 'give a list of DNS names'],
    ['no body', undefined, 'give a JSON object with names'],
    ['a list for a body', [], 'give a JSON object with names'],
    ['a key for a name', { names: ['-----BEGIN PRIVATE KEY-----'] }, 'a key or a certificate'],
    ['an endless name', { names: ['x'.repeat(301)] }, 'longer than any name'],
    [
      'an issuer by the name of a method',
      { names: ['a.test'], issuer: 'toString' },
      'no such issuer',
    ],
    ['twenty Secrets are fine', { names: ['a.test'], targets: secrets(20) }, undefined],
    ['twenty-one are not', { names: ['a.test'], targets: secrets(21) }, 'at most 20 Secrets'],
    [
      'a Secret of four parts',
      { names: ['a.test'], targets: ['a/b/c/d'] },
      'CLUSTER/NAMESPACE/SECRET',
    ],
    [
      'a Secret with capitals',
      { names: ['a.test'], targets: ['a/b/C'] },
      '"C" may have lower-case letters, digits, "-" and "." only',
    ],
  ])('%s', ([, body, fault]) => {
    const message = parse(body)
      .error?.issues.map((issue) => issue.message)
      .join();
    if (fault === undefined) expect(message).toBeUndefined();
    else expect(message).toContain(fault);
  });
});

test.for<[string, unknown, number, string]>([
  ['a store that is away', new CertificateError('store-unavailable', 'no store'), 503, 'no store'],
  ['a queue that is away', new CertificateError('queue-unavailable', 'no queue'), 503, 'no queue'],
  ['a record of nonsense', new CertificateError('record-invalid', 'no record'), 409, 'no record'],
  ['a configuration', new CertificateError('config-invalid', 'no issuer'), 409, 'no issuer'],
  ['what is not there', new CertificateError('not-found', 'no secret'), 404, 'no secret'],
  ['what is not understood', new CertificateError('request-invalid', 'no host'), 400, 'no host'],
  ['what is not allowed', new CertificateError('not-allowed', 'no rule'), 403, 'no rule'],
  ['another permanent error', new CertificateError('ca-rejected', 'no name'), 409, 'no name'],
  ['another passing error', new CertificateError('dns-unavailable', 'no DNS'), 503, 'no DNS'],
  ['a bug', new TypeError('inner'), 500, 'the log of'],
  ['what is no error', 'inner', 500, 'the log of'],
  ['a problem', new ApiProblem('not-found', 'none'), 404, 'none'],
])('%s is told with its status', ([, error, status, detail]) => {
  const { document } = problemOf(error);
  expect(document.status).toBe(status);
  expect(document.detail).toContain(detail);
  if (status === 500) expect(JSON.stringify(document)).not.toContain('inner');
});
