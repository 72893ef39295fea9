import { expect, test } from 'vitest';
import type { Report } from '../../local/report.ts';
import { reportText } from '../../local/table.ts';

/** A run that found nothing to do. */
const report = (differs: Partial<Report> = {}): Report => ({
  ...{ ok: true, seconds: 1.2, certificates: [], refused: [], served: [], faults: [] },
  acme: { orders: 0, signedRequests: 0, requests: 0 },
  ...differs,
});

const certificate: Report['certificates'][number] = {
  id: 'a-test-0123456789abcdef0123456789abcdef',
  names: ['a.test'],
  issuer: 'test',
  serial: '0a',
  notAfter: new Date('2026-04-01'),
  state: 'issued',
  reason: 'missing',
  message: 'there is none yet',
  targets: [],
};

const host: Report['served'][number] = {
  cluster: 'one',
  host: 'a.test',
  serial: '0a',
  proven: true,
  reason: undefined,
  secret: 'tls',
  certificate: certificate.id,
  notAfter: new Date('2026-04-01'),
};

test.for<[string, Report, string]>([
  [
    'nothing asks for a certificate',
    report(),
    'Nothing asks for a certificate: no Ingress opts in, and the configuration lists none; 1.2 s.',
  ],
  [
    'nothing could be read',
    report({ ok: false, faults: [{ resource: 'cluster one', message: 'is away' }] }),
    `FAULT    cluster one: is away
Not everything asked for is served: 0 certificates (0 new), 0 orders, 0 signed requests, 1.2 s.`,
  ],
  [
    'a certificate is only stored',
    report({ certificates: [certificate] }),
    'Everything asked for is served: 1 certificates (1 new), 0 orders, 0 signed requests, 1.2 s.',
  ],
])('without anything served there is no table: %s', ([, of, text]) => {
  expect(reportText(of)).toBe(text);
});

test('each served host is a row', () => {
  const [head, row, gap] = reportText(
    report({ certificates: [certificate], served: [host] }),
  ).split('\n');
  expect(head).toMatch(/^ *host +cluster +Secret +certificate +expires +proven *$/);
  expect(row).toMatch(/^ *a\.test +one +tls +a-test-01234567 +2026-04-01 +yes *$/);
  expect(gap).toBe('');
});
