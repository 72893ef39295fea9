import { expect, test } from 'vitest';
import { LOCAL_PERSON } from '../../../local/accounts.ts';
import { served } from './hands.ts';
import { ingress, type Running, running } from './running.ts';

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
