import { type Server, subjectOf } from './call.ts';
import { forbidden, notFound } from './faults.ts';
import { type Json, recordAt } from './object.ts';
import { keyOf } from './object-store.ts';
import type { ResourceTarget } from './request.ts';
import { ingressClasses, namespaces } from './resources.ts';

const LEGACY_CLASS = 'kubernetes.io/ingress.class';
const DEFAULT_CLASS = 'ingressclass.kubernetes.io/is-default-class';

/** The namespace must be there, and stay: 404 and 403 as the NamespaceLifecycle plugin answers. */
export function demandNamespace(server: Server, target: ResourceTarget): void {
  const { namespace } = target;
  if (namespace === undefined) return;
  const found = server.objects.get(namespaces.plural, keyOf(undefined, namespace));
  if (!found)
    throw notFound(subjectOf({ resource: namespaces, namespace: undefined, name: namespace }));
  if (!found.metadata.deletionTimestamp) return;
  throw forbidden(
    subjectOf(target),
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  );
}

/** What admission fills into an object that is created. */
export function admitted(server: Server, { resource }: ResourceTarget, value: Json): Json {
  if (resource === namespaces)
    return { ...value, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };
  return resource.plural === 'ingresses' ? withDefaultClass(server, value) : value;
}

function withDefaultClass({ objects }: Server, value: Json): Json {
  const spec = recordAt(value, 'spec');
  const annotations = recordAt(recordAt(value, 'metadata'), 'annotations');
  if (spec.ingressClassName !== undefined || LEGACY_CLASS in annotations) return value;
  const [chosen] = objects
    .snapshot(ingressClasses.plural)
    .objects.filter(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true');
  if (!chosen) return value;
  return { ...value, spec: { ingressClassName: chosen.metadata.name, ...spec } };
}
