import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { expect, vi } from 'vitest';
import { kubeconfig, type RealCluster } from './real-cluster.ts';
import { workplace } from './terraform.ts';

/** The parts of an answer that tests look at. */
export type Answer = Readonly<{
  status: number;
  body: Readonly<{ message?: string }> & Readonly<Record<string, unknown>>;
}>;

/** One user of a cluster. */
export type User = Readonly<{
  /** As RBAC knows it. */
  name: string;
  kubeconfig: string;
  /** Sends one request; a `type` makes a PATCH one of its kind. */
  ask(method: string, path: string, body?: unknown, type?: string): Promise<Answer>;
  close(): Promise<void>;
}>;

export const APPLY = 'application/apply-patch+yaml';
export const MERGE = 'application/merge-patch+json';

export function userOf(
  { server, ca }: Pick<RealCluster, 'server' | 'ca'>,
  { name, token }: Readonly<{ name: string; token: string }>,
): User {
  const dispatcher = new Agent({ connect: { ca } });
  return {
    name,
    kubeconfig: JSON.stringify(kubeconfig({ server, ca, token })),
    async ask(method, path, body, type = 'application/json') {
      const response = await fetch(server + path, {
        ...{ method, dispatcher },
        headers: { authorization: `Bearer ${token}`, 'content-type': type },
        body: body === undefined ? null : JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Answer['body'] };
    },
    close: () => dispatcher.close(),
  };
}

/** Makes a service account with a token of an hour, as the module's README says for a cluster that is not GKE. */
export async function serviceAccount(
  cluster: RealCluster,
  admin: User,
  name: string,
): Promise<User> {
  const accounts = '/api/v1/namespaces/certherd/serviceaccounts';
  await cluster.create(accounts, { metadata: { name } });
  const { body } = await admin.ask('POST', `${accounts}/${name}/token`, {
    spec: { expirationSeconds: 3600 },
  });
  const { token } = body.status as { token: string };
  return userOf(cluster, { name: `system:serviceaccount:certherd:${name}`, token });
}

/** Whether RBAC lets a user do something; `namespace` undefined: in all of them. */
export type Right = Readonly<{
  verb: string;
  group: string;
  resource: string;
  namespace: string | undefined;
}>;

export async function isGranted(admin: User, user: User, right: Right): Promise<boolean> {
  const { verb, group, resource, namespace = '' } = right;
  const { body } = await admin.ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user: user.name, resourceAttributes: { verb, group, resource, namespace } },
  });
  return (body.status as { allowed: boolean }).allowed;
}

/** Whoever grants waits until the API server has noticed. */
export const untilGranted = (admin: User, user: User, right: Right, granted = true) =>
  vi.waitFor(async () => expect(await isGranted(admin, user, right)).toBe(granted), NOTICED);

/** How long it may take an API server to notice, with room for a machine that is busy. */
export const NOTICED = { timeout: 10_000 };

/** The module in a root of its own, outside the tree. */
export type Applied = Readonly<{
  terraform(...args: readonly string[]): Promise<string>;
  remove(): void;
}>;

export async function clusterAccess(
  { server, ca, token }: RealCluster,
  variables: Readonly<Record<string, unknown>>,
): Promise<Applied> {
  const place = workplace();
  const root = join(place.module, 'applied');
  mkdirSync(root);
  writeFileSync(
    join(root, 'main.tf.json'),
    JSON.stringify({
      provider: { kubernetes: { host: server, cluster_ca_certificate: ca, token } },
      module: { access: { source: '../modules/cluster-access', ...variables } },
    }),
    { mode: 0o600 },
  );
  const run: Applied['terraform'] = (...args) => place.terraform(root, ...args, '-no-color');
  await run('init');
  return { terraform: run, remove: place.remove };
}
