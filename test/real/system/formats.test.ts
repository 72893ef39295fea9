import { expect, test } from 'vitest';
import { main } from '../../../cli/program.ts';
import { LOCAL_PERSON } from '../../../local/accounts.ts';
import {
  add,
  delivered,
  elsewhere,
  planned,
  secretManager,
  served,
} from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

const DAY_MS = 86_400_000;
const NEWER =
  'has record format 2, which a newer program wrote, so it is left alone; deploy that program again, for this one knows 1';

type Annotations = Readonly<Record<string, string>>;

const annotationsOf = async (one: Running, id: string) =>
  (await secretManager(one, 'GET', `/certherd-cert-${id}`)).annotations as Annotations;

const annotate = (one: Running, id: string, annotations: Annotations) =>
  secretManager(one, 'PATCH', `/certherd-cert-${id}?updateMask=annotations`, { annotations });

async function ask({ system }: Running, line: string, body?: unknown) {
  const [method = '', path = ''] = line.split(' ');
  const token = await system.services.metadata.identityToken(LOCAL_PERSON, 'certherd-api');
  const response = await fetch(`${system.door.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('the record of a newer program is neither written to, re-issued nor taken for absent, by any function', async () => {
  const one = await delivered();
  const { id } = one;
  const newer = { ...(await annotationsOf(one, id)), format: '2', future: '{"a":1}' };
  await annotate(one, id, newer);
  const before = await served(one, 'one', 'shop-tls');
  const versions = await one.versions(id);
  const record = 'the secret of certificate';

  // Due, and nearly expired: whatever could be done would be done now.
  one.clock.advance(80 * DAY_MS);
  await one.tick();
  expect(await planned(one)).toEqual(['shop.a.test refuse record-invalid']);

  // A task of the newer program, and the event of a version that somebody added.
  const task = { certificate: id, reason: 'due', replaces: 1, failures: 0 };
  const identity = { names: ['shop.a.test'], issuer: 'test', keyType: 'ec-p256' };
  await enqueue(one, { ...task, identity });
  await add(one, id, (await elsewhere(['shop.a.test'], one.clock.now())).pem);
  const given = one.log.filter(({ message }) => message === 'given up');
  expect(given.map(({ reason }) => reason)).toEqual([
    `${record} ${id} ${NEWER}`,
    `${record} ${id} ${NEWER}`,
  ]);

  for (const [line, body] of [
    [`GET /v1/certificates/${id}`],
    [`POST /v1/certificates/${id}:renew`, {}],
    [`POST /v1/certificates/${id}:deliver`, {}],
    ['POST /v1/certificates', { names: ['shop.a.test'], targets: ['one/web/more-tls'] }],
  ] as const)
    expect([line, await ask(one, line, body)]).toMatchObject([
      line,
      { status: 409, body: { detail: `${record} ${id} ${NEWER}` } },
    ]);

  expect((await ask(one, 'GET /v1/status')).body.certificates).toMatchObject({
    total: 0,
    invalid: [{ id, problem: NEWER }],
  });
  expect(await annotationsOf(one, id)).toEqual(newer);
  expect(await served(one, 'one', 'shop-tls')).toEqual(before);
  expect((await one.versions(id)).length).toBe(versions.length + 1);
  expect(one.system.ca?.counts().orders).toBe(1);
});

const enqueue = async (one: Running, task: Readonly<{ identity: object }>) => {
  const { queue } = await one.system.functions.reconcile.ports();
  await queue.enqueue('from-a-newer-program', task as never, undefined);
  await one.settle();
};

test('a record as the first program wrote it is renewed', async () => {
  const one = await delivered();
  const { lease: _, ...first } = await annotationsOf(one, one.id);
  // An order without its moment and its directory, which came later.
  await annotate(one, one.id, { ...first, order: '{"url":"https://ca.test/order/1","after":1}' });
  one.clock.advance(63 * DAY_MS);
  await one.tick();
  expect(await served(one, 'one', 'shop-tls')).toMatchObject({ version: '2' });
});

test('a backup has every record and the configuration, and no key; what it has restores a record', async () => {
  const one = await delivered();
  const out: string[] = [];
  const screen = { out: (text: string) => void out.push(text), err: () => {}, colors: false };
  expect(await main(['--url', one.system.door.url, 'backup'], screen)).toBe(0);
  const text = out.join('\n');
  const annotations = await annotationsOf(one, one.id);
  const document = JSON.parse(text) as { configuration: object; records: { secret: string }[] };
  expect(document).toMatchObject({ format: 1, invalid: [], configuration: { project: 'p' } });
  expect(document.records).toEqual([{ secret: `certherd-cert-${one.id}`, annotations }]);
  expect(text).not.toMatch(/PRIVATE KEY|"token"|apiVersion/);

  await annotate(one, one.id, { format: '1' });
  await one.tick();
  expect(await planned(one)).toEqual(['shop.a.test refuse record-invalid']);
  await annotate(one, one.id, annotations);
  expect(await planned(one)).toEqual(['shop.a.test keep fresh']);
});

test('a backup that lacks a record says which, and ends with 1', async () => {
  const one = await delivered();
  await annotate(one, one.id, { ...(await annotationsOf(one, one.id)), format: '2' });
  const err: string[] = [];
  const screen = { out: () => {}, err: (text: string) => void err.push(text), colors: false };
  expect(await main(['--url', one.system.door.url, 'backup'], screen)).toBe(1);
  expect(err.join()).toBe(`the record of ${one.id} ${NEWER}, so it is not in the backup`);
});

test('a certificate that is copied into another project is delivered from there, without an order', async () => {
  const one = await delivered(2);
  const { id } = one;
  const { identity = '', askers = '' } = await annotationsOf(one, id);
  const current = await secretManager(one, 'GET', `/certherd-cert-${id}/versions/current:access`);
  const other = await running({
    manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
  });
  other.clock.advance(63 * DAY_MS);
  await secretManager(other, 'POST', `?secretId=certherd-cert-${id}`, {
    replication: { automatic: {} },
    labels: { 'certherd-certificate': 'certherd' },
    topics: [{ name: 'projects/p/topics/certherd-versions' }],
    annotations: { format: '1', identity, askers },
  });
  const { payload } = current as { payload: { data: string } };
  const data = { payload: { data: payload.data } };
  await secretManager(other, 'POST', `/certherd-cert-${id}:addVersion`, data);
  await other.settle();
  await other.tick();
  const { chain } = await served(one, 'one', 'shop-tls');
  expect(await served(other, 'one', 'shop-tls')).toMatchObject({ version: '1', chain });
  expect(await planned(other)).toEqual(['shop.a.test keep fresh']);
  expect(other.system.ca?.counts().orders).toBe(0);
});
