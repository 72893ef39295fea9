import type { Certificate } from './documents.ts';
import { type Cell, type Column, type Mood, painted, type Screen, table } from './screen.ts';

const MOST_NAMES = 3;

/** Some names, a line each; what is beyond the third is counted. */
export function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return [...names.slice(0, MOST_NAMES), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

const MOODS: Readonly<Record<string, Mood>> = { issued: 'good', failed: 'bad' };

const COLUMNS: readonly Column[] = [
  ['NAMES', 36],
  ['ISSUER', 14],
  ['STATE', 11],
  ['ENDS', 12],
  ['VERSION', 9],
  ['DELIVERY', 18],
];

/** The certificates as a table, each with its id below it, and then the sentences about what failed. */
export function showCertificates(certificates: readonly Certificate[], screen: Screen): void {
  screen.out(
    table(
      COLUMNS,
      certificates.flatMap((of) => [row(of), [{ text: `id ${of.id}`, mood: 'soft' }]]),
      screen,
    ),
  );
  for (const sentence of certificates.flatMap(troubles))
    screen.out(painted(sentence, 'bad', screen));
}

function row(of: Certificate): readonly Cell[] {
  const { names, issuer, state, notAfter, version } = of;
  return [
    names ? listed(names) : 'too many names for its record',
    issuer,
    { text: state, mood: MOODS[state] ?? 'plain' },
    notAfter?.toISOString().slice(0, 10) ?? '-',
    version === null ? '-' : String(version),
    delivery(of),
  ];
}

function delivery({ version, delivered, targets, askers }: Certificate): string {
  if (version === null) return '-';
  if (delivered?.version === version) return delivered.failed.length > 0 ? 'in part' : 'delivered';
  return targets.length + askers.length > 0 ? 'not yet' : 'stored only';
}

/** What stands in the way of a certificate and its delivery, a sentence each. */
export function troubles({ id, failure, delivered }: Certificate): readonly string[] {
  return [
    ...(failure
      ? [
          `${id}: ${failure.code}: ${failure.message}; tried again at ${failure.retryAt.toISOString()}`,
        ]
      : []),
    ...(delivered?.failed.map((sentence) => `${id}: ${sentence}`) ?? []),
  ];
}
