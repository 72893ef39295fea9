import { ConfigurationFaults } from './document.ts';
import { memoryStore, openStateFolder, type Store } from './state.ts';

/** What a part starts from: its store, and the port it had, so that URLs written down before a kill still lead to it. */
// Each part knows the form of its own state; here it is never looked at, so it fits every one of them.
export type Kept = Readonly<{ store: Store<never>; port: number }>;

/** Starts parts and ends them again, the last one first. */
export type Keeper = Readonly<{
  start<Part extends Closable>(name: string, start: (kept: Kept) => Promise<Part>): Promise<Part>;
  /** The port that was kept under this name; 0 at the first start. */
  port(name: string): number;
  /** Keeps a port for the next start. */
  keepPort(name: string, port: number): void;
  onClose(close: () => Promise<void> | void): void;
  close(): Promise<void>;
}>;

type Closable = Readonly<{ port?: number; url?: string; close(): Promise<void> }>;

/** Keeps everything in memory, or in the folder when one is named. Throws ConfigurationFaults when the folder cannot be used. */
export function createKeeper(folder: string | undefined): Keeper {
  const state = folder === undefined ? undefined : openStateFolder(folder);
  const portStore =
    state?.store<Record<string, number>>('ports') ?? memoryStore<Record<string, number>>();
  const ports: Record<string, number> = portStore.load() ?? {};
  const closers: (() => Promise<void> | void)[] = state ? [() => state.release()] : [];
  const port = (name: string) => ports[name] ?? 0;
  const keepPort = (name: string, value: number) => {
    if (ports[name] === value) return;
    ports[name] = value;
    portStore.save(ports);
  };
  return {
    port,
    keepPort,
    async start(name, start) {
      const part = await start({
        store: state?.store<never>(name) ?? memoryStore<never>(),
        port: port(name),
      }).catch((error: NodeJS.ErrnoException & { port?: number }) => {
        if (error.code !== 'EADDRINUSE' || port(name) === 0) throw error;
        throw new ConfigurationFaults([
          `port ${error.port}, where ${name} listened when the state was made, is taken; end what listens there, or begin with an empty --state folder`,
        ]);
      });
      closers.push(() => part.close());
      keepPort(name, part.port ?? Number(new URL(part.url ?? '').port));
      return part;
    },
    onClose: (close) => void closers.push(close),
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}
