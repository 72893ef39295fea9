import { join } from 'node:path';
import { missing, type Part } from '../parts.ts';
import { secondsOf } from '../process.ts';
import { type ChallengeDoor, openChallengeDoor } from './challenge-door.ts';
import { freshLabel, type World, ZONE } from './world.ts';

/** Another ACME client, on the same Pebble and the same DNS. */
export type Peer = Readonly<{
  name: Extract<Part, 'lego' | 'certbot'>;
  /** What makes it this quick. */
  flags: string;
  needs: readonly Part[];
  /** Seconds of one run for apex + wildcard, account and key files at hand. */
  issue(world: World, door: ChallengeDoor, folder: string): Promise<number>;
}>;

const LIMIT_MS = 120_000;

const lego: Peer = {
  name: 'lego',
  flags:
    '--dns httpreq, HTTPREQ_POLLING_INTERVAL=1, --dns.propagation.disable-ans --dns.propagation.disable-rns',
  needs: ['lego'],
  issue: ({ pebble, caFile, dns }, { url }, folder) =>
    secondsOf({
      command: 'lego',
      args: [
        ...['run', '--accept-tos', '--email', 'ops@example.org', '--server', pebble.directoryUrl],
        ...['--path', join(folder, 'lego'), '--dns', 'httpreq'],
        ...['--dns.resolvers', `127.0.0.1:${dns.dnsPort}`],
        ...['--dns.propagation.disable-ans', '--dns.propagation.disable-rns'],
        ...freshNames(),
      ],
      env: {
        LEGO_CA_CERTIFICATES: caFile,
        HTTPREQ_ENDPOINT: url,
        HTTPREQ_POLLING_INTERVAL: '1',
      },
      limitMs: LIMIT_MS,
    }),
};

const certbot: Peer = {
  name: 'certbot',
  flags: 'certonly --manual with a hook, no waits of its own',
  needs: ['certbot', 'curl'],
  issue: ({ pebble, caFile }, { certbotHook }, folder) => {
    const home = join(folder, 'certbot');
    return secondsOf({
      command: 'certbot',
      args: [
        ...['certonly', '--manual', '--preferred-challenges', 'dns', '--non-interactive'],
        ...['--agree-tos', '--email', 'ops@example.org', '--server', pebble.directoryUrl],
        ...['--manual-auth-hook', certbotHook],
        ...['--config-dir', home, '--work-dir', home, '--logs-dir', home],
        ...freshNames(),
      ],
      env: { REQUESTS_CA_BUNDLE: caFile },
      limitMs: LIMIT_MS,
    });
  },
};

function freshNames(): readonly string[] {
  const name = `${freshLabel()}.${ZONE}`;
  return ['-d', name, '-d', `*.${name}`];
}

export type PeerFigures = Readonly<{
  name: Peer['name'];
  flags: string;
}> &
  (Readonly<{ seconds: readonly number[] }> | Readonly<{ absent: string }>);

/** Every peer's runs on the world's CA, after one that made its account; or why there are none. */
export async function peerFigures(
  world: World,
  runs: number,
  folder: string,
): Promise<readonly PeerFigures[]> {
  const door = await openChallengeDoor(world.dns, folder);
  try {
    const all: PeerFigures[] = [];
    for (const peer of [lego, certbot]) {
      const { name, flags } = peer;
      const [absent] = missing(peer.needs);
      const seconds: number[] = [];
      for (let run = 0; run <= runs && absent === undefined; run += 1)
        seconds.push(await peer.issue(world, door, folder));
      all.push(absent ? { name, flags, absent } : { name, flags, seconds: seconds.slice(1) });
    }
    return all;
  } finally {
    await door.close();
  }
}
