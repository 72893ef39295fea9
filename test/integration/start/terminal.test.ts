import { describe, expect, test } from 'vitest';
import type { Report } from '../../../local/report.ts';
import { plain, progressLine, reportText } from '../../../local/table.ts';

// NUL, which makes a log binary; ESC and the one-byte CSI, which steer; line ends, which forge a line.
const NASTY = 'a\u0000b\u001b[2Jc\u009b1Ad\r\ne\u007f';
const TAMED = 'a b [2Jc 1Ad e ';

const where = { cluster: NASTY, namespace: NASTY, name: NASTY, secret: NASTY };
const said = { reason: NASTY, message: NASTY };

const report: Report = {
  ok: false,
  seconds: 1,
  certificates: [
    {
      ...{ id: NASTY, names: [NASTY], issuer: NASTY, serial: NASTY, notAfter: undefined, ...said },
      state: 'failed',
      targets: [{ ...where, state: 'refused', reason: NASTY }],
    },
  ],
  refused: [{ ...where, ...said, kind: NASTY }],
  served: [
    {
      ...{ ...where, ...said, host: NASTY, serial: NASTY, certificate: NASTY },
      ...{ proven: false, notAfter: new Date('2026-04-01') },
    },
  ],
  acme: { orders: 0, signedRequests: 0, requests: 0 },
  faults: [{ resource: NASTY, message: NASTY }],
};

test('what others named steers no terminal in the final report, and makes no lines of its own', () => {
  const lines = reportText(report).split('\n');
  expect(lines.filter((line) => /\p{Cc}/u.test(line))).toEqual([]);
  expect(lines).toEqual([
    expect.stringMatching(/^host +cluster +Secret +certificate +expires +proven *$/),
    expect.stringMatching(/^(a b \[2Jc 1Ad e {2,}){4}2026-04-01 +NO *$/),
    '',
    `FAULT    ${TAMED}: ${TAMED}`,
    `REFUSED  ${TAMED} ${TAMED}/${TAMED}/${TAMED}: ${TAMED}`,
    `FAILED   ${TAMED}: ${TAMED}`,
    `REFUSED  Secret ${TAMED}/${TAMED}/${TAMED}: ${TAMED}`,
    `UNPROVEN ${TAMED} on ${TAMED}: ${TAMED}`,
    expect.stringMatching(/^Not everything asked for is served/),
  ]);
});

describe('the final table', () => {
  const host = {
    ...{ cluster: 'prod', host: 'playground.example.org', secret: 'kubelego-tls-redirector' },
    ...{ certificate: `playground-example-org-${'0123456789abcdef'.repeat(2)}`, serial: '1' },
    ...{ proven: true, reason: undefined, notAfter: new Date('2026-04-01') },
  };
  const fine = { ...report, ok: true, certificates: [], refused: [], served: [host], faults: [] };
  const all =
    'playground.example.org  prod     kubelego-tls-redirector  playground-example-org-01234567  2026-04-01  yes';

  test.for<[string, number | undefined, string, string]>([
    ['has everything where there is no terminal', undefined, all, ''],
    ['has everything in a wide one', 110, all, ''],
    [
      'cuts the certificate first',
      109,
      'playground.example.org  prod     kubelego-tls-redirector  playground-example-org-012345…  2026-04-01  yes',
      '',
    ],
    [
      'cuts it to twelve letters at most',
      91,
      'playground.example.org  prod     kubelego-tls-redirector  playground-…  2026-04-01  yes',
      '',
    ],
    [
      'leaves it out before it says nothing any more',
      90,
      'playground.example.org  prod     kubelego-tls-redirector  2026-04-01  yes',
      '(no room for: certificate)',
    ],
    [
      'then cuts the Secret',
      66,
      'playground.example.org  prod     kubelego-tl…  2026-04-01  yes',
      '(no room for: certificate)',
    ],
    [
      'leaves the Secret out',
      65,
      'playground.example.org  prod     2026-04-01  yes',
      '(no room for: Secret, certificate)',
    ],
    [
      'keeps host and proof whole in the narrowest',
      30,
      'playground.example.org  prod     yes',
      '(no room for: Secret, certificate, expires)',
    ],
  ])('%s', ([, columns, row, note]) => {
    const [, first = '', second = ''] = reportText(fine, columns).split('\n');
    expect([first.trimEnd(), second]).toEqual([row, note]);
    if (columns && columns > 36) expect(first.length).toBeLessThanOrEqual(columns);
  });
});

test.for(['host', 'secret', 'cluster', 'explanation', 'reason', 'certificate'])(
  'a log line of a hostile %s is one line without control characters',
  (field) => {
    const entry = { time: '2026-01-01T08:00:00.000Z', severity: 'INFO', message: 'seen' } as const;
    const line = progressLine({ ...entry, [field]: NASTY });
    expect(line).toBe(`08:00:00.000   seen                 ${TAMED}`);
  },
);

test('any other text keeps its letters, whatever their script', () => {
  expect(plain('Größe 例え.テスト – „ok“')).toBe('Größe 例え.テスト – „ok“');
});
