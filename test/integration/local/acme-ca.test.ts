import { generateKeyPairSync, hash, randomBytes, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import * as acme from 'acme-client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type AcmeCa, type AcmeCaOptions, startAcmeCa } from '../../../local/acme-ca/acme-ca.ts';
import { thumbprint } from '../../../local/acme-ca/jws.ts';
import { AcmeProblem } from '../../../local/acme-ca/problem.ts';
import type { AcmeCaState, PublicJwk } from '../../../local/acme-ca/state.ts';
import { manualClock } from '../../../local/clock.ts';
import type { Store } from '../../../local/state.ts';
import {
  type AcmeDocument,
  type AcmeReply,
  type AcmeSigner,
  createSigner,
} from '../../contract/acme-signer.ts';
import { startTxtServer, type TxtServer } from '../../contract/txt-server.ts';

const START = new Date('2026-11-21T08:00:00.250Z');
const DAY_MS = 86_400_000;
const POLL_MS = 5;
const URN = 'urn:ietf:params:acme:error:';

let dns: TxtServer;
const opened: { close(): unknown }[] = [];

beforeAll(async () => {
  dns = await startTxtServer();
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

afterAll(() => dns.close());

/** A store that keeps a copy of every state that was saved, as files would. */
function recordingStore(first?: string): Store<AcmeCaState> & { saved: string[] } {
  const saved = first === undefined ? [] : [first];
  return {
    saved,
    load: () => {
      const last = saved.at(-1);
      return last === undefined ? undefined : (JSON.parse(last) as AcmeCaState);
    },
    save: (state) => {
      saved.push(JSON.stringify(state));
    },
  };
}

async function started(differs: Partial<AcmeCaOptions> = {}) {
  const clock = manualClock(START);
  const store = recordingStore();
  const ca = await startAcmeCa({ store, clock, dnsServer: dns, ...differs });
  opened.push(ca);
  return { ca, clock, store };
}

async function registered(ca: AcmeCa): Promise<AcmeSigner> {
  const signer = await createSigner(ca);
  opened.push(signer);
  await signer.register();
  return signer;
}

const orderFor = (signer: AcmeSigner, names: readonly string[], more: object = {}) =>
  signer.post(signer.urlOf('newOrder'), {
    identifiers: names.map((value) => ({ type: 'dns', value })),
    ...more,
  });

const locationOf = (reply: AcmeReply) => `${reply.headers.location}`;

async function authorizationsOf(signer: AcmeSigner, order: AcmeReply): Promise<AcmeDocument[]> {
  const replies = [];
  for (const url of order.body.authorizations ?? []) replies.push((await signer.post(url)).body);
  return replies;
}

const txtValue = (signer: AcmeSigner, token: string | undefined) =>
  hash('sha256', `${token}.${thumbprint(signer.jwk as PublicJwk)}`, 'base64url');

/** Publishes what proves the order's names, leaving out those that `dns` has an entry for, and answers all challenges. */
async function answered(signer: AcmeSigner, order: AcmeReply): Promise<void> {
  const authorizations = await authorizationsOf(signer, order);
  const entries = new Map<string, string[]>();
  for (const { identifier, challenges } of authorizations) {
    const owner = `_acme-challenge.${identifier?.value}`;
    const value = txtValue(signer, challenges?.[0]?.token);
    entries.set(owner, [...(entries.get(owner) ?? []), value]);
  }
  for (const [owner, values] of entries)
    if (!dns.entries.has(owner)) dns.entries.set(owner, values);
  for (const { challenges } of authorizations) await signer.post(`${challenges?.[0]?.url}`, {});
}

async function settled(signer: AcmeSigner, order: AcmeReply): Promise<AcmeReply> {
  for (;;) {
    const reply = await signer.post(locationOf(order));
    if (reply.body.status !== 'pending' && reply.body.status !== 'processing') return reply;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function readyOrder(signer: AcmeSigner, names: readonly string[]): Promise<AcmeReply> {
  const order = await orderFor(signer, names);
  await answered(signer, order);
  return settled(signer, order);
}

async function csrFor(altNames: string[], key?: Buffer): Promise<string> {
  const [, csr] = await acme.crypto.createCsr({ altNames }, key ?? (await newKey()));
  return der(csr);
}

const newKey = () => acme.crypto.createPrivateEcdsaKey();

const der = (pem: Buffer) =>
  Buffer.from(pem.toString().replace(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64url');

const verdict = ({ status, body }: AcmeReply) => [status, `${body.type}`.replace(URN, '')];

const uniqueName = () => `${randomBytes(4).toString('hex')}.test`;

describe('the certificate', () => {
  async function issued(names: string[], options: Partial<AcmeCaOptions> = {}, key?: Buffer) {
    const { ca } = await started(options);
    const signer = await registered(ca);
    const ready = await readyOrder(signer, names);
    await signer.post(`${ready.body.finalize}`, { csr: await csrFor(names, key) });
    const valid = await settled(signer, ready);
    const reply = await signer.post(`${valid.body.certificate}`);
    return { ca, reply, leaf: new X509Certificate(reply.text), parsed: parsedLeaf(reply.text) };
  }

  const parsedLeaf = (chain: string) =>
    new x509.X509Certificate(chain.slice(0, chain.indexOf('-----END') + 25));

  test('starts an hour before its order and lives 90 days, both ends counted', async () => {
    const { leaf } = await issued([uniqueName()]);
    expect(leaf.validFromDate).toEqual(new Date('2026-11-21T07:00:00Z'));
    expect(leaf.validToDate).toEqual(new Date('2027-02-19T06:59:59Z'));
  });

  test('lives as long as the CA was told', async () => {
    const { leaf } = await issued([uniqueName()], { lifetimeDays: 6 });
    expect(leaf.validToDate).toEqual(new Date('2026-11-27T06:59:59Z'));
  });

  test('carries key identifiers that match its issuer, and a long positive serial', async () => {
    const { reply, parsed, leaf } = await issued([uniqueName()]);
    const issuer = new x509.X509Certificate(reply.text.slice(reply.text.indexOf('-----END') + 25));
    const authority = parsed.getExtension(x509.AuthorityKeyIdentifierExtension);
    const subject = issuer.getExtension(x509.SubjectKeyIdentifierExtension);
    expect(authority?.keyId).toBe(subject?.keyId);
    expect(leaf.serialNumber).toMatch(/^[0-7][0-9A-F]{33}$/);
    expect(reply.headers['content-type']).toBe('application/pem-certificate-chain');
    expect(reply.headers.link).not.toContain('alternate');
  });

  test('has the first name of at most 64 characters as common name', async () => {
    const long = `${'a'.repeat(60)}.a.test`;
    const { leaf } = await issued([long, 'b.test']);
    expect(leaf.subject).toBe('CN=b.test');
  });

  test('has no common name, and critical alternative names, when all are too long', async () => {
    const long = `${'b'.repeat(60)}.a.test`;
    const { leaf, parsed } = await issued([long]);
    expect(leaf.subject).toBeUndefined();
    expect(parsed.getExtension(x509.SubjectAlternativeNameExtension)?.critical).toBe(true);
  });

  test('may hold an RSA key', async () => {
    const { leaf } = await issued([uniqueName()], {}, await acme.crypto.createPrivateRsaKey(2048));
    expect(leaf.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
  });
});

describe('newOrder', () => {
  let table: AcmeCa;
  let asker: AcmeSigner;

  beforeAll(async () => {
    table = await startAcmeCa({
      store: recordingStore(),
      clock: manualClock(START),
      dnsServer: dns,
    });
    asker = await createSigner(table);
    await asker.register();
  });

  afterAll(async () => {
    asker.close();
    await table.close();
  });

  test.for<[string, string[], string]>([
    ['an IPv4 address', ['192.0.2.1'], 'rejectedIdentifier'],
    ['an IPv6 address', ['2001:db8::1'], 'rejectedIdentifier'],
    ['a single label', ['localhost'], 'rejectedIdentifier'],
    ['an empty label', ['a..test'], 'rejectedIdentifier'],
    ['a trailing dot', ['a.test.'], 'rejectedIdentifier'],
    ['an underscore', ['a_b.test'], 'rejectedIdentifier'],
    ['upper case', ['A.test'], 'rejectedIdentifier'],
    ['a U-label', ['bücher.test'], 'rejectedIdentifier'],
    ['a reserved label that is no A-label', ['ab--c.test'], 'rejectedIdentifier'],
    ['a label of 64 characters', [`${'a'.repeat(64)}.test`], 'rejectedIdentifier'],
    ['a wildcard that is not the left-most label', ['a.*.test'], 'rejectedIdentifier'],
    ['a wildcard inside a label', ['a*.b.test'], 'rejectedIdentifier'],
    ['two wildcards', ['*.*.a.test'], 'rejectedIdentifier'],
    ['a wildcard of a single label', ['*.test'], 'rejectedIdentifier'],
    ['a number as last label', ['a.1'], 'rejectedIdentifier'],
    ['no name at all', [], 'malformed'],
    ['a name that its wildcard covers', ['*.a.test', 'b.a.test'], 'malformed'],
    ['101 names', Array.from({ length: 101 }, (_, n) => `n${n}.test`), 'malformed'],
  ])('refuses %s', async ([, names, type]) => {
    const { orders } = table.counts();
    expect(verdict(await orderFor(asker, names))).toEqual([400, type]);
    expect(table.counts().orders).toBe(orders);
  });

  test.for<[string, string[], string[]]>([
    ['100 names', Array.from({ length: 100 }, (_, n) => `n${n + 100}.test`), []],
    ['a label of 63 characters', [`${'a'.repeat(63)}.test`], []],
    ['an A-label', ['xn--bcher-kva.test'], []],
    ['a wildcard and what it does not cover', ['*.a.test', 'a.test', 'b.c.a.test'], []],
    ['a name said twice, once', ['b.test', 'a.test', 'b.test'], ['a.test', 'b.test']],
  ])('takes %s', async ([, names, kept]) => {
    const order = await orderFor(asker, names);
    expect(order.status).toBe(201);
    const values = order.body.identifiers?.map(({ value }) => value);
    expect(values).toEqual(kept.length > 0 ? kept : names);
  });

  test.for<[string, object, string]>([
    ['a profile', { profile: 'classic' }, 'invalidProfile'],
    ['the replacement of a certificate', { replaces: 'a.b' }, 'malformed'],
    ['a wished start', { notBefore: '2026-11-21T08:00:00Z' }, 'malformed'],
    ['a wished end', { notAfter: '2026-11-22T08:00:00Z' }, 'malformed'],
    [
      'an IP identifier',
      { identifiers: [{ type: 'ip', value: '192.0.2.1' }] },
      'unsupportedIdentifier',
    ],
  ])('refuses %s, which it does not implement', async ([, more, type]) => {
    expect(verdict(await orderFor(asker, ['a.test'], more))).toEqual([400, type]);
  });

  test('names each bad name in a subproblem', async () => {
    const reply = await orderFor(asker, ['good.test', 'a_b.test', '192.0.2.1']);
    expect(reply.body.subproblems?.map(({ identifier }) => identifier?.value)).toEqual([
      '192.0.2.1',
      'a_b.test',
    ]);
  });

  test('answers with the order that already waits for the same names', async () => {
    const { ca } = await started();
    const signer = await registered(ca);
    const first = await orderFor(signer, ['a.test', 'same.test']);
    const again = await orderFor(signer, ['same.test', 'a.test']);
    expect([again.status, locationOf(again)]).toEqual([201, locationOf(first)]);
    expect(ca.counts().orders).toBe(1);
  });

  test('makes a new order when another account asks, or the earlier one is finalized', async () => {
    const { ca } = await started();
    const signer = await registered(ca);
    const name = uniqueName();
    const first = await readyOrder(signer, [name]);
    await signer.post(`${first.body.finalize}`, { csr: await csrFor([name]) });
    const urls = [
      locationOf(first),
      locationOf(await orderFor(signer, [name])),
      locationOf(await orderFor(await registered(ca), [name])),
    ];
    expect(new Set(urls).size).toBe(3);
  });
});

describe('accounts', () => {
  test.for<[string, object, string]>([
    ['does not agree to the terms', {}, 'malformed'],
    [
      'brings an external account',
      { termsOfServiceAgreed: true, externalAccountBinding: {} },
      'malformed',
    ],
  ])('are refused to who %s', async ([, payload, type]) => {
    const { ca } = await started();
    const signer = await createSigner(ca);
    opened.push(signer);
    expect(verdict(await signer.post(signer.urlOf('newAccount'), payload))).toEqual([400, type]);
  });

  test.for<[string, () => ReturnType<typeof generateKeyPairSync>, string, number, string]>([
    [
      'RSA of 2048 bits',
      () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
      'RS256',
      201,
      'undefined',
    ],
    [
      'RSA of 1024 bits',
      () => generateKeyPairSync('rsa', { modulusLength: 1024 }),
      'RS256',
      400,
      'badPublicKey',
    ],
    [
      'P-384',
      () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      'ES256',
      400,
      'badPublicKey',
    ],
    [
      'P-256 that says RS256',
      () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      'RS256',
      400,
      'badSignatureAlgorithm',
    ],
  ])('with a key of %s get what they deserve', async ([, generate, alg, status, type]) => {
    const { ca } = await started();
    const signer = await createSigner(ca);
    opened.push(signer);
    const { publicKey, privateKey } = generate();
    if (typeof publicKey === 'string' || typeof privateKey === 'string') throw new Error('no key');
    const header = { alg, jwk: publicKey.export({ format: 'jwk' }) };
    const payload = { termsOfServiceAgreed: true };
    const reply = await signer.post(signer.urlOf('newAccount'), payload, {
      header,
      key: privateKey,
    });
    expect(verdict(reply)).toEqual([status, type]);
    if (type === 'badSignatureAlgorithm') expect(reply.body.algorithms).toEqual(['ES256', 'RS256']);
  });

  test('see nothing of one another', async () => {
    const { ca } = await started();
    const [owner, other] = [await registered(ca), await registered(ca)];
    const name = uniqueName();
    const ready = await readyOrder(owner, [name]);
    await owner.post(`${ready.body.finalize}`, { csr: await csrFor([name]) });
    const valid = await settled(owner, ready);
    const authorization = `${ready.body.authorizations?.[0]}`;
    expect([
      verdict(await other.post(locationOf(ready))),
      verdict(await other.post(`${ready.body.finalize}`, { csr: 'AA' })),
      verdict(await other.post(authorization)),
      verdict(await other.post(authorization.replace('/authorization/', '/challenge/'), {})),
      verdict(await other.post(`${valid.body.certificate}`)),
    ]).toEqual([
      [404, 'malformed'],
      [404, 'malformed'],
      [403, 'unauthorized'],
      [403, 'unauthorized'],
      [403, 'unauthorized'],
    ]);
  });

  test('may not be changed by another key', async () => {
    const { ca } = await started();
    const owner = await createSigner(ca);
    opened.push(owner);
    const url = await owner.register();
    const reply = await (await registered(ca)).post(url, { contact: [] });
    expect(verdict(reply)).toEqual([403, 'unauthorized']);
  });
});

describe('a request', () => {
  test.for<[string, Readonly<Record<string, unknown>>, string, number]>([
    [
      'for another URL than it was sent to',
      { url: 'https://127.0.0.1/other' },
      'unauthorized',
      403,
    ],
    ['with a header that ACME does not know', { typ: 'JWT' }, 'malformed', 400],
    ['with both an account and a key', { jwk: {} }, 'malformed', 400],
  ])('%s is refused', async ([, header, type, status]) => {
    const { ca } = await started();
    const signer = await registered(ca);
    const order = await orderFor(signer, ['a.test']);
    const reply = await signer.post(locationOf(order), undefined, { header });
    expect(verdict(reply)).toEqual([status, type]);
  });

  test('to what is not implemented is refused as absent', async () => {
    const { ca } = await started();
    const signer = await registered(ca);
    const url = ca.directoryUrl.replace('/directory', '/revoke-cert');
    expect(verdict(await signer.post(url, {}))).toEqual([404, 'malformed']);
  });

  test('is refused for its nonce as often as asked for, evenly', async () => {
    const { ca } = await started({ nonceReject: 0.25 });
    const signer = await createSigner(ca);
    opened.push(signer);
    const statuses = [];
    for (let n = 0; n < 8; n += 1)
      statuses.push(
        (
          await signer.post(
            signer.urlOf('newAccount'),
            { termsOfServiceAgreed: true },
            { retryBadNonce: false },
          )
        ).status,
      );
    expect(statuses).toEqual([201, 200, 200, 400, 200, 200, 200, 400]);
  });

  test('meets a scripted fault before anything else, and is counted', async () => {
    const { ca } = await started({
      before: ({ url }) => {
        if (url === '/new-order')
          throw new AcmeProblem('rateLimited', 'too many', { headers: { 'retry-after': '60' } });
      },
    });
    const signer = await registered(ca);
    const before = ca.counts();
    const reply = await orderFor(signer, ['a.test']);
    expect([reply.status, reply.headers['retry-after']]).toEqual([429, '60']);
    expect(ca.counts().requests - before.requests).toBe(2);
  });

  test('is answered 500 when the change could not be saved', async () => {
    const disk = recordingStore();
    let isFull = false;
    const save = (state: AcmeCaState) => {
      if (isFull) throw new Error('disk full');
      disk.save(state);
    };
    const { ca } = await started({ store: { ...disk, save } });
    const signer = await registered(ca);
    isFull = true;
    expect(verdict(await orderFor(signer, ['a.test']))).toEqual([500, 'serverInternal']);
  });
});

test('counts new orders, signed requests and all requests', async () => {
  const { ca } = await started();
  const signer = await registered(ca);
  await orderFor(signer, ['a.test']);
  await orderFor(signer, ['a.test']);
  expect(ca.counts()).toEqual({ orders: 1, signedRequests: 3, requests: 7 });
});

describe('validation', () => {
  test.for<[string, Parameters<TxtServer['entries']['set']>[1] | undefined, string]>([
    ['no such name', { rcode: 3 }, 'dns'],
    ['no TXT record at the name', [], 'unauthorized'],
    ['a server that fails', { rcode: 2 }, 'dns'],
    ['a server that refuses', { rcode: 5 }, 'dns'],
    ['an alias that leads nowhere', { cname: 'nowhere.test' }, 'dns'],
    ['other values only', ['one', 'two'], 'unauthorized'],
  ])('fails for %s', async ([, entry, type]) => {
    const { ca } = await started();
    const signer = await registered(ca);
    const name = uniqueName();
    if (entry) dns.entries.set(`_acme-challenge.${name}`, entry);
    const order = await orderFor(signer, [name]);
    await answered(signer, order);
    const end = await settled(signer, order);
    expect([end.body.status, end.body.error?.type]).toEqual(['invalid', `${URN}${type}`]);
    expect(end.body.error?.subproblems?.[0]?.identifier?.value).toBe(name);
    const [authorization] = await authorizationsOf(signer, order);
    expect([authorization?.status, authorization?.challenges?.[0]?.status]).toEqual([
      'invalid',
      'invalid',
    ]);
  });

  test('names all that failed, whatever the reasons', async () => {
    const { ca } = await started();
    const signer = await registered(ca);
    const names = [`a.${uniqueName()}`, `b.${uniqueName()}`, `c.${uniqueName()}`];
    dns.entries.set(`_acme-challenge.${names[0]}`, { rcode: 3 });
    dns.entries.set(`_acme-challenge.${names[1]}`, []);
    const order = await orderFor(signer, names);
    await answered(signer, order);
    await Promise.all(
      (order.body.authorizations ?? []).map((url) => authorizationSettled(signer, url)),
    );
    const { error } = (await settled(signer, order)).body;
    expect(error?.type).toBe(`${URN}compound`);
    expect(error?.subproblems?.map(({ identifier }) => identifier?.value)).toEqual(
      names.slice(0, 2),
    );
  });

  test('asks over TCP what does not fit into UDP, with recursion desired', async () => {
    const { ca } = await started();
    const signer = await registered(ca);
    const name = uniqueName();
    const owner = `_acme-challenge.${name}`;
    const order = await orderFor(signer, [name]);
    const [authorization] = await authorizationsOf(signer, order);
    const stale = Array.from({ length: 30 }, () => randomBytes(32).toString('base64url'));
    dns.entries.set(owner, [...stale, txtValue(signer, authorization?.challenges?.[0]?.token)]);
    await answered(signer, order);
    expect((await settled(signer, order)).body.status).toBe('ready');
    expect(dns.asked.filter((question) => question.name === owner)).toEqual([
      { name: owner, recursionDesired: true, over: 'udp' },
      { name: owner, recursionDesired: true, over: 'tcp' },
    ]);
  });

  test('tells to wait while it runs, in seconds and as a date in turn', async () => {
    const { ca } = await started({ retryAfterSeconds: { authorization: 2, order: 3 } });
    const signer = await registered(ca);
    const name = uniqueName();
    const order = await orderFor(signer, [name]);
    const url = `${order.body.authorizations?.[0]}`;
    const early = await signer.post(url);
    dns.entries.set(`_acme-challenge.${name}`, 'silent');
    await signer.post(`${early.body.challenges?.[0]?.url}`, {});
    const [first, second, pendingOrder] = [
      await signer.post(url),
      await signer.post(url),
      await signer.post(locationOf(order)),
    ];
    expect(early.headers['retry-after']).toBeUndefined();
    expect([first.body.status, first.body.challenges?.[0]?.status]).toEqual([
      'pending',
      'processing',
    ]);
    expect(first.headers['retry-after']).toBe('2');
    expect(second.headers['retry-after']).toBe('Sat, 21 Nov 2026 08:00:02 GMT');
    expect(pendingOrder.headers['retry-after']).toBeUndefined();
  });

  test('is undone by deactivating the authorization', async () => {
    const { ca } = await started();
    const signer = await registered(ca);
    const ready = await readyOrder(signer, [uniqueName()]);
    const gone = await signer.post(`${ready.body.authorizations?.[0]}`, { status: 'deactivated' });
    expect(gone.body.status).toBe('deactivated');
    expect((await signer.post(locationOf(ready))).body.status).toBe('invalid');
  });

  test.for<[string, number, string, string]>([
    ['waits for seven days', 7 * DAY_MS - 1000, 'pending', 'pending'],
    ['is over after seven days', 7 * DAY_MS, 'expired', 'invalid'],
  ])('%s', async ([, passed, ofAuthorization, ofOrder]) => {
    const { ca, clock } = await started();
    const signer = await registered(ca);
    const order = await orderFor(signer, [uniqueName()]);
    clock.advance(passed);
    const [authorization] = await authorizationsOf(signer, order);
    expect(authorization?.status).toBe(ofAuthorization);
    expect((await signer.post(locationOf(order))).body.status).toBe(ofOrder);
  });

  test.for<[string, boolean, number, string]>([
    ['counts for later orders when the CA reuses it', true, 0, 'ready'],
    ['no longer counts after thirty days', true, 30 * DAY_MS, 'pending'],
    ['counts once when the CA does not reuse it', false, 0, 'pending'],
  ])('%s', async ([, authorizationReuse, passed, status]) => {
    const { ca, clock } = await started({ authorizationReuse });
    const signer = await registered(ca);
    const name = uniqueName();
    const ready = await readyOrder(signer, [name]);
    await signer.post(`${ready.body.finalize}`, { csr: await csrFor([name]) });
    await settled(signer, ready);
    clock.advance(passed);
    expect((await orderFor(signer, [name])).body.status).toBe(status);
  });
});

async function authorizationSettled(signer: AcmeSigner, url: string): Promise<void> {
  while ((await signer.post(url)).body.status === 'pending')
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

describe('finalize', () => {
  const names = ['*.csr.test', 'csr.test'];
  let ca: AcmeCa;
  let signer: AcmeSigner;
  let ready: AcmeReply;
  let hold: (url: string | undefined) => Promise<void> | undefined = () => undefined;

  beforeAll(async () => {
    ca = await startAcmeCa({
      before: ({ url }) => hold(url),
      store: recordingStore(),
      clock: manualClock(START),
      dnsServer: dns,
      retryAfterSeconds: { authorization: 1, order: 3 },
    });
    signer = await createSigner(ca);
    await signer.register();
    ready = await readyOrder(signer, names);
  });

  afterAll(async () => {
    signer.close();
    await ca.close();
  });

  const spoiled = async () => {
    const bytes = Buffer.from(await csrFor(names), 'base64url');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    return bytes.toString('base64url');
  };
  const accountKey = () =>
    Buffer.from(signer.key.export({ type: 'pkcs8', format: 'pem' }).toString());

  test.for<[string, () => Promise<string>]>([
    ['a name too few', () => csrFor(['csr.test'])],
    ['a name too many', () => csrFor([...names, 'more.test'])],
    ['an IP address beside its names', () => csrFor([...names, '192.0.2.1'])],
    ['a broken signature', spoiled],
    ['what is no CSR', async () => 'AAAA'],
    ['a CSR in PEM', async () => '-----BEGIN CERTIFICATE REQUEST-----'],
    ['a P-521 key', async () => csrFor(names, await acme.crypto.createPrivateEcdsaKey('P-521'))],
    [
      'an RSA key of 1024 bits',
      async () => csrFor(names, await acme.crypto.createPrivateRsaKey(1024)),
    ],
    ['the key of the account', () => csrFor(names, accountKey())],
  ])('refuses a CSR with %s and leaves the order ready', async ([, csr]) => {
    const reply = await signer.post(`${ready.body.finalize}`, { csr: await csr() });
    expect(verdict(reply)).toEqual([400, 'badCSR']);
    expect((await signer.post(locationOf(ready))).body.status).toBe('ready');
  });

  test('issues once: it answers processing with the wait, and CSRs sent at the same time come too late', async () => {
    const url = `${ready.body.finalize}`;
    const csr = await csrFor(names);
    const together = Promise.withResolvers<void>();
    let waiting = 0;
    hold = (path) => {
      if (!path?.startsWith('/finalize/')) return undefined;
      waiting += 1;
      if (waiting === 5) together.resolve();
      return together.promise;
    };
    const replies = await Promise.all(Array.from({ length: 5 }, () => signer.post(url, { csr })));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403, 403]);
    const accepted = replies.find(({ status }) => status === 200);
    expect([accepted?.body.status, accepted?.headers['retry-after']]).toEqual(['processing', '3']);
    const valid = await settled(signer, ready);
    expect(valid.body.status).toBe('valid');
    expect(verdict(await signer.post(url, { csr }))).toEqual([403, 'orderNotReady']);
  });
});

describe('after a kill', () => {
  const portOf = (ca: AcmeCa) => Number(new URL(ca.directoryUrl).port);

  async function restarted(ca: AcmeCa, state: () => string | undefined): Promise<AcmeCa> {
    await ca.close();
    return (await started({ store: recordingStore(state()), port: portOf(ca) })).ca;
  }

  test('a new start has the same root and the same URLs', async () => {
    const { ca, store } = await started();
    const signer = await registered(ca);
    const ready = await readyOrder(signer, [uniqueName()]);
    const again = await restarted(ca, () => store.saved.at(-1));
    expect([again.rootPem, again.tlsCa]).toEqual([ca.rootPem, ca.tlsCa]);
    expect((await signer.post(locationOf(ready))).body.status).toBe('ready');
  });

  test('a validation that was under way is taken up again', async () => {
    const { ca, store } = await started();
    const signer = await registered(ca);
    const name = uniqueName();
    const owner = `_acme-challenge.${name}`;
    dns.entries.set(owner, 'silent');
    const order = await orderFor(signer, [name]);
    await answered(signer, order);
    const [authorization] = await authorizationsOf(signer, order);
    dns.entries.set(owner, [txtValue(signer, authorization?.challenges?.[0]?.token)]);
    await restarted(ca, () => store.saved.at(-1));
    expect((await settled(signer, order)).body.status).toBe('ready');
  });

  test('an order whose finalize was answered gets its certificate', async () => {
    const { ca, store } = await started();
    const signer = await registered(ca);
    const name = uniqueName();
    const ready = await readyOrder(signer, [name]);
    await signer.post(`${ready.body.finalize}`, { csr: await csrFor([name]) });
    const beforeIssue = store.saved.findLast((state) => state.includes('"certificates":{}'));
    expect(beforeIssue).toContain('"csr":');
    await restarted(ca, () => beforeIssue);
    expect((await settled(signer, ready)).body.status).toBe('valid');
  });
});
