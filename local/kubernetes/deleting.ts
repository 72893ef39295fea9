import { parsedJson } from './bodies.ts';
import { isDryRun, type ResourceCall, type Server, subjectOf, timestamp } from './call.ts';
import { conflict, forbidden } from './faults.ts';
import { compact, isRecord, type Json, type KubernetesObject, recordAt } from './object.ts';
import { keyOf } from './object-store.ts';
import { existing } from './reading.ts';
import { namespaces } from './resources.ts';
import { metadataOf } from './writing.ts';

const PROTECTED_NAMESPACES = ['default', 'kube-system', 'kube-public'];

export type Deleted = Readonly<{ object?: KubernetesObject; status?: Json }>;

/** DELETE. A namespace stays as `Terminating`: emptying it is a controller's work. */
export function deleted(server: Server, call: ResourceCall): Deleted {
  const { target } = call;
  const { resource, namespace, name = '' } = target;
  const options = deleteOptions(call);
  const dryRun = isDryRun(call.query, 'DeleteOptions') || 'dryRun' in options;
  const before = existing(server, call);
  checkPreconditions(call, before, recordAt(options, 'preconditions'));
  if (resource === namespaces) return { object: terminated(server, call, before) };
  if (!dryRun) server.objects.remove(resource.plural, keyOf(namespace, name));
  const details = { name, group: resource.group || undefined, kind: resource.plural };
  return {
    status: {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: compact({ ...details, uid: before.metadata.uid }),
    },
  };
}

function deleteOptions({ body }: ResourceCall): Json {
  const options = parsedJson(body);
  return isRecord(options) ? options : {};
}

function checkPreconditions(
  { target }: ResourceCall,
  { metadata }: KubernetesObject,
  { uid, resourceVersion }: Json,
): void {
  const subject = { ...subjectOf(target), resource: target.resource.kind };
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(
      subject,
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    throw conflict(
      subject,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
}

function terminated(
  server: Server,
  { target }: ResourceCall,
  before: KubernetesObject,
): KubernetesObject {
  if (PROTECTED_NAMESPACES.includes(before.metadata.name))
    throw forbidden(subjectOf(target), 'this namespace may not be deleted');
  if (before.metadata.deletionTimestamp) return before;
  const metadata = metadataOf(before.metadata, {
    ...before.metadata,
    deletionTimestamp: timestamp(server.clock),
  });
  const object = { ...before, metadata, status: { phase: 'Terminating' } };
  return server.objects.put(target.resource.plural, object);
}
