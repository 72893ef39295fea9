import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import * as acme from 'acme-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AcmeReply, type AcmeSigner, createSigner, type Differs } from './acme-signer.ts';
import { startTxtServer, type TxtServer } from './txt-server.ts';

type CaUnderTest = Readonly<{
  directoryUrl: string;
  tlsCa: string;
  roots(): Promise<string>;
  close(): Promise<void>;
}>;

export type ContractOptions = Readonly<{
  start(dnsServer: { address: string; port: number }): Promise<CaUnderTest>;
  /** Whether a later order is born `ready` when its names were proven before. */
  reusesAuthorizations: boolean;
}>;

const POLL_MS = 20;
const URN = 'urn:ietf:params:acme:error:';

/** What every ACME CA owes its clients (RFC 8555), as far as Certherd leans on it. */
export function acmeCaContract(title: string, { start, reusesAuthorizations }: ContractOptions) {
  describe(title, () => {
    let dns: TxtServer;
    let ca: CaUnderTest;
    let client: acme.Client;

    beforeAll(async () => {
      dns = await startTxtServer();
      ca = await start(dns);
      // acme-client has one axios for the whole process.
      acme.axios.defaults.httpsAgent = new Agent({ ca: ca.tlsCa });
      client = await registeredClient(ca);
    });

    afterAll(async () => {
      await ca?.close();
      await dns?.close();
    });

    const proven = async (names: readonly string[]) => {
      const order = await client.createOrder({
        identifiers: names.map((value) => ({ type: 'dns', value })),
      });
      await answerChallenges({ client, dns, order });
      return settled(client, order);
    };

    test('issues one certificate for a name and its wildcard, both proven by TXT values of one name', async () => {
      const order = await proven(['both.test', '*.both.test']);
      expect(order.status).toBe('ready');
      const [key, csr] = await acme.crypto.createCsr(
        { altNames: ['both.test', '*.both.test'] },
        await acme.crypto.createPrivateEcdsaKey(),
      );
      await client.finalizeOrder(order, csr);
      const chain = pemBlocks(await client.getCertificate(await settled(client, order)));
      const [leaf, issuer] = chain.map((pem) => new X509Certificate(pem));
      const root = new X509Certificate(await ca.roots());
      expect(leaf?.checkPrivateKey(createPrivateKey(key))).toBe(true);
      expect(leaf?.subjectAltName?.split(', ').sort()).toEqual([
        'DNS:*.both.test',
        'DNS:both.test',
      ]);
      expect([
        leaf?.verify(issuer?.publicKey ?? root.publicKey),
        leaf?.checkIssued(issuer ?? root),
      ]).toEqual([true, true]);
      expect([issuer?.verify(root.publicKey), issuer?.checkIssued(root), issuer?.ca]).toEqual([
        true,
        true,
        true,
      ]);
      expect([leaf?.ca, leaf?.keyUsage]).toEqual([false, ['1.3.6.1.5.5.7.3.1']]);
      expect(chain).toHaveLength(2);
    });

    test('follows an alias of the challenge name', async () => {
      dns.entries.set('_acme-challenge.alias.test', { cname: 'elsewhere.proofs.test' });
      const order = await client.createOrder({
        identifiers: [{ type: 'dns', value: 'alias.test' }],
      });
      await answerChallenges({ client, dns, order, at: () => 'elsewhere.proofs.test' });
      expect((await settled(client, order)).status).toBe('ready');
    });

    test('treats names proven before as it says', async () => {
      await proven(['again.test', 'once.test']);
      const later = await client.createOrder({
        identifiers: [{ type: 'dns', value: 'again.test' }],
      });
      expect(later.status).toBe(reusesAuthorizations ? 'ready' : 'pending');
    });

    test('makes the order invalid when the TXT value is wrong, and names the reason', async () => {
      dns.entries.set('_acme-challenge.wrong.test', ['somebody-elses-value']);
      const order = await client.createOrder({
        identifiers: [{ type: 'dns', value: 'wrong.test' }],
      });
      await answerChallenges({ client, dns, order, at: () => 'nowhere.test' });
      const end = await settled(client, order);
      const [authorization] = await client.getAuthorizations(order);
      expect([end.status, authorization?.status]).toEqual(['invalid', 'invalid']);
      expect(authorization?.challenges.find(({ type }) => type === 'dns-01')).toMatchObject({
        status: 'invalid',
        error: { type: `${URN}unauthorized`, status: 403 },
      });
      expect(end).toMatchObject({ error: { type: `${URN}unauthorized` } });
    });

    describe('a client that breaks the rules', () => {
      let signer: AcmeSigner;
      let stranger: AcmeSigner;
      let order: AcmeReply;
      let orderUrl: string;
      let signerUrl: string;

      beforeAll(async () => {
        signer = await createSigner(ca);
        stranger = await createSigner(ca);
        signerUrl = await signer.register();
        order = await signer.post(signer.urlOf('newOrder'), {
          identifiers: [{ type: 'dns', value: `${randomBytes(4).toString('hex')}.rules.test` }],
        });
        orderUrl = String(order.headers.location);
      });

      afterAll(() => {
        signer?.close();
        stranger?.close();
      });

      test.for<[string, Differs, number, string]>([
        ['another content type', { contentType: 'application/json' }, 415, 'malformed'],
        ['no user agent', { userAgent: undefined }, 400, 'malformed'],
        ['an empty body', { rawBody: () => '' }, 400, 'malformed'],
        ['a body that is no JWS', { rawBody: () => '{}' }, 400, 'malformed'],
        [
          'an unprotected header',
          { rawBody: (jws) => JSON.stringify({ ...jws, header: { kid: 'x' } }) },
          400,
          'malformed',
        ],
        [
          'a broken signature',
          { spoil: (bytes) => Buffer.from(bytes.map((byte) => byte ^ 1)) },
          400,
          'malformed',
        ],
        [
          'an algorithm that is not offered',
          { header: { alg: 'HS256' } },
          400,
          'badSignatureAlgorithm',
        ],
        ['no nonce', { header: { nonce: undefined }, retryBadNonce: false }, 400, 'badNonce'],
        [
          'a made-up nonce',
          { header: { nonce: 'AAAAAAAAAAAAAAAAAAAAAA' }, retryBadNonce: false },
          400,
          'badNonce',
        ],
        ['no url', { header: { url: undefined } }, 400, 'malformed'],
        ['neither account nor key', { header: { kid: undefined } }, 400, 'malformed'],
      ])('is refused for %s', async ([, differs, status, type]) => {
        const reply = await signer.post(orderUrl, undefined, differs);
        expect([reply.status, reply.body.type]).toEqual([status, `${URN}${type}`]);
        expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
      });

      test('is unknown when it names an account that does not exist', async () => {
        const kid = signerUrl.replace(/[^/]+$/, 'nobody');
        const reply = await signer.post(orderUrl, undefined, { header: { kid } });
        expect([reply.status, reply.body.type]).toEqual([400, `${URN}accountDoesNotExist`]);
      });

      test('may use a nonce once', async () => {
        const header = { nonce: await signer.nonce() };
        await signer.post(orderUrl, undefined, { header, retryBadNonce: false });
        const again = await signer.post(orderUrl, undefined, { header, retryBadNonce: false });
        expect([again.status, again.body.type]).toEqual([400, `${URN}badNonce`]);
        expect(again.headers['replay-nonce']).toMatch(/^[A-Za-z0-9_-]{16,}$/);
      });

      test('cannot read what needs a signature by GET', async () => {
        const reply = await signer.plain('GET', orderUrl);
        expect([reply.status, reply.headers.allow]).toEqual([405, 'POST']);
      });

      test('cannot send a payload where POST-as-GET is asked for', async () => {
        const reply = await signer.post(orderUrl, {});
        expect([reply.status, reply.body.type]).toEqual([400, `${URN}malformed`]);
      });

      test('cannot finalize what is not proven', async () => {
        const [, csr] = await acme.crypto.createCsr({
          altNames: [`${order.body.identifiers?.[0]?.value}`],
        });
        const reply = await signer.post(`${order.body.finalize}`, { csr: der(csr) });
        expect([reply.status, reply.body.type]).toEqual([403, `${URN}orderNotReady`]);
      });

      test('cannot answer a challenge twice', async () => {
        const authorization = await signer.post(`${order.body.authorizations?.[0]}`);
        const challenge = authorization.body.challenges?.find(({ type }) => type === 'dns-01');
        const first = await signer.post(`${challenge?.url}`, {});
        const second = await signer.post(`${challenge?.url}`, {});
        expect(first.status).toBe(200);
        expect([second.status, second.body.type]).toEqual([400, `${URN}malformed`]);
      });

      test.for<[string, object, number, string]>([
        [
          'looks for an account that was never made',
          { onlyReturnExisting: true },
          400,
          'accountDoesNotExist',
        ],
        [
          'gives a telephone as contact',
          { termsOfServiceAgreed: true, contact: ['tel:+1'] },
          400,
          'unsupportedContact',
        ],
        [
          'gives two mail addresses in one',
          { termsOfServiceAgreed: true, contact: ['mailto:a@b.test,c@d.test'] },
          400,
          'invalidContact',
        ],
      ])('has no account when it %s', async ([, payload, status, type]) => {
        const reply = await stranger.post(stranger.urlOf('newAccount'), payload);
        expect([reply.status, reply.body.type]).toEqual([status, `${URN}${type}`]);
      });

      test('can do nothing with an account that it deactivated', async () => {
        const other = await createSigner(ca);
        const url = await other.register();
        expect((await other.post(url, { status: 'deactivated' })).body.status).toBe('deactivated');
        const reply = await other.post(other.urlOf('newOrder'), {
          identifiers: [{ type: 'dns', value: 'gone.test' }],
        });
        other.close();
        expect([reply.status, reply.body.type]).toEqual([403, `${URN}unauthorized`]);
      });
    });

    test('hands out nonces at newNonce and in answers to signed requests only', async () => {
      const signer = await createSigner(ca);
      const head = await signer.plain('HEAD', signer.urlOf('newNonce'));
      const get = await signer.plain('GET', signer.urlOf('newNonce'));
      const directory = await signer.plain('GET', ca.directoryUrl);
      signer.close();
      expect([head.status, get.status]).toEqual([200, 204]);
      expect(head.headers['replay-nonce']).not.toBe(get.headers['replay-nonce']);
      expect(head.headers.link).toContain(`<${ca.directoryUrl}>;rel="index"`);
      expect(directory.headers['replay-nonce']).toBeUndefined();
    });

    test('finds the account of a key again', async () => {
      const signer = await createSigner(ca);
      const url = await signer.register();
      const header = { kid: undefined, jwk: signer.jwk };
      const found = await signer.post(
        signer.urlOf('newAccount'),
        { onlyReturnExisting: true },
        { header },
      );
      signer.close();
      expect([found.status, found.headers.location]).toEqual([200, url]);
    });
  });
}

