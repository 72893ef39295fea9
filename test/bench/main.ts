import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { messageOf } from '../../shared/errors.ts';
import { type Bench, openBench, type Row } from './bench.ts';
import { coldStartRow, memoryRow } from './cold-start.ts';
import { startRow, testRow } from './commands.ts';
import { reconcileRow } from './fleet/rows.ts';
import { issueObeyingRow, issueRow, requestsRow, tenRow } from './issuing/rows.ts';
import { missing } from './parts.ts';
import { type Line, machine, reportText } from './report.ts';
import { terraformApplyRow, terraformTestRow } from './terraform.ts';

const ROWS: readonly Row[] = [
  issueRow,
  issueObeyingRow,
  requestsRow,
  tenRow,
  startRow,
  coldStartRow,
  memoryRow,
  terraformTestRow,
  terraformApplyRow,
  testRow,
  // Last: the API server keeps what it is filled with.
  reconcileRow,
];

type Options = Readonly<{ json?: string; only?: readonly string[] }>;

const { json, only = ROWS.map(({ name }) => name) } = new Command('npm run bench --')
  .description(
    'Measures what this program promises, beside its peers. Parts come from PATH and KUBEBUILDER_ASSETS.',
  )
  .option('--json <file>', 'write the single figures there as JSON')
  .addOption(
    new Option('--only <row...>', 'these rows alone').choices(ROWS.map(({ name }) => name)),
  )
  .parse()
  .opts<Options>();

const bench = openBench();
const lines: Line[] = [];
try {
  for (const row of ROWS)
    if (only.includes(row.name)) {
      process.stderr.write(`${row.name} ...\n`);
      lines.push(...(await linesOf(row, bench)));
    }
} finally {
  await bench.close();
}
const report = { about: machine(), lines };
console.log(reportText(report));
if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
process.exit(lines.every(({ isReached }) => isReached) ? 0 : 1);

/** A row that cannot be measured says why, and the others go on. */
async function linesOf({ name, what, reach, needs, measure }: Row, on: Bench): Promise<Line[]> {
  const unmeasured = (reason: string): Line[] => [
    {
      ...{ row: name, what, reach, peers: '', samples: undefined },
      measured: `not measured: ${reason}`,
      isReached: undefined,
    },
  ];
  const absent = missing(needs);
  if (absent.length > 0) return unmeasured(absent.join(', '));
  try {
    return (await measure(on)).map((line) => ({ row: name, reach, ...line }));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    return unmeasured(messageOf(error).split('\n')[0] ?? '');
  }
}
