import { cpus } from 'node:os';

/** One line of the table. `isReached` is undefined where nothing was measured; `samples` are the single figures, for machines. */
export type Line = Readonly<{
  row: string;
  what: string;
  reach: string;
  measured: string;
  isReached: boolean | undefined;
  peers: string;
  samples: unknown;
}>;

export type Report = Readonly<{ about: Readonly<Record<string, string>>; lines: readonly Line[] }>;

/** What was measured on, and with which settings. */
export const machine = (): Report['about'] => ({
  cores: String(cpus().length),
  processor: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  pebble:
    '-strict, PEBBLE_VA_NOSLEEP=1, PEBBLE_WFE_NONCEREJECT=0, PEBBLE_AUTHZREUSE=0, keyAlgorithm ecdsa; "0/0" and "1/1" are retryAfter authz/order in seconds',
});

/** A Markdown table with columns that line up in plain text too. */
export function reportText({ about, lines }: Report): string {
  const head = ['what', 'reach', 'measured: median (min-max)', 'reached', 'peers in the same run'];
  const rows = lines.map(({ what, reach, measured, isReached, peers }) => [
    ...[what, reach, measured, isReached ? 'yes' : 'NO', peers],
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  const text = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const notes = Object.entries(about).map(([key, value]) => `${key}: ${value}`);
  return [text(head), rule, ...rows.map(text), '', ...notes].join('\n');
}