async function registeredClient({ directoryUrl }: CaUnderTest): Promise<acme.Client> {
  const accountKey = await acme.crypto.createPrivateEcdsaKey();
  const client = new acme.Client({ directoryUrl, accountKey });
  await client.createAccount({ termsOfServiceAgreed: true });
  return client;
}

type Proof = Readonly<{
  client: acme.Client;
  dns: TxtServer;
  order: acme.Order;
  /** Where the TXT value goes; by default where it belongs. */
  at?: (name: string) => string;
}>;

async function answerChallenges({ client, dns, order, at = challengeOwner }: Proof): Promise<void> {
  const values = new Map<string, string[]>();
  const challenges = [];
  for (const { identifier, status, challenges: offered } of await client.getAuthorizations(order)) {
    const challenge = offered.find(({ type }) => type === 'dns-01');
    if (!challenge || status === 'valid') continue;
    const owner = at(identifier.value);
    const value = await client.getChallengeKeyAuthorization(challenge);
    values.set(owner, [...(values.get(owner) ?? []), value]);
    challenges.push(challenge);
  }
  for (const [owner, texts] of values) dns.entries.set(owner, texts);
  for (const challenge of challenges) await client.completeChallenge(challenge);
}

const challengeOwner = (name: string) => `_acme-challenge.${name}`;

async function settled(client: acme.Client, order: acme.Order): Promise<acme.Order> {
  for (;;) {
    const current = await client.getOrder(order);
    if (current.status !== 'pending' && current.status !== 'processing') return current;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const pemBlocks = (chain: string) =>
  chain.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];

const der = (pem: Buffer) =>
  Buffer.from(pem.toString().replace(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64url');
