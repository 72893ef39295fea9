import { acmeCaContract } from '../contract/acme-ca.ts';
import { startPebble } from './parts/pebble.ts';

for (const [title, nonceReject, authzReuse] of [
  ['Pebble', 0, 0],
  ['Pebble, refusing a fifth of the nonces and reusing authorizations', 20, 100],
] as const)
  acmeCaContract(title, {
    reusesAuthorizations: authzReuse === 100,
    start: ({ address, port }) =>
      startPebble({ dnsServer: `${address}:${port}`, nonceReject, authzReuse }),
  });
