import { describe, expect, test } from 'vitest';
import {
  type CertificateIdentity,
  certificateId,
  digest,
  spread,
} from '../../shared/domain/certificate.ts';
import { identity } from './build.ts';

describe('the id of a certificate', () => {
  test.for<[string, readonly string[], RegExp]>([
    ['starts with its first name', ['www.a.test', 'x.a.test'], /^www-a-test-[0-9a-f]{32}$/],
    ['spells a wildcard out', ['*.a.test'], /^wildcard-a-test-[0-9a-f]{32}$/],
    ['has a slug of at most 80 characters', [`${'a'.repeat(90)}.test`], /^a{80}-[0-9a-f]{32}$/],
    ['is a hash alone without a name', [], /^-[0-9a-f]{32}$/],
  ])('%s', ([, names, expected]) => expect(certificateId(identity({ names }))).toMatch(expected));

  test('never changes: it is the name of a secret in Secret Manager', () => {
    expect(certificateId(identity())).toBe('www-a-test-40d77440d10fccf41103117f4eb0a78e');
  });

  test.for<[string, Partial<CertificateIdentity>]>([
    ['names', { names: ['www.a.test', 'x.a.test'] }],
    ['issuer', { issuer: 'staging' }],
    ['key type', { keyType: 'rsa-2048' }],
  ])('is another for other %s', ([, differs]) => {
    expect(certificateId(identity(differs))).not.toBe(certificateId(identity()));
  });
});

test('parts of a digest do not run into each other', () => {
  expect(digest(['ab', 'c'])).not.toBe(digest(['a', 'bc']));
});

test('what is spread lies in [0, 1), is always the same and differs from text to text', () => {
  const spreads = Array.from({ length: 100 }, (_, index) => spread(String(index)));
  expect(spreads.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(new Set(spreads).size).toBe(100);
  expect(spreads.filter((value) => value < 0.5).length).toBeGreaterThan(30);
  expect(spread('7')).toBe(spreads[7]);
});
