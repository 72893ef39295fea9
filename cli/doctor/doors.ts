import type { Config } from '../../shared/config.ts';
import { CliFault } from '../fault.ts';
import { replyOf } from '../reply.ts';
import { APPLY, closeFunction, readLog } from './commands.ts';
import { type Finding, fault, ok } from './finding.ts';

/** A function as whoever has no right sees it; `date` is the other side's clock when it answered, `at` ours. */
export type Door = Readonly<
  { name: string } & ({ status: number; date: Date | undefined; at: Date } | { problem: string })
>;

/** Knocks without an identity: the functions behind the doors are not reached, and must not be. */
export async function knock(name: string, url: string, now: () => Date): Promise<Door> {
  try {
    const { status, headers } = await replyOf(url, '/health', {});
    const date = headers.get('date');
    return { name, status, date: date ? new Date(date) : undefined, at: now() };
  } catch (error) {
    if (error instanceof CliFault) return { name, problem: error.message };
    throw error;
  }
}

/** The addresses of the three; sync's has the form of reconcile's, as the deployment makes both. */
export function functionUrls({ runtime }: Config): readonly (readonly [string, string])[] {
  return [
    ['reconcile', runtime.reconcileUrl],
    ['issue', runtime.issueUrl],
    ['sync', runtime.reconcileUrl.replace(/reconcile(?=\/?$)/, 'sync')],
  ];
}

/** `works` is the proof that the function did something for us, or the sentence why it did not; absent when nothing was asked of it. */
export function doorFinding(door: Door, config: Config, works: true | string | undefined): Finding {
  const check = `function ${door.name}`;
  if ('problem' in door) return fault(check, door.problem, APPLY);
  const { status } = door;
  if (status === 404) return fault(check, 'it is not deployed', APPLY);
  if (status >= 300 && status < 400)
    return fault(
      check,
      `it answers ${status} and leads elsewhere, so nothing of ours gets in`,
      APPLY,
    );
  if (status < 300) return fault(check, 'it lets in everybody', closeFunction(door.name, config));
  if (status >= 500) return fault(check, `it answers ${status}`, readLog(door.name, config));
  if (typeof works === 'string') return fault(check, works, readLog(door.name, config));
  return ok(
    check,
    works ? 'it works, and is closed to strangers' : 'it is there, and closed to strangers',
  );
}
