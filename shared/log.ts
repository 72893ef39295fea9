import { AsyncLocalStorage } from 'node:async_hooks';
import type { Fields, Log } from './ports.ts';

/** One line of the log, before it is printed. */
export type LogEntry = Readonly<{ severity: string; message: string; time: string }> & Fields;

const trace = new AsyncLocalStorage<string>();

/** Runs `work` so that its lines carry the request's trace (https://cloud.google.com/logging/docs/structured-logging). */
export function withTrace<T>(header: string | undefined, project: string, work: () => T): T {
  const id =
    header?.match(/^[\da-f]{2}-([\da-f]{32})-/)?.[1] ?? header?.match(/^([\da-f]{32})\//)?.[1];
  return id ? trace.run(`projects/${project}/traces/${id}`, work) : work();
}

const print = (entry: LogEntry): void => console.log(JSON.stringify(entry));

/**
 * A log for Cloud Logging: a constant phrase and its data, one JSON object a line. `Sensitive` values print as `[secret]`;
 * an Error among the fields prints as its message.
 */
export function createLog(write: (entry: LogEntry) => void = print): Log {
  const line =
    (severity: string) =>
    (message: string, fields: Fields = {}) => {
      const id = trace.getStore();
      write({
        severity,
        message,
        time: new Date().toISOString(),
        ...(id ? { 'logging.googleapis.com/trace': id } : {}),
        ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)])),
      });
    };
  return { debug: line('DEBUG'), info: line('INFO'), warn: line('WARNING'), error: line('ERROR') };
}

const plain = (value: unknown) => (value instanceof Error ? value.message : value);
