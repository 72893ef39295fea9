import { createServer } from 'node:http';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../local/clock.ts';
import { listenOnLoopback } from '../../local/google-api.ts';
import { signedJwt } from '../../local/metadata/keys.ts';
import { type Metadata, startMetadata } from '../../local/metadata/metadata.ts';
import type { MetadataState } from '../../local/metadata/tokens.ts';
import { createIdentityVerifier } from '../../shared/adapters/identity.ts';
import { assertionContract, identityContract } from './identity.ts';

const AUDIENCE = 'https://api.test';
const ACCOUNT = 'ci@p.iam.gserviceaccount.com';

let metadata: Metadata;
let state: MetadataState;
beforeAll(async () => {
  metadata = await startMetadata({
    store: {
      load: () => undefined,
      save: (saved) => {
        state = saved;
      },
    },
    clock: systemClock,
    project: 'p',
  });
});
afterAll(() => metadata.close());

describe('identities, on the stand-in', () => {
  identityContract(createIdentityVerifier, () => ({
    token: metadata.identityToken,
    signed: async (claims) => signedJwt(claims, state.key),
    certificatesUrl: metadata.certificatesUrl,
  }));
});

describe('assertions of Identity-Aware Proxy, on the stand-in', () => {
  assertionContract(createIdentityVerifier, () => ({
    assertion: metadata.assertion,
    keysUrl: metadata.assertionKeysUrl,
    token: metadata.identityToken,
    certificatesUrl: metadata.certificatesUrl,
  }));
});

describe('the published keys', () => {
  /** Passes the keys on, each answer as `answer` has it, and counts the questions. */
  async function startKeys(
    answer: (asked: number) => Readonly<{ status: number; maxAge?: number }>,
  ) {
    let asked = 0;
    const keys = await (await fetch(metadata.certificatesUrl)).text();
    const server = createServer((_, response) => {
      asked += 1;
      const { status, maxAge } = answer(asked);
      const caching = maxAge === undefined ? {} : { 'cache-control': `public, max-age=${maxAge}` };
      response.writeHead(status, { ...caching, location: metadata.certificatesUrl });
      response.end(keys);
    });
    const { url, close } = await listenOnLoopback(server, 0);
    return { url, close, asked: () => asked };
  }

  const header = async () => `Bearer ${await metadata.identityToken(ACCOUNT, AUDIENCE)}`;
  const known = { member: `serviceAccount:${ACCOUNT}`, email: ACCOUNT };

  test.for<[string, number | undefined, number]>([
    ['are asked for once while they may be kept', 600, 1],
    ['are asked for again when they are too old', 0, 3],
    ['are asked for again when nothing says how long they last', undefined, 3],
  ])('%s', async ([, maxAge, expected]) => {
    const keys = await startKeys(() => ({ status: 200, ...(maxAge !== undefined && { maxAge }) }));
    try {
      const verify = createIdentityVerifier({ audience: AUDIENCE, certificatesUrl: keys.url });
      for (let time = 0; time < 3; time += 1) expect(await verify(await header())).toEqual(known);
      expect(keys.asked()).toBe(expected);
    } finally {
      await keys.close();
    }
  });

  test('that are asked for by many at once are asked for once', async () => {
    const keys = await startKeys(() => ({ status: 200, maxAge: 600 }));
    try {
      const verify = createIdentityVerifier({ audience: AUDIENCE, certificatesUrl: keys.url });
      await Promise.all(Array.from({ length: 5 }, async () => verify(await header())));
      expect(keys.asked()).toBe(1);
    } finally {
      await keys.close();
    }
  });

  test.for<[string, number, string]>([
    ['an error', 500, 'HTTP 500'],
    ['a redirect', 302, 'redirect'],
  ])(
    'that answer %s make nobody of nobody: it throws, and the next caller is served',
    async ([, status, problem]) => {
      const keys = await startKeys((asked) => ({
        status: asked === 1 ? status : 200,
        maxAge: 600,
      }));
      try {
        const verify = createIdentityVerifier({ audience: AUDIENCE, certificatesUrl: keys.url });
        const token = await header();
        const error = await verify(token).catch((reason) => reason);
        expect(error).toMatchObject({
          retryable: true,
          message: expect.stringContaining(
            `at ${keys.url}: ${problem === 'redirect' ? 'unexpected redirect' : problem}`,
          ),
        });
        expect(inspect(error, { depth: 20 })).not.toContain(token.slice(-40));
        expect(await verify(token)).toEqual(known);
      } finally {
        await keys.close();
      }
    },
  );
});
