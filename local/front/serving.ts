import type { FrontLog, FrontServer, ServedHost } from './front-server.ts';
import {
  type CheckedSecrets,
  checkedSecrets,
  type Ingress,
  type KeyPair,
  type TlsSecret,
  type VirtualHost,
  virtualHosts,
} from './virtual-hosts.ts';

/** Hands a server what a cluster's Ingresses and Secrets ask for, when it changed; says once what is wrong with them. */
export function createServing({
  server,
  fallback,
  log,
}: Readonly<{ server: FrontServer; fallback: KeyPair; log: FrontLog }>) {
  let secrets: CheckedSecrets = new Map();
  let faults: ReadonlySet<string> = new Set();
  let served: readonly ServedHost[] = [];
  return async (ingresses: readonly Ingress[], found: readonly TlsSecret[]): Promise<void> => {
    secrets = checkedSecrets(ingresses, found, secrets);
    const hosts = virtualHosts(ingresses, secrets);
    const present = faultsOf(secrets, hosts);
    for (const { reason, message } of present) if (!faults.has(reason)) log({ message, reason });
    faults = new Set(present.map(({ reason }) => reason));
    const wanted = hosts.map(({ host, pair }) => ({ host, pair: pair ?? fallback }));
    if (isSame(wanted, served)) return;
    await server.serve(wanted);
    served = wanted;
    log({ message: 'front serves a change', hosts: wanted.length });
  };
}

function faultsOf(secrets: CheckedSecrets, hosts: readonly VirtualHost[]) {
  const told = (message: string, parts: Iterable<{ fault: string | undefined }>) =>
    [...parts].flatMap(({ fault }) => (fault ? [{ message, reason: fault }] : []));
  return [
    ...told('front found a faulty TLS Secret', secrets.values()),
    ...told('front serves its fallback certificate', hosts),
  ];
}

// Pairs are compared by identity: an unchanged Secret keeps its pair.
const isSame = (one: readonly ServedHost[], other: readonly ServedHost[]) =>
  one.length === other.length &&
  one.every(({ host, pair }, index) => host === other[index]?.host && pair === other[index]?.pair);
