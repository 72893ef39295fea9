import type { LogEntry } from '../shared/log.ts';

/** What happened in this run, as the functions logged it. */
export type Journal = Readonly<{
  write: (entry: LogEntry) => void;
  wasIssued: (certificate: string) => boolean;
  wasWritten: (target: string) => boolean;
  /** Why reconcile could not hand the certificate on, when it could not. */
  notHandedOn: (certificate: string) => Readonly<{ code: string; sentence: string }> | undefined;
  orders: () => number;
}>;

/** Remembers the lines that the final report asks about, and passes every line on. */
export function createJournal(pass: (entry: LogEntry) => void): Journal {
  const issued = new Set<unknown>();
  const written = new Set<string>();
  const notHandedOn = new Map<unknown, Readonly<{ code: string; sentence: string }>>();
  let orders = 0;
  return {
    write(entry) {
      if (entry.message === 'certificate issued') issued.add(entry.certificate);
      if (entry.message === 'secret written')
        written.add(`${entry.cluster}/${entry.namespace}/${entry.secret}`);
      if (entry.message === 'certificate not handed on')
        notHandedOn.set(entry.certificate, {
          code: String(entry.code),
          sentence: String(entry.reason),
        });
      if (entry.message === 'order placed') orders += 1;
      pass(entry);
    },
    wasIssued: (certificate) => issued.has(certificate),
    wasWritten: (target) => written.has(target),
    notHandedOn: (certificate) => notHandedOn.get(certificate),
    orders: () => orders,
  };
}
