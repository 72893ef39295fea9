import type { Sight } from '../domain/delivery.ts';
import { placeKey } from '../domain/grouping.ts';
import type { Asker, Target } from '../domain/record.ts';
import { messageOf } from '../errors.ts';
import type { ClusterReader, Readers } from '../ports.ts';

/**
 * What a look at one Secret shows; a failure to look is a sight as well. Of a Secret in a namespace that does not exist an API server says
 * no more than that it is absent, so the namespace is read too: once, and not where `inhabited` says that something lives in it.
 */
export function lookout(
  { readers }: Readonly<{ readers: Readers }>,
  inhabited: readonly Asker[],
): (target: Target) => Promise<Sight> {
  const absences = new Map<string, Promise<Sight>>(
    inhabited.map((place) => [placeKey(place), Promise.resolve(ABSENT)]),
  );
  return async (target) => {
    try {
      const reader = await readers(target.cluster);
      const secret = await reader.secret(target.namespace, target.secret);
      if (secret) return { state: 'present', secret };
      const key = placeKey(target);
      const absence = absences.get(key) ?? absenceIn(target, reader);
      absences.set(key, absence);
      return await absence;
    } catch (error) {
      return { state: 'unreadable', message: messageOf(error) };
    }
  };
}

const ABSENT: Sight = { state: 'absent' };

/** How a Secret is absent from a namespace. */
async function absenceIn({ cluster, namespace }: Asker, reader: ClusterReader): Promise<Sight> {
  const state = await reader.namespace(namespace);
  if (state === 'active') return ABSENT;
  const problem =
    state === 'terminating'
      ? `namespace ${namespace} of cluster ${cluster} is being deleted; create it again when it is gone`
      : `namespace ${namespace} does not exist in cluster ${cluster}; create it`;
  return { state: 'homeless', message: `cannot be made: ${problem}` };
}
