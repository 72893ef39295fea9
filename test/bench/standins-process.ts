import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Calls, StandInOptions, StandInsReady } from './standins.ts';

export type StandIns = StandInsReady &
  Readonly<{ calls(): Promise<Calls>; close(): Promise<void> }>;

/** Starts the stand-ins in a process of their own, so that what they take is not counted with what is measured. */
export async function startStandIns(options: StandInOptions): Promise<StandIns> {
  const path = fileURLToPath(new URL('standins.ts', import.meta.url));
  const child = fork(path, [JSON.stringify(options)]);
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the stand-ins ended with ${code}`);
  });
  exited.catch(() => {});
  const answer = async <T>() => (await Promise.race([once(child, 'message'), exited]))[0] as T;
  const ready = await answer<StandInsReady>();
  return {
    ...ready,
    async calls() {
      child.send('calls');
      return answer<Calls>();
    },
    async close() {
      child.kill('SIGKILL');
      await exited.catch(() => {});
    },
  };
}
