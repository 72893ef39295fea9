import { certificateAuthorityContract } from '../contract/certificate-authority.ts';
import { startPebble } from './parts/pebble.ts';

for (const nonceReject of [0, 20])
  for (const authzReuse of [0, 100])
    certificateAuthorityContract(
      `an issuer at Pebble, which refuses ${nonceReject} % of the nonces and reuses ${authzReuse} % of the authorizations`,
      {
        reusesAuthorizations: authzReuse === 100,
        refusesNonces: nonceReject > 0,
        start: ({ address, port }) =>
          startPebble({ dnsServer: `${address}:${port}`, nonceReject, authzReuse }),
      },
    );
