import { generateKeyPairSync } from 'node:crypto';
import { accountsOf } from '../../../local/accounts.ts';
import type { KubernetesObject } from '../../../local/kubernetes/object.ts';
import { testAuthority } from '../../contract/test-authority.ts';
import { ingress, type Running, running } from './running.ts';

type Json = Readonly<Record<string, unknown>>;

/** Calls an embedded Google API as the operator, who may do everything. Throws what it refuses. */
export async function google(
  { system }: Running,
  service: 'pubsub' | 'scheduler' | 'secretManager' | 'tasks' | 'dns',
  [method, path]: readonly [method: string, path: string],
  body?: unknown,
): Promise<Json> {
  const { metadata, [service]: api } = system.services;
  const token = metadata.accessToken(accountsOf(system.config.project).operator);
  const response = await fetch(`${api.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const reply = (await response.json()) as Json;
  if (!response.ok) throw new Error(`${method} ${path} answers ${JSON.stringify(reply)}`);
  return reply;
}

/** Calls Secret Manager; `path` follows the collection of secrets. */
export const secretManager = (one: Running, method: string, path: string, body?: unknown) =>
  google(one, 'secretManager', [method, `/v1/projects/p/secrets${path}`], body);

/** What happens in here is told to nobody: no event of Secret Manager arrives. */
export async function unheard(one: Running, happens: () => Promise<unknown>): Promise<void> {
  const path = '/v1/projects/p/subscriptions/certherd-sync';
  const { state: _, ...subscription } = await google(one, 'pubsub', ['GET', path]);
  await google(one, 'pubsub', ['DELETE', path]);
  await happens();
  await google(one, 'pubsub', ['PUT', path], subscription);
}

/** A person disables, enables or destroys a version, and what follows from it has happened. */
export async function turn(
  one: Running,
  id: string,
  version: number,
  to: 'disable' | 'enable' | 'destroy',
): Promise<void> {
  await secretManager(one, 'POST', `/certherd-cert-${id}/versions/${version}:${to}`, {});
  await one.settle();
}

/** A person adds a version to a certificate's secret. */
export async function add(one: Running, id: string, payload: string): Promise<void> {
  const data = Buffer.from(payload).toString('base64');
  await secretManager(one, 'POST', `/certherd-cert-${id}:addVersion`, { payload: { data } });
  await one.settle();
}

const DAY_MS = 86_400_000;

/** A key and a certificate of somebody else's CA as one PEM text, 90 days from `from` on, with its serial. */
export async function elsewhere(names: readonly string[], from: Date) {
  const serial = '5e1f5e1f5e1f5e1f';
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const authority = await testAuthority('Elsewhere');
  const leaf = await authority.issue({
    ...{ key, names, serialNumber: serial, notBefore: from },
    notAfter: new Date(from.getTime() + 90 * DAY_MS),
  });
  const pem = `${key.export({ type: 'pkcs8', format: 'pem' })}${leaf}${authority.pem}`;
  return { serial, pem, leaf };
}

const secretPath = (namespace: string, name = '') =>
  `/api/v1/namespaces/${namespace}/secrets${name && `/${name}`}`;

/** Somebody else makes a Secret. */
export async function makeSecret(
  one: Running,
  cluster: string,
  secret: Readonly<{
    namespace?: string;
    name: string;
    type?: string;
    labels?: object;
    annotations?: object;
  }>,
): Promise<KubernetesObject> {
  const { namespace = 'web', name, type = 'kubernetes.io/tls', ...metadata } = secret;
  const data = { 'tls.crt': 'bm9uZQ==', 'tls.key': 'bm9uZQ==' };
  const body = {
    apiVersion: 'v1',
    kind: 'Secret',
    type,
    metadata: { name, namespace, ...metadata },
    data,
  };
  await one.request(cluster, 'POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  return answered(await one.request(cluster, 'POST', secretPath(namespace), body));
}

/** Somebody else changes a Secret by a merge patch. */
export const patchSecret = async (one: Running, cluster: string, name: string, patch: unknown) =>
  answered(
    await one.request(
      cluster,
      'PATCH',
      `${secretPath('web', name)}?fieldManager=kubectl-edit`,
      patch,
      'application/merge-patch+json',
    ),
  );

export const removeSecret = async (one: Running, cluster: string, name: string) =>
  answered(await one.request(cluster, 'DELETE', secretPath('web', name)));

export const removeIngress = async (one: Running, cluster: string, name: string) =>
  answered(
    await one.request(
      cluster,
      'DELETE',
      `/apis/networking.k8s.io/v1/namespaces/web/ingresses/${name}`,
    ),
  );

async function answered(response: Response): Promise<KubernetesObject> {
  const body = (await response.json()) as KubernetesObject;
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`);
  return body;
}

/** The certificate whose names begin with this one; throws when there is none. */
export async function certificateFor(one: Running, name: string) {
  const found = (await one.records()).find(({ record }) => record.identity.names?.[0] === name);
  if (!found) throw new Error(`there is no certificate for ${name}`);
  return found;
}

/** What a Secret says of itself, in short: the certificate's version and serial. */
export async function served(one: Running, cluster: string, name: string, namespace = 'web') {
  const secret = await one.secret(cluster, namespace, name);
  const { annotations = {} } = secret?.metadata ?? {};
  return {
    version: annotations['certherd/version'],
    serial: annotations['certherd/serial'],
    certificate: annotations['certherd/certificate'],
    uid: secret?.metadata.uid,
    chain: textOf(secret, 'tls.crt'),
  };
}

const textOf = (secret: KubernetesObject | undefined, field: string) =>
  Buffer.from(
    (secret?.data as Record<string, string> | undefined)?.[field] ?? '',
    'base64',
  ).toString();

/** The plan in short: names, action and reason. */
export const planned = async (one: Running) =>
  (await one.plan()).map(({ names, action, reason }) => `${names.join()} ${action} ${reason}`);

/** A system whose one Ingress has its certificate, twice renewed. */
export async function delivered(versions = 1): Promise<Running & Readonly<{ id: string }>> {
  const one = await running({ manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] } });
  for (let version = 1; version <= versions; version += 1) {
    if (version > 1) one.clock.advance(63 * DAY_MS);
    await one.tick();
  }
  const { id } = await certificateFor(one, 'shop.a.test');
  return { ...one, id };
}
