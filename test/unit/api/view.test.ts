import { expect, test } from 'vitest';
import { certificateView } from '../../../functions/api/view.ts';
import type { CertificateRecord } from '../../../shared/domain/record.ts';
import { day, issued, record, stored } from '../build.ts';

const NOW = day(10);
const failure = { code: 'ca-rejected', message: 'no', count: 2, retryAt: day(11) };
const order = { url: 'https://ca.test/order/1', after: 1 };
const lease = (until: Date) => ({ holder: 'h', until });

test.for<[string, Partial<CertificateRecord>, string]>([
  ['a certificate that is there is issued', {}, 'issued'],
  ['one that nobody worked on is requested', { issued: undefined }, 'requested'],
  ['one with an open order is issuing', { issued: undefined, order }, 'issuing'],
  [
    'one under a lease is issuing, whatever failed before',
    { failure, lease: lease(day(11)) },
    'issuing',
  ],
  ['a lease that is over says nothing', { lease: lease(NOW) }, 'issued'],
  ['the last failure counts, though an earlier version is there', { failure, order }, 'failed'],
])('%s', ([, differs, state]) => {
  expect(certificateView(stored(differs), NOW).state).toBe(state);
});

test('what is not known is null, and neither order, challenge, lease nor etag is shown', () => {
  const identity = { ...record().identity, names: undefined };
  const view = certificateView(
    stored({ identity, issued: undefined, delivered: undefined, order, lease: lease(day(11)) }),
    NOW,
  );
  expect(view).toEqual({
    id: stored().id,
    names: null,
    issuer: 'production',
    keyType: 'ec-p256',
    state: 'issuing',
    serial: null,
    notBefore: null,
    notAfter: null,
    version: null,
    renewAt: null,
    failure: null,
    delivered: null,
    targets: [],
    askers: [{ cluster: 'prod', namespace: 'shop' }],
    createdAt: day(0),
  });
});

test('the moment of renewal lies after two thirds of life', () => {
  const { renewAt } = certificateView(stored({ issued: issued() }), NOW);
  expect(renewAt && renewAt >= day(60) && renewAt <= day(62)).toBe(true);
});
