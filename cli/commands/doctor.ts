import type { ExitCode, Session } from '../command.ts';
import { type Examination, examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { type Mood, painted } from '../screen.ts';

/** Looks at a deployment from outside, a line for each check. Exit 1 when one is not as it should be; notes are none. */
export async function doctor(examination: Examination, session: Session): Promise<ExitCode> {
  const findings = await examine(examination, session);
  const isFine = findings.every(({ state }) => state !== 'fault');
  if (session.json) session.screen.out(JSON.stringify({ ok: isFine, findings }, undefined, 2));
  else for (const finding of findings) show(finding, session);
  return isFine ? 0 : 1;
}

const MOODS: Readonly<Record<Finding['state'], Mood>> = { ok: 'good', note: 'soft', fault: 'bad' };

/** The command stands alone on its line, unbroken, so that it can be copied. */
function show({ check, state, message, repair }: Finding, { screen }: Session): void {
  screen.out(painted(`${state.padEnd(6)} ${check}: ${message}`, MOODS[state], screen));
  if (repair) screen.out(painted(`         ${repair}`, 'plain', screen));
}
