import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { z } from 'zod';
import { documentOf } from '../client.ts';
import type { Outcome, Session } from '../command.ts';
import { CliFault } from '../fault.ts';
import { painted, type Screen } from '../screen.ts';

const backupSchema = z.object({
  records: z.array(z.unknown()),
  invalid: z.array(z.object({ id: z.string(), problem: z.string() })),
});
type Backup = z.output<typeof backupSchema>;

/**
 * Records and configuration as one document, into a file or on stdout. Exit 1 when a record could not be read, for it is missing there.
 * With a file and `--json` the one document that is printed says what the file has.
 */
export async function backup(
  { out: file }: Readonly<{ out: string | undefined }>,
  { client }: Session,
): Promise<Outcome> {
  const { status, document } = await client.get('/v1/backup');
  const found = documentOf({ status, document }, backupSchema);
  const text = JSON.stringify(document, undefined, 2);
  if (file !== undefined) write(file, `${text}\n`);
  return {
    exitCode: found.invalid.length === 0 ? 0 : 1,
    document: file === undefined ? document : summary(file, found),
    show: (screen) => {
      screen.out(file === undefined ? text : sentence(file, found));
      showInvalid(found, screen);
    },
  };
}

function showInvalid({ invalid }: Backup, screen: Screen): void {
  for (const { id, problem } of invalid)
    screen.err(
      painted(`the record of ${id} ${problem}, so it is not in the backup`, 'bad', screen),
    );
}

const sentence = (file: string, { records }: Backup) =>
  `${records.length} records and the configuration are in ${file}; no key is.`;

const summary = (file: string, { records, invalid }: Backup) => ({
  file,
  records: records.length,
  invalid,
});

function write(file: string, text: string): void {
  try {
    const there = statSync(file, { throwIfNoEntry: false });
    // A device or a pipe is written to, never put aside.
    if (there && !there.isFile()) writeFileSync(file, text);
    else replace(there ? realpathSync(file) : file, text);
  } catch (cause) {
    throw new CliFault(1, `${file} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** The backup that was there stays until the new one is whole. Who asked for what is nobody else's business. */
function replace(file: string, text: string): void {
  // What a backup that was killed has left beside it is in nobody's way.
  const beside = `${file}.${randomUUID()}.tmp`;
  const descriptor = openSync(beside, 'wx', 0o600);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
