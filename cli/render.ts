import { deliveryState } from '../shared/domain/delivery-state.ts';
import type { Certificate } from './documents.ts';
import { type Cell, type Column, type Mood, painted, type Screen, table } from './screen.ts';

const MOST_NAMES = 3;

/** Some names, a line each; what is beyond the third is counted. */
export function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return [...names.slice(0, MOST_NAMES), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

const MOODS: Readonly<Record<string, Mood>> = {
  issued: 'good',
  failed: 'bad',
  'in part': 'bad',
  'not delivered': 'bad',
};

const moody = (text: string): Cell => ({ text, mood: MOODS[text] ?? 'plain' });

const COLUMNS: readonly Column[] = [
  ['NAMES', 34],
  ['ISSUER', 14],
  ['STATE', 11],
  ['ENDS', 12],
  ['VERSION', 9],
  ['DELIVERY', 20],
];

/** The certificates as a table, each with its id below it, and then the sentences about what failed. */
export function showCertificates(
  certificates: readonly Certificate[],
  screen: Screen,
  now: Date,
): void {
  screen.out(
    table(
      COLUMNS,
      certificates.flatMap((of) => [row(of), [{ text: `id ${of.id}`, mood: 'soft' }]]),
      screen,
    ),
  );
  for (const sentence of certificates.flatMap((of) => troubles(of, now)))
    screen.out(painted(sentence, 'bad', screen));
}

function row(of: Certificate): readonly Cell[] {
  const { names, issuer, state, notAfter, version } = of;
  return [
    names ? listed(names) : 'left out while its order is open',
    issuer,
    moody(state),
    notAfter?.toISOString().slice(0, 10) ?? '-',
    version === null ? '-' : String(version),
    moody(deliveryState(of)),
  ];
}

// CAs date a certificate back by up to an hour, and the hourly run makes good what an event did not.
const PATIENCE_MS = 2 * 3_600_000;

/** What stands in the way of a certificate and its delivery, a sentence each. */
export function troubles(of: Certificate, now: Date): readonly string[] {
  const { id, failure, delivered, version, notBefore } = of;
  const isLate = notBefore !== null && now.getTime() - notBefore.getTime() > PATIENCE_MS;
  return [
    ...(failure
      ? [
          `${id}: ${failure.code}: ${failure.message}; tried again at ${failure.retryAt.toISOString()}`,
        ]
      : []),
    ...(isLate && deliveryState(of) === 'not yet delivered'
      ? [`${id}: version ${version} is not yet delivered everywhere; "doctor" finds out why`]
      : []),
    ...(delivered?.failed.map((sentence) => `${id}: ${sentence}`) ?? []),
  ];
}
