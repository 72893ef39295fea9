import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bundleText, parseBundle, pemBlocks } from '../../../shared/adapters/bundle.ts';

const RESOURCE = 'version 3 of secret s';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = (type: 'pkcs8' | 'pkcs1') =>
  privateKey.export({ type: type as 'pkcs8', format: 'pem' }) as string;
const KEY = pem('pkcs8');
const one = '-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n';
const other = '-----BEGIN CERTIFICATE-----\nQkJC\n-----END CERTIFICATE-----\n';
const encrypted = (type: 'pkcs8' | 'pkcs1') =>
  privateKey.export({
    ...{ type: type as 'pkcs8', format: 'pem' },
    ...{ cipher: 'aes-256-cbc', passphrase: 'x' },
  }) as string;

describe('a stored payload', () => {
  test.for<[string, string, string]>([
    ['is a key and a chain', KEY + one + other, one + other],
    ['may hold the chain first', one + other + KEY, one + other],
    ['may hold a PKCS #1 key', pem('pkcs1') + one, one],
    ['may hold text between the blocks', `Bag attributes\n${KEY}subject=CN\n${one}`, one],
    ['may have lines that end as on Windows', (KEY + one).replaceAll('\n', '\r\n'), one],
    ['may lack its last new line', (KEY + one).trimEnd(), one],
    [
      'may hold the parameters of a curve',
      `-----BEGIN EC PARAMETERS-----\nQUFB\n-----END EC PARAMETERS-----\n${KEY}${one}`,
      one,
    ],
  ])('%s', ([, text, chain]) => {
    const bundle = parseBundle(text, RESOURCE);
    expect(bundle.chain).toBe(chain);
    expect(bundle.key.reveal()).toBe(KEY);
  });

  test.for<[string, string, string]>([
    ['nothing', '', 'it holds 0 private keys, not one'],
    ['a chain alone', one, 'it holds 0 private keys, not one'],
    ['two keys', KEY + KEY + one, 'it holds 2 private keys, not one'],
    ['a key alone', KEY, 'it holds no certificate'],
    ['an encrypted key', encrypted('pkcs8') + one, 'its private key is encrypted'],
    ['an encrypted key in the old form', encrypted('pkcs1') + one, 'its private key is encrypted'],
    [
      'a key that is noise',
      `-----BEGIN PRIVATE KEY-----\nQUFB\n-----END PRIVATE KEY-----\n${one}`,
      'its private key cannot be parsed',
    ],
  ])('is refused when it is %s', ([, text, words]) => {
    expect(() => parseBundle(text, RESOURCE)).toThrow(
      expect.objectContaining({
        code: 'certificate-invalid',
        message: expect.stringMatching(`^${RESOURCE} is no certificate bundle: ${words};`),
      }),
    );
  });

  test('reads as it was written, key first', () => {
    const bundle = parseBundle(one + KEY, RESOURCE);
    expect(bundleText(bundle).reveal()).toBe(KEY + one);
    expect(String(bundleText(bundle))).toBe('[secret]');
    expect(bundleText({ ...bundle, chain: one.trimEnd() }).reveal()).toBe(KEY + one);
  });
});

test('blocks of one label come in their order', () => {
  expect(pemBlocks(one + KEY + other, 'CERTIFICATE')).toEqual([one, other]);
});
