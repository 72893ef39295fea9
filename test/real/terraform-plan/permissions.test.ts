import { beforeAll, describe, expect, test } from 'vitest';
import { type Grant, grantsOf } from './grants.ts';
import { permissionsPage, promised } from './page.ts';
import { factsOf, planOf, ROOT_NAMES } from './plan.ts';

const page = permissionsPage();
const lines = (grants: readonly Grant[]) =>
  grants.map(({ permission, who, on }) => `${who}: ${permission} on ${on}`).sort();

describe.each(ROOT_NAMES)('%s', (root) => {
  let grants: readonly Grant[] = [];
  beforeAll(async () => {
    grants = grantsOf(await planOf(root));
  });

  test('grants what docs/permissions.md says, and nothing else', () => {
    // People are several; the page says nothing twice, for of two rows one could be wrong.
    expect([...new Set(lines(grants))]).toEqual(lines(promised(page, factsOf(root))));
  });

  test.for<[string, (grant: Grant) => boolean]>([
    [
      'reconcile and api read no payload but kubeconfigs',
      ({ who, permission, on }) =>
        ['reconcile', 'api'].includes(who) &&
        permission === 'secretmanager.versions.access' &&
        !on.startsWith('secret '),
    ],
    [
      'the api reads no payload at all',
      ({ who, permission }) => who === 'api' && permission === 'secretmanager.versions.access',
    ],
    [
      'issue reads keys and no certificate',
      ({ who, permission, on }) =>
        who === 'issue' && permission.endsWith('versions.access') && !isOnKeysOnly(on),
    ],
    [
      'issue reaches no cluster',
      ({ who, permission }) => who === 'issue' && permission.startsWith('container.'),
    ],
    [
      'sync and the api touch no DNS',
      ({ who, permission }) => ['sync', 'api'].includes(who) && permission.startsWith('dns.'),
    ],
    [
      'reconcile writes no record set',
      ({ who, permission }) =>
        who === 'reconcile' && permission.startsWith('dns.') && !permission.endsWith('.list'),
    ],
    [
      'only issue adds versions',
      ({ who, permission }) => who !== 'issue' && permission.endsWith('versions.add'),
    ],
    [
      'engines may only call',
      ({ who, permission }) =>
        ['schedule', 'queue', 'push'].includes(who) && permission !== 'roles/run.invoker',
    ],
    [
      'a function holds no predefined role but three, each on one thing',
      ({ who, permission, on }) =>
        Object.hasOwn(FUNCTIONS, who) &&
        permission.startsWith('roles/') &&
        !isNarrow(permission, on),
    ],
    [
      'nobody deletes a secret, sets a policy or makes a token',
      ({ permission }) =>
        /delete$|setIamPolicy|getAccessToken|signBlob|signJwt/.test(permission) &&
        permission !== 'dns.resourceRecordSets.delete',
    ],
  ])('%s', ([, isForbidden]) => {
    expect(lines(grants.filter(isForbidden))).toEqual([]);
  });

  test('makes no key of a service account', async () => {
    const types = (await planOf(root)).map(({ type }) => type);
    expect(types).not.toContain('google_service_account_key');
  });
});

const FUNCTIONS = { reconcile: true, issue: true, sync: true, api: true };

const isOnKeysOnly = (on: string) => on.includes('-account-') && !on.includes('-cert-');

const NARROW: Readonly<Record<string, string>> = {
  'roles/run.invoker': 'service ',
  'roles/iam.serviceAccountUser': 'account ',
  'roles/pubsub.publisher': 'topic ',
};
const isNarrow = (permission: string, on: string) => on.startsWith(NARROW[permission] ?? '\0');
