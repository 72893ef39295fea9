import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { documentOf } from '../client.ts';
import type { ExitCode, Session } from '../command.ts';
import { CliFault } from '../fault.ts';
import { painted } from '../screen.ts';

const backupSchema = z.object({
  records: z.array(z.unknown()),
  invalid: z.array(z.object({ id: z.string(), problem: z.string() })),
});

/** Records and configuration as one document, into a file or on stdout. Exit 1 when a record could not be read, for it is missing there. */
export async function backup(
  { out }: Readonly<{ out: string | undefined }>,
  { client, screen }: Session,
): Promise<ExitCode> {
  const answer = await client.get('/v1/backup');
  const { records, invalid } = documentOf(answer, backupSchema);
  const text = JSON.stringify(answer.document, undefined, 2);
  if (out === undefined) screen.out(text);
  else {
    write(out, `${text}\n`);
    screen.out(`${records.length} records and the configuration are in ${out}; no key is.`);
  }
  for (const { id, problem } of invalid)
    screen.err(
      painted(`the record of ${id} ${problem}, so it is not in the backup`, 'bad', screen),
    );
  return invalid.length === 0 ? 0 : 1;
}

// Who asked for what is nobody else's business.
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o600 });
  } catch (cause) {
    throw new CliFault(1, `${file} cannot be written: ${(cause as Error).message}`, { cause });
  }
}
