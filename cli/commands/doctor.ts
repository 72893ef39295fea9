import type { ExitCode, Session } from '../command.ts';
import { type Examination, examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { type Mood, painted } from '../screen.ts';

/** Looks at a deployment from outside, a line for each check. Exit 1 when one is not as it should be, or could not be looked at. */
export async function doctor(examination: Examination, session: Session): Promise<ExitCode> {
  const findings = await examine(examination, session);
  const isFine = findings.every(({ state }) => state === 'ok' || state === 'note');
  if (session.json) session.screen.out(JSON.stringify({ ok: isFine, findings }, undefined, 2));
  else for (const finding of findings) show(finding, session);
  return isFine ? 0 : 1;
}

const MOODS: Readonly<Record<Finding['state'], Mood>> = {
  ok: 'good',
  note: 'soft',
  unseen: 'bad',
  fault: 'bad',
};

/** A command stands alone on its line, unbroken, so that it can be copied; what is no command begins with "do:". */
function show({ check, state, message, repair, advice }: Finding, { screen }: Session): void {
  screen.out(painted(`${state.padEnd(6)} ${check}: ${message}`, MOODS[state], screen));
  if (repair) screen.out(painted(`         ${repair}`, 'plain', screen));
  if (advice) screen.out(painted(`         do: ${advice}`, 'plain', screen));
}
