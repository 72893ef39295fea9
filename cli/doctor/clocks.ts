import { type Finding, fault, ok, unseen } from './finding.ts';

/** A clock elsewhere, and ours when it was read. */
export type Reading = Readonly<{ whose: string; theirs: Date; ours: Date }>;

// A Date header tells whole seconds; tokens and certificates forgive some minutes.
const MOST_MS = 30_000;

const ELSEWHERE =
  "Google keeps the clocks of its functions: look at this again in some minutes, and then at Google's status page";

/** Whether all clocks agree within half a minute. When every other differs, ours is the wrong one. */
export function clockFinding(readings: readonly Reading[]): Finding {
  const check = 'clocks';
  if (readings.length === 0) return unseen(check, 'nothing answered');
  const wrong = readings.filter(({ theirs, ours }) => Math.abs(+theirs - +ours) > MOST_MS);
  if (wrong.length === 0) return ok(check, `${readings.length} agree with ours within 30 s`);
  const sentences = wrong.map(
    ({ whose, theirs, ours }) =>
      `that of ${whose} is ${Math.round(Math.abs(+theirs - +ours) / 1000)} s ${theirs > ours ? 'ahead of' : 'behind'} ours`,
  );
  const isOurs = wrong.length === readings.length;
  return fault(
    check,
    `${sentences.join('; ')}; ${isOurs ? 'all differ, so ours is the wrong one' : 'ours agrees with the others'}`,
    isOurs ? 'sudo timedatectl set-ntp true' : { advice: ELSEWHERE },
  );
}
