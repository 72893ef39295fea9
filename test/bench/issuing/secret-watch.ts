import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { Agent, fetch } from 'undici';
import type { LogEntry } from '../../../shared/log.ts';
import type { RunningApiServer } from '../../real/parts/kube-apiserver.ts';

/** The Secrets of one namespace as they appear, told by the API server. */
export type SecretWatch = Readonly<{
  /** The moment, by `performance.now()`, at which the API server tells of the Secret. Throws what was logged when it never does. */
  appeared(name: string): Promise<number>;
  close(): Promise<void>;
}>;

const PATIENCE_MS = 60_000;

/** Makes the namespace when it is absent, and watches it. */
export async function watchSecrets(
  { server, ca, token }: RunningApiServer,
  namespace: string,
  troubles: () => readonly LogEntry[],
): Promise<SecretWatch> {
  const dispatcher = new Agent({ connect: { ca }, bodyTimeout: 0 });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const made = await fetch(`${server}/api/v1/namespaces`, {
    ...{ method: 'POST', dispatcher, headers },
    body: JSON.stringify({ metadata: { name: namespace } }),
  });
  await made.text();
  const watching = new AbortController();
  const stream = await fetch(`${server}/api/v1/namespaces/${namespace}/secrets?watch=1`, {
    ...{ dispatcher, headers, signal: watching.signal },
  });
  if (!stream.body) throw new Error('the watch of Secrets has no body');
  const waiting = new Map<string, (moment: number) => void>();
  const input = Readable.fromWeb(stream.body);
  // It ends by being aborted.
  input.on('error', () => {});
  const lines = createInterface({ input });
  lines.on('line', (line) => {
    const { type, object } = JSON.parse(line) as WatchEvent;
    if (type === 'ADDED') waiting.get(object.metadata.name)?.(performance.now());
  });
  return {
    appeared(name) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const late = () =>
        reject(new Error(`Secret ${name} was not written: ${JSON.stringify(troubles())}`));
      const timer = setTimeout(late, PATIENCE_MS);
      waiting.set(name, resolve);
      return promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(name);
      });
    },
    async close() {
      const closed = once(lines, 'close');
      watching.abort();
      lines.close();
      await closed;
      await dispatcher.destroy();
    },
  };
}

type WatchEvent = Readonly<{ type: string; object: { metadata: { name: string } } }>;
