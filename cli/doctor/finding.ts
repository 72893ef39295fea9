/**
 * What one check found. A note is no fault: it says what could not be found out, and why. `repair` is a command, or what to do where
 * there is no command for it.
 */
export type Finding = Readonly<{
  check: string;
  state: 'ok' | 'note' | 'fault';
  message: string;
  repair?: string | undefined;
}>;

export const ok = (check: string, message: string): Finding => ({ check, state: 'ok', message });

export const note = (check: string, message: string, repair?: string): Finding => ({
  ...{ check, state: 'note', message },
  repair,
});

export const fault = (check: string, message: string, repair: string): Finding => ({
  ...{ check, state: 'fault', message },
  repair,
});
