import pLimit from 'p-limit';
import { targetKey } from '../domain/grouping.ts';
import { isWildcard, parseName } from '../domain/names.ts';
import type { IssuedCertificate, Target } from '../domain/record.ts';
import type { Ingress } from '../domain/request.ts';
import { messageOf } from '../errors.ts';
import type { Handshakes, Time } from '../ports.ts';

/** A host as it is served: by which listener, according to the Ingress's status. */
export type ServedHost = Readonly<{
  cluster: string;
  host: string;
  target: Target;
  address: string | undefined;
  port: number;
}>;

/** What a handshake with one host showed. `serial` is what was served, when anything was. */
export type Proof = Readonly<{
  cluster: string;
  host: string;
  serial: string | undefined;
  proven: boolean;
  reason: string | undefined;
}>;

/** Every host of a TLS block that names one of the Secrets, opted in or not, once for each listener. A wildcard has no host to ask for. */
export function servedHosts(
  ingresses: readonly Readonly<{ cluster: string; ingress: Ingress }>[],
  targets: readonly Target[],
): readonly ServedHost[] {
  const wanted = new Map(targets.map((target) => [targetKey(target), target]));
  const hosts = ingresses.flatMap(({ cluster, ingress }) =>
    ingress.tls.flatMap(({ hosts: listed, secretName }) => {
      const target = wanted.get(`${cluster}/${ingress.namespace}/${secretName}`);
      const names = listed.length > 0 ? listed : ingress.ruleHosts;
      return target ? names.flatMap((host) => listeners(host, target, ingress)) : [];
    }),
  );
  return [
    ...new Map(
      hosts.map((host) => [`${host.cluster}/${host.host}/${host.address}/${host.port}`, host]),
    ).values(),
  ];
}

function listeners(text: string, target: Target, { addresses }: Ingress): readonly ServedHost[] {
  const parsed = parseName(text);
  if ('problem' in parsed || isWildcard(parsed.name)) return [];
  const host = { cluster: target.cluster, host: parsed.name, target };
  if (addresses.length === 0) return [{ ...host, address: undefined, port: 443 }];
  return addresses.map((listener) => ({ ...host, ...listener }));
}

// An ingress controller needs a moment to see a new Secret and to reload.
const PATIENCE_MS = 10_000;
const POLL_MS = [50, 100, 200, 400] as const;

/** Shakes hands with every host until it serves the certificate, or patience is over: for all of them together, however many there are. */
export async function prove(
  hosts: readonly ServedHost[],
  issued: Pick<IssuedCertificate, 'fingerprint'>,
  ports: Readonly<{ handshakes: Handshakes; time: Time }>,
): Promise<readonly Proof[]> {
  const until = ports.time.now().getTime() + PATIENCE_MS;
  const limit = pLimit(16);
  return Promise.all(hosts.map((host) => limit(() => proof(host, issued, { ...ports, until }))));
}

type Trial = Readonly<{ handshakes: Handshakes; time: Time; until: number }>;

async function proof(
  host: ServedHost,
  issued: Pick<IssuedCertificate, 'fingerprint'>,
  trial: Trial,
): Promise<Proof> {
  if (host.address !== undefined && isOver(trial))
    return { ...unproven(host), reason: 'not tried in time' };
  for (let poll = 0; ; poll += 1) {
    const result = await tried(host, issued, trial);
    if (result.proven || host.address === undefined || isOver(trial)) return result;
    await trial.time.sleep(POLL_MS[poll] ?? 1000);
  }
}

const isOver = ({ time, until }: Trial) => time.now().getTime() >= until;

const unproven = ({ cluster, host }: ServedHost) => ({
  ...{ cluster, host, serial: undefined, proven: false },
});

async function tried(
  of: ServedHost,
  issued: Pick<IssuedCertificate, 'fingerprint'>,
  { handshakes }: Trial,
): Promise<Proof> {
  const { cluster, host, address, port } = of;
  if (address === undefined)
    return { ...unproven(of), reason: 'the Ingress has no address in its status' };
  try {
    const { serial, fingerprint } = await handshakes.served(host, address, port);
    const proven = fingerprint === issued.fingerprint;
    return {
      cluster,
      host,
      serial,
      proven,
      reason: proven ? undefined : 'another certificate is served',
    };
  } catch (error) {
    return { ...unproven(of), reason: messageOf(error) };
  }
}
