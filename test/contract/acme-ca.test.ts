import { startAcmeCa } from '../../local/acme-ca/acme-ca.ts';
import { systemClock } from '../../local/clock.ts';
import { memoryStore } from '../../local/state.ts';
import { acmeCaContract } from './acme-ca.ts';

for (const [title, nonceReject, reusesAuthorizations] of [
  ['the embedded CA', 0, false],
  ['the embedded CA, refusing a fifth of the nonces and reusing authorizations', 0.2, true],
] as const)
  acmeCaContract(title, {
    reusesAuthorizations,
    start: async (dnsServer) => {
      const ca = await startAcmeCa({
        store: memoryStore(),
        clock: systemClock,
        dnsServer,
        nonceReject,
        authorizationReuse: reusesAuthorizations,
      });
      return { ...ca, roots: async () => ca.rootPem };
    },
  });
