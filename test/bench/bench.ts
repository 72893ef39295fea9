import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningApiServer, startKubeApiserver } from '../real/parts/kube-apiserver.ts';
import { openWorld, type RetryAfter, type World } from './issuing/world.ts';
import type { Part } from './parts.ts';
import type { Line } from './report.ts';

/** What the rows share. Each part is started at its first use and ended with the run. */
export type Bench = Readonly<{
  /** A folder of this run. */
  folder: string;
  apiServer(): Promise<RunningApiServer>;
  world(retryAfter: RetryAfter): Promise<World>;
  /** One that nobody has used. */
  freshWorld(retryAfter: RetryAfter): Promise<World>;
  close(): Promise<void>;
}>;

/** What a row measured; `reach` where it differs from line to line. */
export type Measured = Omit<Line, 'row' | 'reach'> & Partial<Pick<Line, 'reach'>>;

/** A row of the table. `measure` may return several lines. */
export type Row = Readonly<{
  name: string;
  what: string;
  reach: string;
  needs: readonly Part[];
  measure(bench: Bench): Promise<readonly Measured[]>;
}>;

export function openBench(): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'certherd-bench-'));
  const closers: (() => Promise<void>)[] = [];
  const opened = new Map<string, Promise<Readonly<{ close(): Promise<void> }>>>();
  const once = <T extends Readonly<{ close(): Promise<void> }>>(
    name: string,
    open: () => Promise<T>,
  ): Promise<T> => {
    const known = opened.get(name) as Promise<T> | undefined;
    if (known) return known;
    const opening = open().then((part) => {
      closers.push(() => part.close());
      return part;
    });
    opened.set(name, opening);
    return opening;
  };
  const apiServer = () => once('api server', startKubeApiserver);
  const worldNamed = (name: string, retryAfter: RetryAfter) =>
    once(name, async () => openWorld(await apiServer(), { folder, retryAfter }));
  let fresh = 0;
  return {
    folder,
    apiServer,
    world: (retryAfter) => worldNamed(`world ${retryAfter}`, retryAfter),
    freshWorld(retryAfter) {
      fresh += 1;
      return worldNamed(`fresh world ${fresh}`, retryAfter);
    },
    async close() {
      for (const close of closers.reverse()) await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
