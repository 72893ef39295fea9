import type { Bench, Measured, Row } from '../bench.ts';
import { type Figures, median, repeated, seconds } from '../figures.ts';
import { type PeerFigures, peerFigures } from './peers.ts';
import type { RetryAfter, World } from './world.ts';

const NEEDS = ['pebble', 'kube-apiserver', 'etcd'] as const;
const RUNS = 10;
const PEER_RUNS = 3;
const WARM_UP_RUNS = 3;
const LEAST_RATIO = 5;

/** One certificate, and the peers' time for the same. */
export const issueRow: Row = {
  name: 'issue',
  what: 'apex + wildcard, from the HTTP trigger to the Secret in a real API server, Pebble 0/0',
  reach: `0.5 s, ${LEAST_RATIO}x quicker than lego and certbot`,
  needs: NEEDS,
  measure: async (bench) => [await besidePeers(bench, { retryAfter: 0, mostSeconds: 0.5 })],
};

export const issueObeyingRow: Row = {
  name: 'issue-retry-after',
  what: 'the same with Pebble 1/1, obeyed',
  reach: '1.6 s',
  needs: NEEDS,
  measure: async (bench) => [await besidePeers(bench, { retryAfter: 1, mostSeconds: 1.6 })],
};

type Reach = Readonly<{ retryAfter: RetryAfter; mostSeconds: number }>;

async function besidePeers(bench: Bench, { retryAfter, mostSeconds }: Reach): Promise<Measured> {
  const world = await bench.world(retryAfter);
  await repeated(WARM_UP_RUNS, () => issuedAlone(world));
  const figures = await repeated(RUNS, () => issuedAlone(world));
  const peers = await peerFigures(world, PEER_RUNS, bench.folder);
  const own = median(figures);
  const isQuicker = peers.every(
    (peer) => 'seconds' in peer && median(peer.seconds) / own >= LEAST_RATIO,
  );
  return {
    what: retryAfter === 0 ? issueRow.what : issueObeyingRow.what,
    measured: seconds(figures),
    isReached: own <= mostSeconds && (retryAfter === 1 || isQuicker),
    peers: peers.map((peer) => peerText(peer, own)).join('; '),
    samples: { figures, peers },
  };
}

// What the engines still do after the Secret is there belongs to no other run.
async function issuedAlone(world: World): Promise<number> {
  const taken = await world.issue();
  await world.settled();
  return taken;
}

function peerText(peer: PeerFigures, own: number): string {
  if ('absent' in peer) return `${peer.name} not measured: ${peer.absent}`;
  const ratio = (median(peer.seconds) / own).toFixed(1);
  return `${peer.name} ${seconds(peer.seconds)}, ${ratio}x (${peer.flags})`;
}

const MOST_SIGNED = 10;

/** What one certificate costs the CA. */
export const requestsRow: Row = {
  name: 'requests',
  what: 'signed requests for apex + wildcard; nonce requests from an empty pool',
  reach: `9 (at most ${MOST_SIGNED}); 1`,
  needs: NEEDS,
  async measure(bench) {
    // The pool is empty once: before the first certificate, whose other requests open the account.
    const world = await bench.freshWorld(0);
    await issuedAlone(world);
    const nonces = world.requests().filter(isNonce).length;
    const counts = await repeated(RUNS, async () => {
      const before = world.requests().length;
      await issuedAlone(world);
      const made = world.requests().slice(before);
      return { signed: made.filter(({ signed }) => signed).length, all: made.length };
    });
    const signed = counts.map((count) => count.signed);
    const most = Math.max(...signed);
    return [
      {
        what: requestsRow.what,
        measured: `${median(signed)} (${Math.min(...signed)}-${most}) of ${median(counts.map(({ all }) => all))} requests in all; ${nonces}`,
        isReached: most <= MOST_SIGNED && nonces === 1,
        peers: '',
        samples: { counts, nonces },
      },
    ];
  },
};

const isNonce = ({ method }: Readonly<{ method: string }>) => method === 'HEAD';

const AT_ONCE = 10;
const BATCHES = 5;

/** From the first of ten triggers to the last of ten Secrets. */
export const tenRow: Row = {
  name: 'ten-at-once',
  what: `${AT_ONCE} apex + wildcard certificates at once`,
  reach: '1.5 s at 0/0, 2.5 s at 1/1',
  needs: NEEDS,
  measure: async (bench) => [await ten(bench, 0, 1.5), await ten(bench, 1, 2.5)],
};

async function ten(bench: Bench, retryAfter: RetryAfter, mostSeconds: number): Promise<Measured> {
  const world = await bench.world(retryAfter);
  await tenAtOnce(world);
  const figures: Figures = await repeated(BATCHES, () => tenAtOnce(world));
  return {
    what: `${tenRow.what}, Pebble ${retryAfter}/${retryAfter}`,
    reach: `${mostSeconds} s`,
    measured: seconds(figures),
    isReached: median(figures) <= mostSeconds,
    peers: 'cert-manager not run here (measured before: 244 s)',
    samples: { figures },
  };
}

async function tenAtOnce(world: World): Promise<number> {
  const start = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, () => world.issue()));
  const taken = (performance.now() - start) / 1000;
  await world.settled();
  return taken;
}
