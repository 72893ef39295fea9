import { type Finding, fault, note, ok } from './finding.ts';

/** A clock elsewhere, and ours when it was read. */
export type Reading = Readonly<{ whose: string; theirs: Date; ours: Date }>;

// A Date header tells whole seconds; tokens and certificates forgive some minutes.
const MOST_MS = 30_000;

/** Whether all clocks agree within half a minute. When every other differs, ours is the wrong one. */
export function clockFinding(readings: readonly Reading[]): Finding {
  const check = 'clocks';
  if (readings.length === 0) return note(check, 'not checked: nothing answered');
  const wrong = readings.filter(({ theirs, ours }) => Math.abs(+theirs - +ours) > MOST_MS);
  if (wrong.length === 0) return ok(check, `${readings.length} agree with ours within 30 s`);
  const sentences = wrong.map(
    ({ whose, theirs, ours }) =>
      `that of ${whose} is ${Math.round(Math.abs(+theirs - +ours) / 1000)} s ${theirs > ours ? 'ahead of' : 'behind'} ours`,
  );
  const repair =
    wrong.length === readings.length
      ? 'sudo timedatectl set-ntp true'
      : 'compare with: curl -sI https://www.google.com | grep -i ^date';
  return fault(check, sentences.join('; '), repair);
}
