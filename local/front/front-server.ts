import type { KeyPair } from './virtual-hosts.ts';

/** A host and the pair it is served with, the fallback's where it has none of its own. */
export type ServedHost = Readonly<{ host: string; pair: KeyPair }>;

/** What terminates TLS on 127.0.0.1 for a front. */
export interface FrontServer {
  readonly port: number;
  /**
   * Resolves when every new connection is served by exactly these hosts; open connections live on.
   * Rejects with a sentence when that could not be brought about: then the former hosts stay served.
   */
  serve(hosts: readonly ServedHost[]): Promise<void>;
  close(): Promise<void>;
}

/** Takes what a front has to say: `message` is a constant phrase, the rest are its data. */
export type FrontLog = (event: { message: string } & Record<string, unknown>) => void;
