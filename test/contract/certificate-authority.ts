import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../shared/adapters/acme/certificate-authority.ts';
import { createPki } from '../../shared/adapters/x509.ts';
import { challengeName } from '../../shared/domain/challenge.ts';
import type { CertificateAuthority, Order } from '../../shared/ports.ts';
import { Sensitive } from '../../shared/sensitive.ts';
import { memoryVault } from './memory-vault.ts';
import { startTxtServer, type TxtServer } from './txt-server.ts';

type CaUnderTest = Readonly<{ directoryUrl: string; tlsCa: string; close(): Promise<void> }>;

export type ContractOptions = Readonly<{
  start(dnsServer: { address: string; port: number }): Promise<CaUnderTest>;
  /** Whether a later order is born `ready` when its names were proven before. */
  reusesAuthorizations: boolean;
  /** Whether good nonces are refused, so that requests cannot be counted. */
  refusesNonces: boolean;
}>;

const SECRET = 'acme-account';
const POLL_MS = 10;

/** What the port's adapter owes on any ACME CA. */
export function certificateAuthorityContract(
  title: string,
  { start, reusesAuthorizations, refusesNonces }: ContractOptions,
) {
  describe(title, () => {
    const pki = createPki();
    let dns: TxtServer;
    let ca: CaUnderTest;

    beforeAll(async () => {
      dns = await startTxtServer();
      ca = await start(dns);
    });

    afterAll(async () => {
      await ca?.close();
      await dns?.close();
    });

    /** A process of its own, as far as the adapter can tell. */
    const process = (vault = memoryVault()) => {
      const seen = { signed: 0, nonces: 0, unsigned: 0 };
      const authority = createCertificateAuthority({
        issuer: { name: 'test', directory: ca.directoryUrl, contact: 'ops@example.org' },
        vault,
        accountSecret: SECRET,
        tlsCa: ca.tlsCa,
        userAgent: 'certherd-tests/0 (+https://example.org)',
        now: () => new Date(),
        onRequest: ({ method, signed }) => {
          if (signed) seen.signed += 1;
          else if (method === 'HEAD') seen.nonces += 1;
          else seen.unsigned += 1;
        },
      });
      return { authority, vault, seen };
    };

    const polled = async (authority: CertificateAuthority, order: Order): Promise<Order> => {
      const seen = await authority.order(order.url);
      if (!seen) throw new Error(`${order.url} is gone`);
      if (seen.status !== 'pending' && seen.status !== 'processing') return seen;
      await sleep(seen.retryAfterMs ?? POLL_MS);
      return polled(authority, seen);
    };

    const answered = async (authority: CertificateAuthority, order: Order) => {
      const authorizations = await Promise.all(order.authorizations.map(authority.authorization));
      const open = authorizations.filter(({ status }) => status === 'pending');
      dns.entries.clear();
      for (const { name, challenge } of open) {
        const values = (dns.entries.get(challengeName(name)) as string[] | undefined) ?? [];
        dns.entries.set(challengeName(name), [...values, challenge?.value ?? '']);
      }
      for (const { challenge } of open) await authority.respond(challenge?.url ?? '');
      return authorizations;
    };

    const ready = async (authority: CertificateAuthority, names: readonly string[]) => {
      const order = await authority.newOrder(names);
      await answered(authority, order);
      return order.status === 'ready' ? order : polled(authority, order);
    };

    const issued = async (authority: CertificateAuthority, names: readonly string[]) => {
      const key = pki.newKey('ec-p256');
      const order = await ready(authority, names);
      expect(order).toMatchObject({ status: 'ready', problem: undefined });
      const csr = await pki.signingRequest(key, names);
      const finalized = await authority.finalize(order, csr);
      const valid = finalized.status === 'valid' ? finalized : await polled(authority, finalized);
      const chain = await authority.certificate(valid);
      return { order: valid, key, csr, chain };
    };

    test('issues a certificate for a name and its wildcard', async () => {
      const { authority } = process();
      const names = ['*.both.test', 'both.test'];
      const { key, chain, order } = await issued(authority, names);
      const now = new Date();
      const verified = pki.verify({ key, chain }, names, now);
      expect(verified.notAfter.getTime()).toBeGreaterThan(now.getTime());
      expect(order.authorizations).toHaveLength(2);
    });

    test('says of each name what its TXT record must hold', async () => {
      const { authority } = process();
      const order = await authority.newOrder(['said.test', '*.said.test']);
      const authorizations = await Promise.all(order.authorizations.map(authority.authorization));
      expect(order.expires?.getTime()).toBeGreaterThan(Date.now());
      expect(authorizations).toHaveLength(2);
      for (const { name, status, challenge } of authorizations) {
        expect({ name, status }).toEqual({ name: 'said.test', status: 'pending' });
        expect(challenge?.value).toMatch(/^[\w-]{43}$/);
      }
    });

    test('keeps the account key and the account for the next process', async () => {
      const { authority, vault } = process();
      const order = await authority.newOrder(['kept.test']);
      const next = process(vault);
      expect(await next.authority.order(order.url)).toMatchObject({ status: order.status });
      expect(vault.written).toHaveLength(2);
      expect(vault.written[0]?.reveal()).toMatch(/^-----BEGIN PRIVATE KEY-----/);
      expect(vault.written[1]?.reveal()).toContain(vault.written[0]?.reveal() ?? '');
      if (!refusesNonces) expect(next.seen).toEqual({ signed: 1, nonces: 1, unsigned: 1 });
    });

    test('agrees on one account when two processes start at once', async () => {
      const vault = memoryVault();
      const [one, other] = [process(vault), process(vault)];
      const order = await Promise.all([
        one.authority.newOrder(['first.test']),
        other.authority.newOrder(['second.test']),
      ]);
      expect(await one.authority.order(order[1].url)).toBeDefined();
      expect(await other.authority.order(order[0].url)).toBeDefined();
    });

    test('finds the account of a key that a person imported', async () => {
      const { authority, vault } = process();
      const order = await authority.newOrder(['imported.test']);
      const [keyAlone] = vault.written;
      const imported = memoryVault();
      await imported.write(SECRET, 'account', keyAlone as Sensitive);
      expect(await process(imported).authority.order(order.url)).toBeDefined();
    });

    test('makes the account again when the CA has forgotten it', async () => {
      const { authority, vault } = process();
      await authority.newOrder(['forgotten.test']);
      const stale = vault.written[1]?.reveal().replace(/^account: \S+/, (line) => `${line}999`);
      await vault.write(SECRET, 'account', new Sensitive(stale ?? ''));
      const next = process(vault);
      expect(await next.authority.newOrder(['forgotten.test'])).toBeDefined();
      expect(vault.written.at(-1)?.reveal()).toBe(vault.written[1]?.reveal());
    });

    test('finds no order that the CA does not know, nor one of another account', async () => {
      const { authority } = process();
      const { url } = await authority.newOrder(['mine.test']);
      expect(await authority.order(url.replace(/[^/]+$/, 'no-such-order'))).toBeUndefined();
      expect(await process().authority.order(url)).toBeUndefined();
    });

    test('tells why an order is invalid', async () => {
      const { authority } = process();
      const order = await authority.newOrder(['bad.test']);
      const [url = ''] = order.authorizations;
      const { challenge } = await authority.authorization(url);
      dns.entries.set('_acme-challenge.bad.test', ['not-the-value']);
      await authority.respond(challenge?.url ?? '');
      expect(await polled(authority, order)).toMatchObject({ status: 'invalid' });
      const failed = await authority.authorization(url);
      expect(failed.status).toBe('invalid');
      expect(failed.problem).toMatch(/^unauthorized: ./);
    });

    test('answers a finalize that had arrived before with the state of the order', async () => {
      const { authority } = process();
      const { order, csr } = await issued(authority, ['twice.test']);
      expect(await authority.finalize(order, csr)).toMatchObject({ status: 'valid' });
    });

    test('hands on a refused signing request in one sentence', async () => {
      const { authority } = process();
      const order = await ready(authority, ['asked.test']);
      const csr = await pki.signingRequest(pki.newKey('ec-p256'), ['another.test']);
      await expect(authority.finalize(order, csr)).rejects.toMatchObject({
        code: 'ca-rejected',
        message: expect.stringMatching(
          /^finalizing order https:.* at the CA test \(https:.*\) was refused: /,
        ),
      });
    });

    test('hands on a name that the CA does not take', async () => {
      await expect(process().authority.newOrder(['not_a_name!.test'])).rejects.toMatchObject({
        code: 'ca-rejected',
        message: expect.stringContaining('the order for not_a_name!.test at the CA'),
      });
    });

    // newOrder, two authorizations, two challenges, finalize, certificate, and the order as often as it is looked at.
    if (!refusesNonces && !reusesAuthorizations)
      test('needs one nonce and seven signed requests besides the looks at the order', async () => {
        const { vault, authority } = process();
        await authority.newOrder(['warm.test']);
        const next = process(vault);
        let looks = 0;
        const looking = {
          ...next.authority,
          order: (url: string) => {
            looks += 1;
            return next.authority.order(url);
          },
        };
        await issued(looking, ['*.counted.test', 'counted.test']);
        expect(next.seen).toEqual({ signed: 7 + looks, nonces: 1, unsigned: 1 });
      });
  });
}
