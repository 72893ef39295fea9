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
