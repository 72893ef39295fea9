import Table from 'cli-table3';
import type { LogEntry } from '../shared/log.ts';
import type { Report, ReportedHost } from './report.ts';

/** A text of others on one line, without what would steer a terminal or make a log binary. */
export const plain = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** The final table, in a terminal of so many columns, and below it whatever is not as it should be. */
export function reportText(report: Report, columns = Number.POSITIVE_INFINITY): string {
  return [
    ...(report.served.length > 0 ? [servedTable(report, columns), ''] : []),
    ...problems(report).map(plain),
    summary(report),
  ].join('\n');
}

type Row = Readonly<Record<(typeof HEADS)[number], string>>;
type Widths = ReadonlyMap<keyof Row, number>;

const HEADS = ['host', 'cluster', 'Secret', 'certificate', 'expires', 'proven'] as const;

// What is given up first, and the width below which a column says nothing any more. The others stay whole.
const DISPENSABLE = { certificate: 12, Secret: 12, expires: 10 } as const;

const PADDING = 1;
const GAP = 1;

function servedTable({ served }: Report, columns: number): string {
  const rows = served
    .toSorted((a, b) => (`${a.cluster} ${a.host}` < `${b.cluster} ${b.host}` ? -1 : 1))
    .map(rowOf);
  const widths = fitted(widthsOf(rows), columns);
  const heads = HEADS.filter((head) => widths.has(head));
  const table = new Table({
    head: [...heads],
    colWidths: heads.map((head) => widths.get(head) ?? null),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': PADDING },
    chars: PLAIN,
  });
  for (const row of rows) table.push(heads.map((head) => row[head]));
  const gone = HEADS.filter((head) => !widths.has(head));
  return `${table}${gone.length > 0 ? `\n(no room for: ${gone.join(', ')})` : ''}`;
}

const rowOf = ({ host, cluster, secret, certificate, notAfter, proven }: ReportedHost): Row => ({
  host: plain(host),
  cluster: plain(cluster),
  Secret: plain(secret),
  certificate: plain(shortId(certificate)),
  expires: notAfter.toISOString().slice(0, 10),
  proven: proven ? 'yes' : 'NO',
});

const widthsOf = (rows: readonly Row[]): Widths =>
  new Map(
    HEADS.map((head) => [
      head,
      PADDING + rows.reduce((widest, row) => Math.max(widest, row[head].length), head.length),
    ]),
  );

/** The columns that have room, each as wide as it may be: of what does not fit, one is cut, and left out when too little would be left. */
function fitted(natural: Widths, columns: number): Widths {
  const widths = new Map(natural);
  for (const [head, least] of Object.entries(DISPENSABLE) as [keyof Row, number][]) {
    const all = widths.values().reduce((sum, width) => sum + width + GAP, -GAP);
    if (all <= columns) break;
    const left = (widths.get(head) ?? 0) - (all - columns);
    if (left >= least + PADDING) widths.set(head, left);
    else widths.delete(head);
  }
  return widths;
}

function summary({ ok, certificates, acme, seconds }: Report): string {
  if (ok && certificates.length === 0)
    return `Nothing asks for a certificate: no Ingress opts in, and the configuration lists none; ${seconds} s.`;
  const issued = certificates.filter(({ state }) => state === 'issued').length;
  const { orders, signedRequests } = acme;
  return `${ok ? 'Everything asked for is served' : 'Not everything asked for is served'}: ${certificates.length} certificates (${issued} new), ${orders} orders, ${signedRequests} signed requests, ${seconds} s.`;
}

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
};

/** The slug and the first digits of the hash: enough to tell certificates apart on a screen. */
const shortId = (id: string) => id.replace(/-([0-9a-f]{8})[0-9a-f]{24}$/, '-$1');

function problems({ certificates, refused, served, faults }: Report): readonly string[] {
  return [
    ...faults.map(({ resource, message }) => `FAULT    ${resource}: ${message}`),
    ...refused.map(
      ({ cluster, kind, namespace, name, message }) =>
        `REFUSED  ${kind} ${cluster}/${namespace}/${name}: ${message}`,
    ),
    ...certificates
      .filter(({ state }) => state !== 'issued' && state !== 'kept')
      .map(
        ({ names, state, message }) =>
          `${state.toUpperCase().padEnd(8)} ${names.join(', ')}: ${message}`,
      ),
    ...certificates.flatMap(({ targets }) =>
      targets
        .filter(({ state }) => state === 'refused' || state === 'failed')
        .map(
          ({ cluster, namespace, secret, state, reason }) =>
            `${state.toUpperCase().padEnd(8)} Secret ${cluster}/${namespace}/${secret}: ${reason}`,
        ),
    ),
    ...served
      .filter(({ proven }) => !proven)
      .map(({ cluster, host, reason }) => `UNPROVEN ${host} on ${cluster}: ${reason}`),
  ];
}

/** A log line for a person who watches. */
export function progressLine({ time, severity, message, ...fields }: LogEntry): string {
  const what = fields.host ?? fields.secret ?? fields.cluster ?? '';
  const why = fields.explanation ?? fields.reason ?? '';
  const mark = severity === 'ERROR' ? '!' : severity === 'WARNING' ? '~' : ' ';
  const id = typeof fields.certificate === 'string' ? shortId(fields.certificate) : '';
  const told = [id, what, why].filter((part) => part !== '').join('  ');
  return plain(`${time.slice(11, 23)} ${mark} ${message.padEnd(20)} ${told}`);
}
