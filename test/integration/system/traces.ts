import { accountsOf } from '../../../local/accounts.ts';
import type { Running } from './running.ts';

type Json = Readonly<Record<string, unknown>>;

async function asOperator(
  { system }: Running,
  url: string,
  { method = 'GET', body }: Readonly<{ method?: string; body?: unknown }> = {},
) {
  const token = system.services.metadata.accessToken(accountsOf(system.config.project).operator);
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, reply: (await response.json()) as Json };
}

const zonePath = ({ system }: Running, zone: string) =>
  `${system.services.dns.url}/dns/v1/projects/p/managedZones/${zone.replaceAll('.', '-')}`;

type TxtSet = Readonly<{ name: string; type: string; ttl: number; rrdatas: readonly string[] }>;

/** The TXT sets of a zone, as the API has them. */
export async function txtSets(one: Running, zone: string): Promise<readonly TxtSet[]> {
  const { reply } = await asOperator(one, `${zonePath(one, zone)}/rrsets`);
  return (reply.rrsets as readonly TxtSet[]).filter(({ type }) => type === 'TXT');
}

/** Somebody else changes a TXT set: what is in it before and after, undefined for no set. */
export async function changeTxt(
  one: Running,
  zone: string,
  { name, from, to }: Readonly<{ name: string; from?: readonly string[]; to?: readonly string[] }>,
): Promise<void> {
  const set = (rrdatas: readonly string[] | undefined, ttl: number) =>
    rrdatas ? [{ name, type: 'TXT', ttl, rrdatas }] : [];
  const { status, reply } = await asOperator(one, `${zonePath(one, zone)}/changes`, {
    method: 'POST',
    body: { deletions: set(from, 60), additions: set(to, 60) },
  });
  if (status !== 200) throw new Error(JSON.stringify(reply));
}

/** The numbers of a secret's versions that can still be read; none when there is no secret. */
export async function readableVersions(
  one: Running,
  secret: string,
): Promise<readonly (string | undefined)[]> {
  const url = `${one.system.services.secretManager.url}/v1/projects/p/secrets/${secret}/versions`;
  const { status, reply } = await asOperator(one, `${url}?filter=state:ENABLED`);
  if (status === 404) return [];
  return ((reply.versions ?? []) as readonly Readonly<{ name: string }>[]).map(({ name }) =>
    name.split('/').at(-1),
  );
}

/** Adds a version to a secret that is there. */
export async function add(one: Running, secret: string, payload: string): Promise<void> {
  const url = `${one.system.services.secretManager.url}/v1/projects/p/secrets/${secret}:addVersion`;
  const body = { payload: { data: Buffer.from(payload).toString('base64') } };
  const { status, reply } = await asOperator(one, url, { method: 'POST', body });
  if (status !== 200) throw new Error(JSON.stringify(reply));
}

/** The base64 text of every private key that Secret Manager holds, with neither its frame nor its line ends. */
export async function keysOf(one: Running): Promise<readonly string[]> {
  const { url } = one.system.services.secretManager;
  const { reply } = await asOperator(one, `${url}/v1/projects/p/secrets`);
  const payloads = await Promise.all(
    (reply.secrets as readonly Readonly<{ name: string }>[]).map(async ({ name }) => {
      const { reply: read } = await asOperator(one, `${url}/v1/${name}/versions/latest:access`);
      const { data = '' } = (read.payload ?? {}) as { data?: string };
      return Buffer.from(data, 'base64').toString();
    }),
  );
  return payloads.flatMap((text) =>
    [...text.matchAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]+)/g)].map(([, body = '']) =>
      body.replace(/\s/g, ''),
    ),
  );
}

/** Where a private key, of now or of earlier, shows in the log, in the metadata of secrets, or in any of the given texts: `log: …`. */
export async function leaks(
  one: Running,
  texts: Readonly<Record<string, string>> = {},
  earlier: readonly string[] = [],
): Promise<readonly string[]> {
  const { url } = one.system.services.secretManager;
  const { reply } = await asOperator(one, `${url}/v1/projects/p/secrets`);
  const places = { ...texts, log: JSON.stringify(one.log), secrets: JSON.stringify(reply) };
  const keys = [...earlier, ...(await keysOf(one))];
  if (keys.length === 0) throw new Error('there is no key to look for');
  const forms = keys.flatMap((key) => {
    // Its second line, as PEM or as a part of a JSON Web Key has it.
    const middle = key.slice(64, 128);
    return [middle, middle.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return Object.entries(places).flatMap(([place, text]) => {
    const found = ['PRIVATE KEY', 'LS0tLS1CRUdJTiBQUklW', ...forms].find((form) =>
      text.includes(form),
    );
    return found ? [`${place}: ${found}`] : [];
  });
}

/** Nothing of a certificate is left: neither its secret nor, in the cluster, the Ingress and Secret of that name. */
export async function forget(one: Running, id: string, name: string): Promise<void> {
  const url = `${one.system.services.secretManager.url}/v1/projects/p/secrets`;
  await asOperator(one, `${url}/certherd-cert-${id}`, { method: 'DELETE' });
  const ingresses = '/apis/networking.k8s.io/v1/namespaces/web/ingresses';
  await one.request('one', 'DELETE', `${ingresses}/${name}`);
  await one.request('one', 'DELETE', `/api/v1/namespaces/web/secrets/${name}`);
}
