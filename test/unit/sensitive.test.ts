import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CertificateError, messageOf } from '../../shared/errors.ts';
import { Sensitive } from '../../shared/sensitive.ts';

describe('a secret', () => {
  const key = new Sensitive('PRIVATE');

  test('is told to who asks for it', () => expect(key.reveal()).toBe('PRIVATE'));

  test.for<[string, unknown]>([
    ['template', `${key}`],
    ['string', String(key)],
    ['JSON document', JSON.stringify({ key })],
    ['console line', inspect({ key }, { showHidden: true, depth: 9, customInspect: true })],
    [
      'console line without our own inspect',
      inspect(key, { showHidden: true, customInspect: false }),
    ],
    ['list of its properties', JSON.stringify(Object.entries(key))],
    ['copy', JSON.stringify({ ...key })],
    ['error', inspect(new Error(`no ${key}`, { cause: key }))],
  ])('is in no %s', ([, text]) => expect(text).not.toContain('PRIVATE'));
});

describe('an error', () => {
  test('has a code, a cause and the word of the other side', () => {
    const cause = new Error('socket closed');
    const retryAt = new Date(0);
    const error = new CertificateError('ca-rate-limited', 'too many orders', { cause, retryAt });
    expect(error).toMatchObject({
      name: 'CertificateError',
      code: 'ca-rate-limited',
      cause,
      retryAt,
    });
    expect(error.retryable).toBe(true);
  });

  test('says when trying again does not help', () => {
    const error = new CertificateError('config-invalid', 'no project');
    expect([error.retryable, error.retryAt]).toEqual([false, undefined]);
  });

  test.for<[string, unknown, string]>([
    ['is the message of an error', new Error('it broke'), 'it broke'],
    ['is on one line', new Error(' it\n  broke\t'), 'it broke'],
    ['is the text of anything else', 'it broke', 'it broke'],
    ['is there for nothing', undefined, 'undefined'],
  ])('message %s', ([, thrown, message]) => expect(messageOf(thrown)).toBe(message));
});
