import Table from 'cli-table3';
import type { LogEntry } from '../shared/log.ts';
import type { Report } from './report.ts';

/** A text of others on one line, without what would steer a terminal or make a log binary. */
export const plain = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** The final table, and below it whatever is not as it should be. */
export function reportText(report: Report): string {
  return [
    ...(report.served.length > 0 ? [servedTable(report), ''] : []),
    ...problems(report).map(plain),
    summary(report),
  ].join('\n');
}

function servedTable({ served }: Report): string {
  const table = new Table({
    head: ['host', 'cluster', 'Secret', 'certificate', 'expires', 'proven'],
    style: { head: [], border: [] },
    chars: PLAIN,
  });
  const rows = served.toSorted((a, b) =>
    `${a.cluster} ${a.host}` < `${b.cluster} ${b.host}` ? -1 : 1,
  );
  for (const { host, cluster, secret, certificate, notAfter, proven } of rows)
    table.push([
      ...[host, cluster, secret, shortId(certificate)].map(plain),
      notAfter.toISOString().slice(0, 10),
      proven ? 'yes' : 'NO',
    ]);
  return table.toString();
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
