import type { Outcome, Session } from '../command.ts';
import { type Examination, examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { type Mood, painted, type Screen } from '../screen.ts';

/** Looks at a deployment from outside, a line for each check. Exit 1 when one is not as it should be, or could not be looked at. */
export async function doctor(examination: Examination, session: Session): Promise<Outcome> {
  const findings = await examine(examination, session);
  const isFine = findings.every(({ state }) => state === 'ok' || state === 'note');
  return {
    exitCode: isFine ? 0 : 1,
    document: { ok: isFine, findings },
    show: (screen) => {
      for (const finding of findings) show(finding, screen);
    },
  };
}

const MOODS: Readonly<Record<Finding['state'], Mood>> = {
  ok: 'good',
  note: 'soft',
  unseen: 'bad',
  fault: 'bad',
};

/** A command stands alone on its line, unbroken, so that it can be copied; what is no command begins with "do:". */
function show({ check, state, message, repair, advice }: Finding, screen: Screen): void {
  screen.out(painted(`${state.padEnd(6)} ${check}: ${message}`, MOODS[state], screen));
  if (repair) screen.out(painted(`         ${repair}`, 'plain', screen));
  if (advice) screen.out(painted(`         do: ${advice}`, 'plain', screen));
}
