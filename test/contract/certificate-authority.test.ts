import { startAcmeCa } from '../../local/acme-ca/acme-ca.ts';
import { systemClock } from '../../local/clock.ts';
import { memoryStore } from '../../local/state.ts';
import { certificateAuthorityContract } from './certificate-authority.ts';

for (const [title, nonceReject, reusesAuthorizations] of [
  ['an issuer at the embedded CA', 0, false],
  [
    'an issuer at the embedded CA, which refuses a fifth of the nonces and reuses authorizations',
    0.2,
    true,
  ],
] as const)
  certificateAuthorityContract(title, {
    reusesAuthorizations,
    refusesNonces: nonceReject > 0,
    start: (dnsServer) =>
      startAcmeCa({
        store: memoryStore(),
        clock: systemClock,
        dnsServer,
        nonceReject,
        authorizationReuse: reusesAuthorizations,
      }),
  });
