import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { Role } from '../../../local/accounts.ts';
import { requireRight, rightsOf } from '../../../local/rights.ts';

const SECRETS = '/v1/projects/p/secrets';
const rights = rightsOf('herd', {
  reader: ['kubeconfig', 'reads.everything', 'herd-account-ca'],
  writer: ['kubeconfig', 'kubeconfig-account-x'],
});

const asked = (call: string, authorization = 'Bearer token') => {
  const [method = '', url = ''] = call.split(' ');
  return { method, url, headers: { authorization } } as IncomingMessage;
};

const may = (role: Role, call: string) => {
  try {
    requireRight(asked(call), () => role, rights);
    return true;
  } catch {
    return false;
  }
};

test.for<[string, Role, string, boolean]>([
  ['issue reads an account key', 'issue', `GET ${SECRETS}/herd-account-ca/versions/1:access`, true],
  ['issue reads a pending key', 'issue', `GET ${SECRETS}/herd-pending-a-b/versions/1:access`, true],
  ['issue reads no certificate', 'issue', `GET ${SECRETS}/herd-cert-a/versions/1:access`, false],
  [
    'issue reads no certificate whose host a tenant named like a key',
    'issue',
    `GET ${SECRETS}/herd-cert-my-account-a-test-0f/versions/1:access`,
    false,
  ],
  [
    'issue destroys no certificate whose host a tenant named like a pending key',
    'issue',
    `POST ${SECRETS}/herd-cert-my-pending-a-test-0f/versions/1:destroy`,
    false,
  ],
  [
    "issue reads no other installation's keys",
    'issue',
    `GET ${SECRETS}/cow-account-ca/versions/1:access`,
    false,
  ],
  ['issue reads no kubeconfig', 'issue', `GET ${SECRETS}/kubeconfig/versions/1:access`, false],
  ['issue lists no secrets', 'issue', `GET ${SECRETS}`, false],
  ['sync reads a certificate', 'sync', `GET ${SECRETS}/herd-cert-a/versions/1:access`, true],
  ['sync reads no account key', 'sync', `GET ${SECRETS}/herd-account-ca/versions/1:access`, false],
  [
    'sync reads the kubeconfig of a cluster named like a key',
    'sync',
    `GET ${SECRETS}/kubeconfig-account-x/versions/1:access`,
    true,
  ],
  ['sync lists no secrets', 'sync', `GET ${SECRETS}`, false],
  [
    'reconcile reads no certificate',
    'reconcile',
    `GET ${SECRETS}/herd-cert-a/versions/1:access`,
    false,
  ],
  [
    'reconcile reads a kubeconfig',
    'reconcile',
    `GET ${SECRETS}/kubeconfig/versions/1:access`,
    true,
  ],
  [
    "reconcile reads no writer's kubeconfig",
    'reconcile',
    `GET ${SECRETS}/kubeconfig-account-x/versions/1:access`,
    false,
  ],
  [
    "sync reads no reader's kubeconfig",
    'sync',
    `GET ${SECRETS}/reads.everything/versions/1:access`,
    false,
  ],
  [
    'reconcile reads no secret whose id only looks like that of a kubeconfig',
    'reconcile',
    `GET ${SECRETS}/reads-everything/versions/1:access`,
    false,
  ],
  [
    'reconcile reads no account key that a configuration takes for a kubeconfig',
    'reconcile',
    `GET ${SECRETS}/herd-account-ca/versions/1:access`,
    false,
  ],
  ['the api reads no kubeconfig', 'api', `GET ${SECRETS}/kubeconfig/versions/1:access`, false],
  ['the operator may all', 'operator', `DELETE ${SECRETS}/herd-cert-a`, true],
])('%s', ([, role, call, isGranted]) => {
  expect(may(role, call)).toBe(isGranted);
});

test('without a token of ours nothing is answered', () => {
  expect(() => requireRight(asked(`GET ${SECRETS}`), () => undefined, rights)).toThrow(
    'invalid authentication credentials',
  );
});
