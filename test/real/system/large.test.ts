import { expect, test } from 'vitest';
import { LOCAL_PERSON } from '../../../local/accounts.ts';
import { planned, served } from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;

/** A hundred names: no record has room for them and for their TXT values. */
const names = (last: string): readonly string[] =>
  [
    ...Array.from({ length: 99 }, (_, n) => `h${n}.${'x'.repeat(45)}.a.test`),
    `${last}.a.test`,
  ].sort();

const many = (last: string) => ingress('many', names(last), 'many-tls');

test('a large certificate that is served is renewed for as long as its successor cannot be had', async () => {
  const one = await running({ manifests: { one: [many('old')] } });
  await one.tick();
  const [stored] = await one.records();
  expect(stored?.record).toMatchObject({ challenges: [], identity: { names: names('old') } });

  one.system.services.dns.addRecords([
    { name: '_acme-challenge.new.a.test', type: 'CNAME', rrdatas: ['lost.elsewhere.test.'] },
  ]);
  await one.apply('one', many('new'));
  await one.tick();
  await renewed(one);
  expect(await served(one, 'one', 'many-tls')).toMatchObject({ version: '2' });
  expect(await planned(one)).toContainEqual(expect.stringMatching(/old\.a\.test keep fresh$/));
});

test('a large certificate that a person asks for is delivered, and renewed', async () => {
  const one = await running({
    document: {
      clusters: [{ name: 'one', allow: [{ namespaces: ['web'], names: ['a.test'] }] }],
    },
    manifests: { one: [ingress('any', ['any.a.test'], 'any-tls')] },
  });
  expect(await byHand(one, { names: names('asked'), targets: ['one/web/many-tls'] })).toBe(200);
  expect(await served(one, 'one', 'many-tls')).toMatchObject({ version: '1' });
  await renewed(one);
  expect(await served(one, 'one', 'many-tls')).toMatchObject({ version: '2' });
});

/** Two months on, and an hour: what came while the names were away comes again, and what only serves it is seen to by the next tick. */
async function renewed(one: Running): Promise<void> {
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  one.clock.advance(60 * MINUTE_MS);
  await one.tick();
}

async function byHand({ system }: Running, body: unknown): Promise<number> {
  const token = await system.services.metadata.identityToken(LOCAL_PERSON, 'certherd-api');
  const { status } = await fetch(`${system.door.url}/v1/certificates?wait=30`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return status;
}
