import type { Log } from '../shared/ports.ts';
import type { LocalCluster } from './clusters.ts';
import { type Front, startFront } from './front/front.ts';
import type { Keeper } from './keeper.ts';
import type { StartOptions } from './options.ts';

/** The fronts by cluster. A real cluster has its own, unless one is asked for. */
export async function startFronts(
  clusters: readonly LocalCluster[],
  kind: StartOptions['front'],
  keeper: Keeper,
  log: Log,
): Promise<ReadonlyMap<string, Front>> {
  const fronts = new Map<string, Front>();
  await Promise.all(
    clusters.map(async ({ name, isReal, served, ingressClasses }) => {
      const wanted = kind ?? (isReal ? 'none' : 'auto');
      if (wanted === 'none') return;
      const front = await startFront({
        kind: wanted,
        cluster: served,
        ...(ingressClasses ? { ingressClasses } : {}),
        publishStatus: true,
        log: ({ message, ...fields }) => log.debug(message, fields),
      });
      keeper.onClose(front.close);
      fronts.set(name, front);
    }),
  );
  return fronts;
}

/** Says who serves, so that nobody takes the stand-in for nginx. */
export const frontText = (name: string, { kind, port }: Front): string =>
  `${kind === 'nginx' ? 'nginx' : 'a Node TLS server that stands in for nginx'} serves cluster ${name} at https://127.0.0.1:${port}`;
