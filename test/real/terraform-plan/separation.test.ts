import { beforeAll, expect, test } from 'vitest';
import { accountsOf, type Grant, grantsOf } from './grants.ts';
import { type Planned, planOf } from './plan.ts';

// Both are planned into one project, so that nothing is apart by its project alone.
let staging: readonly Planned[] = [];
let production: readonly Planned[] = [];

beforeAll(async () => {
  staging = await planOf('mybinder, staging');
  production = await planOf('mybinder, production');
});

const shared = (of: (plan: readonly Planned[]) => readonly string[]) => {
  const ours = new Set(of(staging));
  return of(production).filter((it) => ours.has(it));
};

/** The fields that a resource is known by, whatever its type. */
const IDENTITIES = ['name', 'account_id', 'secret_id', 'role_id', 'repository_id', 'display_name'];

// An API is the project's: enabling it twice is enabling it once, and nobody disables it.
const things = (plan: readonly Planned[]) =>
  plan
    .filter(({ type }) => type !== 'google_project_service')
    .flatMap(({ type, values }) =>
      IDENTITIES.flatMap((field) =>
        // Objects are named by their content, in a bucket that is one installation's.
        typeof values[field] === 'string'
          ? [`${type} ${values.bucket ?? ''} ${values[field]}`]
          : [],
      ),
    );

const grantLines = (plan: readonly Planned[], chosen: (grant: Grant) => boolean) =>
  grantsOf(plan)
    .filter(chosen)
    .map(({ on }) => on);

/** The beginnings of the names of secrets that grants are limited to. */
const secretPrefixes = (plan: readonly Planned[]) => [
  ...new Set(
    grantsOf(plan).flatMap(({ on }) =>
      [...on.matchAll(/secrets\/([\w-]+)"/g)].map(([, prefix = '']) => prefix),
    ),
  ),
];

test('staging and production share no account, secret, queue, topic, function, role or anything else that has a name', () => {
  expect(things(production).length).toBeGreaterThan(40);
  expect(shared(things)).toEqual([]);
  expect(shared((plan) => [...accountsOf(plan).keys()])).toEqual([]);
});

test('no grant of one is on a thing of the other', () => {
  // What is asked of a project as a whole is listing and creating alone, and no zone.
  const onThings = ({ on }: Grant) => !/^project [\w-]+$/.test(on);
  expect(shared((plan) => grantLines(plan, onThings))).toEqual([]);
});

test('they write different zones', () => {
  const zones = (plan: readonly Planned[]) =>
    grantLines(plan, ({ on }) => on.startsWith('zone ')).map((on) => on.split(' ')[1] ?? '');
  expect(new Set(zones(staging))).toEqual(new Set(['names-of-acme/staging-mybinder-org']));
  expect(new Set(zones(production))).toEqual(
    new Set(['names-of-acme/mybinder-org', 'names-of-acme/mybinder-ovh']),
  );
});

test('no prefix of secrets lies inside one of the other', () => {
  expect(secretPrefixes(production)).toEqual([
    'certherd-production-cert-',
    'certherd-production-account-',
    'certherd-production-pending-',
  ]);
  const inside = secretPrefixes(production).flatMap((one) =>
    secretPrefixes(staging).filter((other) => one.startsWith(other) || other.startsWith(one)),
  );
  expect(inside).toEqual([]);
});

test('nothing that one makes speaks of the other', () => {
  const speaking = (plan: readonly Planned[], of: string) =>
    plan.filter((it) => JSON.stringify(it.values).includes(of)).map(({ address }) => address);
  expect(speaking(production, 'certherd-staging')).toEqual([]);
  expect(speaking(staging, 'certherd-production')).toEqual([]);
});
