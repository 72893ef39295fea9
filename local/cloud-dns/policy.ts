import { GoogleFault } from '../google-api.ts';
import { isObject, required } from './faults.ts';
import type { Policy, Zone } from './state.ts';

const etag = ({ revision }: Policy) => Buffer.from(`policy ${revision}`).toString('base64');

/** The zone's IAM policy in the API's form. Nothing here enforces it. */
export function policyOf({ policy }: Zone) {
  const { version, bindings } = policy;
  return { version, etag: etag(policy), ...(bindings.length > 0 && { bindings }) };
}

/** The zone with the policy of a setIamPolicy body. A stale etag is refused (409), so that no other writer's grant is lost. */
export function withPolicy(zone: Zone, body: unknown): Zone {
  const wanted = isObject(body) ? body.policy : undefined;
  if (!isObject(wanted)) throw required('policy');
  if (wanted.etag && wanted.etag !== etag(zone.policy))
    throw new GoogleFault(
      'ABORTED',
      'There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.',
    );
  const { bindings = [], version = 1 } = wanted;
  if (!Array.isArray(bindings) || typeof version !== 'number')
    throw new GoogleFault('INVALID_ARGUMENT', 'Invalid policy: bindings or version.');
  return { ...zone, policy: { version, bindings, revision: zone.policy.revision + 1 } };
}
