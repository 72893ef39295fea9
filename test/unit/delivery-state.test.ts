import { expect, test } from 'vitest';
import { type Delivering, deliveryState } from '../../shared/domain/delivery-state.ts';
import { target } from './build.ts';

const refusal = (of: Parameters<typeof target>[0] = {}) => {
  const { cluster, namespace, secret } = target(of);
  return `Secret ${cluster}/${namespace}/${secret} exists and belongs to somebody else`;
};
const asker = { cluster: 'prod', namespace: 'shop' };
const delivered = (failed: readonly string[], version = 2) => ({ version, failed });

test.for<[string, Partial<Delivering>, string]>([
  ['one that is not issued', { version: null }, 'nothing to deliver'],
  ['one that nobody asks for', {}, 'stored only'],
  ['one that went nowhere yet', { askers: [asker] }, 'not yet delivered'],
  [
    'one whose version before is out',
    { targets: [target()], delivered: delivered([], 1) },
    'not yet delivered',
  ],
  ['one that is everywhere', { askers: [asker], delivered: delivered([]) }, 'delivered'],
  [
    'one that the only Secret refused',
    { targets: [target()], delivered: delivered([refusal()]) },
    'not delivered',
  ],
  [
    'one that the only namespace refused',
    { askers: [asker], delivered: delivered([refusal()]) },
    'not delivered',
  ],
  [
    'one that a cluster refused whose namespaces have no room in the record',
    { askers: [{ cluster: 'prod', namespace: '*' }], delivered: delivered([refusal()]) },
    'not delivered',
  ],
  [
    'one that a Secret refused whose name only begins alike',
    { targets: [target(), target({ secret: 'tl' })], delivered: delivered([refusal()]) },
    'in part',
  ],
  [
    'one that the namespace of one cluster refused',
    {
      askers: [asker, { cluster: 'ovh', namespace: 'shop' }],
      delivered: delivered([refusal()]),
    },
    'in part',
  ],
  [
    'one that a Secret by hand refused, and an Ingress has',
    {
      askers: [asker],
      targets: [target({ namespace: 'web' })],
      delivered: delivered([refusal({ namespace: 'web' })]),
    },
    'in part',
  ],
  ['one that nobody asks for, though sync went by', { delivered: delivered([]) }, 'stored only'],
])('%s', ([, differs, state]) => {
  const known = { version: 2, delivered: null, targets: [], askers: [], ...differs };
  expect(deliveryState(known)).toBe(state);
});
