import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../../cli/client.ts';
import { systemClock } from '../../../local/clock.ts';
import { googleVerifier, requireInvoker } from '../../../local/cloud-run.ts';
import { listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { type Metadata, startMetadata } from '../../../local/metadata/metadata.ts';
import { memoryStore } from '../../../local/state.ts';
import { createIdentityVerifier } from '../../../shared/adapters/identity.ts';

const PERSON = 'ops@a.test';
const AUDIENCE = 'https://api.test';

let metadata: Metadata;
let service: RunningApi;
/** A service on Cloud Run that says who it thinks has called. */
beforeAll(async () => {
  metadata = await startMetadata({ store: memoryStore(), clock: systemClock, project: 'p' });
  const { certificatesUrl, pemCertificatesUrl } = metadata;
  const identify = createIdentityVerifier({ audience: AUDIENCE, certificatesUrl });
  const door = requireInvoker(
    (request, response) =>
      void identify(request.headers.authorization).then((caller) =>
        response.end(JSON.stringify({ caller: caller?.member ?? null })),
      ),
    {
      invokers: [`user:${PERSON}`],
      audiences: [AUDIENCE],
      verify: googleVerifier(pemCertificatesUrl),
    },
  );
  service = await listenOnLoopback(createServer(door), 0);
});
afterAll(async () => {
  await service.close();
  await metadata.close();
});

test('a person whom Cloud Run lets in is known to the api behind it', async () => {
  const token = await metadata.identityToken(PERSON, AUDIENCE);
  const client = createClient({ url: service.url, tokenCommand: `echo ${token}` });
  const known = { status: 200, document: { caller: `user:${PERSON}` } };
  expect(await client.get('/v1/status')).toEqual(known);
  expect(await client.post('/v1/run')).toEqual(known);
});

test('Authorization alone would be let in, and be nobody', async () => {
  const authorization = `Bearer ${await metadata.identityToken(PERSON, AUDIENCE)}`;
  const response = await fetch(service.url, { headers: { authorization } });
  expect(await response.json()).toEqual({ caller: null });
});
