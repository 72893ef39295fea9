import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { record } from './certificate-records.ts';
import { certificateVersionsContract, newBundle } from './certificate-versions.ts';
import { refusing, type SecretStore, startSecretStore } from './secret-manager.ts';

let store: SecretStore;
beforeAll(async () => {
  store = await startSecretStore();
});
afterAll(() => store.close());
beforeEach(() => store.script(() => {}));

const ADD = /^POST .*:addVersion/;

describe('versions, on the stand-in', () => {
  certificateVersionsContract(() => store);
});

describe('a version', () => {
  test('is stored as one PEM text, key first, with a checksum that was checked', async () => {
    await store.records.create('pem', record());
    const bundle = newBundle();
    await store.writer.add('pem', bundle, 0);
    const { payload } = await store.call('GET', '/herd-cert-pem/versions/1:access');
    const { data } = payload as { data: string };
    expect(Buffer.from(data, 'base64').toString()).toBe(bundle.key.reveal() + bundle.chain);
    expect(await store.call('GET', '/herd-cert-pem/versions/1')).toMatchObject({
      clientSpecifiedPayloadChecksum: true,
    });
  });

  test('that is no bundle is named without a word of what it holds', async () => {
    await store.records.create('other', record());
    const data = Buffer.from('top secret').toString('base64');
    await store.call('POST', '/herd-cert-other:addVersion', { payload: { data } });
    const reading = store.reader.read('other', 1);
    await expect(reading).rejects.toMatchObject({
      code: 'certificate-invalid',
      message: expect.stringContaining('projects/p/secrets/herd-cert-other/versions/1'),
    });
    expect(inspect(await reading.catch((error) => error), { depth: 20 })).not.toContain(
      'top secret',
    );
  });

  test('that was disabled is listed as that, and not read', async () => {
    await store.records.create('off', record());
    await store.writer.add('off', newBundle(), 0);
    await store.call('POST', '/herd-cert-off/versions/1:disable', {});
    expect(await store.versions.list('off')).toMatchObject([{ number: 1, state: 'disabled' }]);
    await expect(store.reader.read('off', 1)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('DISABLED'),
    });
  });
});

describe('on a bad day', () => {
  test('a version whose reply is lost is found and not added twice', async () => {
    await store.records.create('lost', record());
    await store.writer.add('lost', newBundle(), 0);
    store.loseReplyOf('SECRET_VERSION_ADD');
    expect(await store.writer.add('lost', newBundle(), 1)).toBe(2);
    expect(await store.versions.list('lost')).toHaveLength(2);
  });

  test('a version that never arrived is added, older ones not mistaken for it', async () => {
    await store.records.create('late', record());
    await store.writer.add('late', newBundle(), 0);
    store.script(refusing(ADD, ['UNAVAILABLE', 'try later'], 1));
    expect(await store.writer.add('late', newBundle(), 1)).toBe(2);
    expect(await store.versions.list('late')).toHaveLength(2);
  });

  test('the limit of two writes a second is waited out', async () => {
    const limited = await startSecretStore({ limits: true });
    try {
      await limited.records.create('limited', record());
      for (let after = 0; after < 3; after += 1)
        await limited.writer.add('limited', newBundle(), after);
      expect(await limited.versions.list('limited')).toHaveLength(3);
    } finally {
      await limited.close();
    }
  });

  test('no key and no payload is in the error of a refused addition', async () => {
    await store.records.create('refused', record());
    const bundle = newBundle();
    const secret = Buffer.from(bundle.key.reveal()).toString('base64').slice(80, 120);
    store.script(refusing(ADD, ['PERMISSION_DENIED', 'Permission denied.']));
    const error = await store.writer.add('refused', bundle, 0).catch((reason) => reason);
    expect(error).toMatchObject({
      code: 'not-permitted',
      message:
        'cannot add a version to projects/p/secrets/herd-cert-refused: permission denied; grant secretmanager.versions.add on project p',
    });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
  });

  test('a version that may not be destroyed is an error', async () => {
    await store.records.create('kept', record());
    await store.writer.add('kept', newBundle(), 0);
    store.script(refusing(/:destroy/, ['FAILED_PRECONDITION', 'some other reason']));
    await expect(store.reader.destroy('kept', 1)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('some other reason'),
    });
  });
});
