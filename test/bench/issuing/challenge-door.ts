import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { System } from '../../../local/system.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';

/** How a peer's hook puts TXT records into the embedded DNS, at the cost of one small process and one request. */
export type ChallengeDoor = Readonly<{
  /** A shell script: `HOOK present|cleanup OWNER VALUE`. */
  execHook: string;
  /** A shell script that reads what certbot puts into the environment. */
  certbotHook: string;
  close(): Promise<void>;
}>;

/** Opens it on loopback. Values stay until the end: every name is used once. */
export async function openChallengeDoor(
  dns: System['services']['dns'],
  folder: string,
): Promise<ChallengeDoor> {
  const values = new Map<string, Set<string>>();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const name = (searchParams.get('owner') ?? '').replace(/\.$/, '');
    const known = values.get(name) ?? new Set<string>();
    values.set(name, known.add(searchParams.get('value') ?? ''));
    if (pathname === '/present')
      dns.addRecords([
        { name, type: 'TXT', ttl: 1, rrdatas: [...known].map((value) => `"${value}"`) },
      ]);
    response.end();
  });
  const { url, close } = await listenOnLoopback(server, 0);
  const script = (file: string, [verb, owner, value]: readonly [string, string, string]) => {
    const path = join(folder, file);
    const line = `exec curl -fsS "${url}/${verb}?owner=${owner}&value=${value}"`;
    writeFileSync(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return path;
  };
  return {
    execHook: script('exec-hook', ['$1', '$2', '$3']),
    certbotHook: script('certbot-hook', [
      'present',
      '_acme-challenge.$CERTBOT_DOMAIN',
      '$CERTBOT_VALIDATION',
    ]),
    close,
  };
}
