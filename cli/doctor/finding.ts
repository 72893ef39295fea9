/**
 * What one check found. `note` is no fault: there is nothing yet to look at, or nobody but a person can judge it. `unseen` is what should
 * have been looked at and could not be, so it is not fine either. `repair` is a command that can be copied, what is in capitals filled in;
 * `advice` a sentence, where no command does it.
 */
export type Finding = Readonly<{
  check: string;
  state: 'ok' | 'note' | 'unseen' | 'fault';
  message: string;
  repair?: string | undefined;
  advice?: string | undefined;
}>;

/** A command, or the sentence in its place. */
export type Remedy = string | Readonly<{ advice: string }>;

export const ok = (check: string, message: string): Finding => ({ check, state: 'ok', message });

const finding =
  <R extends Remedy | undefined>(state: Finding['state']) =>
  (check: string, message: string, remedy: R): Finding => ({
    ...{ check, state, message },
    ...(typeof remedy === 'object' ? remedy : { repair: remedy }),
  });

export const fault = finding<Remedy>('fault');

const noted = finding<Remedy | undefined>('note');
export const note = (check: string, message: string, remedy?: Remedy): Finding =>
  noted(check, message, remedy);

const unknown = finding<Remedy | undefined>('unseen');

// The api's title for a role that is missing.
const isRoleMissing = (why: string) => why.startsWith('Your role ');

/** What could not be looked at, and why. Mostly another line has the remedy; a role that is missing has none of its own. */
export const unseen = (check: string, why: string, remedy?: Remedy): Finding =>
  unknown(
    check,
    `not checked: ${why}`,
    isRoleMissing(why) ? { advice: 'have an operator or an admin run doctor' } : remedy,
  );
