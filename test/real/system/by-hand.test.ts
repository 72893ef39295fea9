import { expect, test } from 'vitest';
import { LOCAL_PERSON } from '../../../local/accounts.ts';
import { served } from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

/** A person asks the api. */
async function ask({ system }: Running, path: string, body: unknown) {
  const token = await system.services.metadata.identityToken(LOCAL_PERSON, 'certherd-api');
  const response = await fetch(`${system.door.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const DAY_MS = 86_400_000;

async function makeNamespace(one: Running, name: string) {
  const { status } = await one.request('one', 'POST', '/api/v1/namespaces', {
    ...{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
  });
  expect(status).toBe(201);
}

test('a word for a Secret that an Ingress has costs no order, and says whose it is', async () => {
  const manifests = { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] };
  const one = await running({ manifests });
  await one.tick();
  const before = await served(one, 'one', 'shop-tls');
  const taken = await ask(one, '/v1/certificates?wait=5', {
    names: ['other.a.test'],
    targets: ['one/web/shop-tls'],
  });
  expect(taken).toMatchObject({
    status: 409,
    body: {
      type: 'urn:certherd:problem:target-taken',
      detail:
        'Secret shop-tls gets the certificate that Ingress web/shop asks for; name another Secret',
    },
  });
  await one.settle();
  expect(one.system.ca?.counts().orders).toBe(1);
  expect(await one.records()).toHaveLength(1);
  expect(await served(one, 'one', 'shop-tls')).toEqual(before);

  const free = await ask(one, '/v1/certificates', {
    names: ['other.a.test'],
    targets: ['one/web/free-tls'],
  });
  await one.settle();
  expect(await served(one, 'one', 'free-tls')).toMatchObject({ certificate: free.body.id });
});

test('a word for a namespace that does not exist costs no order, and is taken once it does', async () => {
  const one = await running();
  const word = { names: ['shop.a.test'], targets: ['one/nowhere/shop-tls'] };
  const refused = await ask(one, '/v1/certificates', word);
  expect(refused).toMatchObject({
    status: 409,
    body: {
      detail:
        'Secret one/nowhere/shop-tls cannot be made: namespace nowhere does not exist in cluster one; create it',
    },
  });
  await one.settle();
  expect(one.system.ca?.counts().orders).toBe(0);
  expect(await one.records()).toEqual([]);

  await makeNamespace(one, 'nowhere');
  expect((await ask(one, '/v1/certificates', word)).status).toBe(202);
  await one.settle();
  expect(await served(one, 'one', 'shop-tls', 'nowhere')).toMatchObject({ version: '1' });
});

test('a namespace that is deleted costs no renewal of what a person asked for in it', async () => {
  const one = await running();
  await makeNamespace(one, 'gone');
  await ask(one, '/v1/certificates', { names: ['shop.a.test'], targets: ['one/gone/shop-tls'] });
  await one.settle();
  await one.request('one', 'DELETE', '/api/v1/namespaces/gone/secrets/shop-tls');
  await one.request('one', 'DELETE', '/api/v1/namespaces/gone');
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  expect(await one.plan()).toMatchObject([
    {
      reason: 'targets-refused',
      message:
        'Secret one/gone/shop-tls cannot be made: namespace gone of cluster one is being deleted; create it again when it is gone',
    },
  ]);
  expect(one.system.ca?.counts().orders).toBe(1);
});

test('a configured certificate for a namespace that does not exist costs no order until the tick after it does', async () => {
  const places = ['nowhere/one', 'nowhere/two', 'web/default'] as const;
  const certificates = places.map((place, index) => {
    const [namespace, secret] = place.split('/');
    return { cluster: 'one', namespace, secret, names: [`c${index}.a.test`] };
  });
  const one = await running({ document: { certificates } });
  await makeNamespace(one, 'web');
  await one.tick();
  expect(one.system.ca?.counts().orders).toBe(1);
  expect(await served(one, 'one', 'default')).toMatchObject({ version: '1' });
  const said = one.log.filter(({ message }) => message === 'certificate refused');
  expect(said).toMatchObject(
    ['one', 'two'].map((secret) => ({
      ...{ severity: 'WARNING', reason: 'targets-refused' },
      explanation: `Secret one/nowhere/${secret} cannot be made: namespace nowhere does not exist in cluster one; create it`,
    })),
  );

  await makeNamespace(one, 'nowhere');
  await one.tick();
  expect(one.system.ca?.counts().orders).toBe(3);
  expect(await served(one, 'one', 'two', 'nowhere')).toMatchObject({ version: '1' });
});

test('one more Secret for a certificate that is there is waited for until it has it', async () => {
  const manifests = { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] };
  const one = await running({ manifests });
  await one.tick();
  const { status } = await ask(one, '/v1/certificates?wait=3', {
    names: ['shop.a.test'],
    targets: ['one/web/more-tls'],
  });
  expect(status).toBe(200);
  expect(await served(one, 'one', 'more-tls')).toMatchObject({ version: '1' });
  expect(one.system.ca?.counts().orders).toBe(1);
});
