import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { listenOnLoopback } from '../../../local/google-api.ts';
import type { System } from '../../../local/system.ts';

/** How a peer's hook puts TXT records into the embedded DNS, at the cost of one request. */
export type ChallengeDoor = Readonly<{
  /** In lego's words a HTTP request provider: POST /present and /cleanup with fqdn and value as JSON. */
  url: string;
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
  const server = createServer((request, response) => void answer(request, response));
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { fqdn, value } = JSON.parse((await request.toArray()).join('')) as Challenge;
    const name = fqdn.replace(/\.$/, '');
    const known = values.get(name) ?? new Set<string>();
    values.set(name, known.add(value));
    if (request.url === '/present')
      dns.addRecords([
        { name, type: 'TXT', ttl: 1, rrdatas: [...known].map((text) => `"${text}"`) },
      ]);
    response.end('{}');
  };
  const { url, close } = await listenOnLoopback(server, 0);
  const certbotHook = join(folder, 'certbot-hook');
  writeFileSync(certbotHook, HOOK(url), { mode: 0o755 });
  return { url, certbotHook, close };
}

type Challenge = Readonly<{ fqdn: string; value: string }>;

const HOOK = (url: string) => `#!/bin/sh
exec curl -fsS ${url}/present -d "{\\"fqdn\\":\\"_acme-challenge.$CERTBOT_DOMAIN\\",\\"value\\":\\"$CERTBOT_VALIDATION\\"}"
`;
