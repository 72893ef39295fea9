import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Sensitive } from '../../shared/sensitive.ts';
import { keyVaultContract } from './key-vault.ts';
import { refusing, type SecretStore, startSecretStore } from './secret-manager.ts';

let store: SecretStore;
beforeAll(async () => {
  store = await startSecretStore();
});
afterAll(() => store.close());
beforeEach(() => store.script(() => {}));

const KEY = new Sensitive('KEY-1234567890');

describe('keys, on the stand-in', () => {
  keyVaultContract(() => store.vault);
});

describe('the secret of a key', () => {
  test.for<['account' | 'pending']>([['account'], ['pending']])(
    'of kind %s carries its label and notifies nobody',
    async ([kind]) => {
      await store.vault.write(`herd-${kind}-x`, kind, KEY);
      const secret = await store.call('GET', `/herd-${kind}-x`);
      expect(secret.labels).toEqual({ [`certherd-${kind}`]: 'herd' });
      expect(secret).not.toHaveProperty('topics');
      await store.vault.destroy(`herd-${kind}-x`);
    },
  );

  test('is read at its newest enabled version', async () => {
    await store.vault.write('herd-pending-y', 'pending', new Sensitive('first'));
    await store.vault.write('herd-pending-y', 'pending', new Sensitive('second'));
    await store.call('POST', '/herd-pending-y/versions/2:disable', {});
    expect((await store.vault.read('herd-pending-y'))?.reveal()).toBe('first');
  });

  test('loses its disabled versions too when it is destroyed', async () => {
    await store.vault.write('herd-pending-z', 'pending', KEY);
    await store.call('POST', '/herd-pending-z/versions/1:disable', {});
    await store.vault.destroy('herd-pending-z');
    expect(await store.call('GET', '/herd-pending-z/versions/1')).toMatchObject({
      state: 'DESTROYED',
    });
  });
});

describe('on a bad day', () => {
  test('unreadable is not absent', async () => {
    store.script(refusing(/^GET/, ['PERMISSION_DENIED', 'Permission denied.']));
    await expect(store.vault.read('herd-account-q')).rejects.toMatchObject({
      code: 'not-permitted',
      message:
        'cannot list the versions of projects/p/secrets/herd-account-q: permission denied; grant secretmanager.versions.list on project p',
    });
  });

  test('a key is in no error of its writing', async () => {
    store.script(refusing(/:addVersion/, ['PERMISSION_DENIED', 'Permission denied.']));
    const error = await store.vault
      .write('herd-account-q', 'account', KEY)
      .catch((reason) => reason);
    expect(error).toMatchObject({ code: 'not-permitted' });
    const text = inspect(error, { depth: 20, showHidden: true });
    expect(text).not.toContain(Buffer.from(KEY.reveal()).toString('base64').slice(0, 12));
    expect(text).not.toContain(KEY.reveal());
  });

  test('a write is sent again while the service is unavailable', async () => {
    store.script(refusing(/^POST/, ['UNAVAILABLE', 'try later'], 1));
    await store.vault.write('herd-account-r', 'account', KEY);
    expect((await store.vault.read('herd-account-r'))?.reveal()).toBe(KEY.reveal());
  });
});
