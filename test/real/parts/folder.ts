import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A folder of its own, gone after the test. */
export type Folder = Readonly<{
  path: string;
  /** Writes the file, making it readable for nobody else, and returns its path. What is no text becomes JSON, which is YAML. */
  write(name: string, content: unknown): string;
  remove(): void;
}>;

export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'certherd-real-'));
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), {
        mode: 0o600,
      });
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
