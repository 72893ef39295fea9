import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../parts/folder.ts';
import { type Planned, PROJECT, planOf, ROOT_NAMES } from './plan.ts';

const SCRIPT = join(import.meta.dirname, '../../../terraform/prepare.sh');

type Run = Readonly<{ status: number | null; calls: readonly string[]; said: string }>;

/** The script before a `gcloud` that writes down its arguments, and fails when they begin with `failing`. */
function prepared(args: readonly string[], failing = 'never'): Run {
  const folder = temporaryFolder();
  try {
    const log = join(folder.path, 'calls');
    const gcloud = folder.write(
      'gcloud',
      `#!/bin/sh\necho "$*" >> '${log}'\ncase "$*" in "${failing}"*) exit 1 ;; esac\n`,
    );
    chmodSync(gcloud, 0o755);
    const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, ...args], {
      env: { PATH: `${folder.path}:${process.env.PATH}` },
      encoding: 'utf8',
    });
    const calls = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
    return { status, calls, said: stdout + stderr };
  } finally {
    folder.remove();
  }
}

const servicesOf = (plan: readonly Planned[]) =>
  plan
    .filter(({ type }) => type === 'google_project_service')
    .map(({ values }) => String(values.service))
    .sort();

/** The services whose agents a plan speaks of: `gcp-sa-monitoring-notification` is that of monitoring. */
const agentsOf = (plan: readonly Planned[]) => [
  ...new Set(
    [...JSON.stringify(plan).matchAll(/@gcp-sa-([a-z]+)/g)].map(
      ([, service]) => `${service}.googleapis.com`,
    ),
  ),
];

// Google takes twenty at once: https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchEnable
const enabled = ({ calls }: Run) =>
  calls
    .flatMap((call) => {
      const [, services] = /^services enable (.+) --project=acme-tls --quiet$/.exec(call) ?? [];
      const all = services?.split(' ').filter((it) => it !== '') ?? [];
      expect(all.length).toBeLessThanOrEqual(20);
      return all;
    })
    .sort();

const made = ({ calls }: Run) =>
  calls.flatMap(
    (call) =>
      /^beta services identity create --service=(\S+) --project=acme-tls --quiet$/.exec(
        call,
      )?.[1] ?? [],
  );

test.for(ROOT_NAMES)(
  'prepare.sh enables what %s enables, and makes the agents that it grants something to',
  async (root) => {
    const plan = await planOf(root);
    const services = servicesOf(plan);
    const run = prepared([PROJECT, ...(services.includes('iap.googleapis.com') ? ['iap'] : [])]);
    expect(run.status).toBe(0);
    expect(enabled(run)).toEqual(services);
    expect(made(run)).toEqual(expect.arrayContaining([...agentsOf(plan)]));
  },
);

test('prepare.sh makes no agent of a service that it has not enabled', () => {
  const { calls } = prepared([PROJECT, 'iap']);
  const firstAgent = calls.findIndex((call) => call.startsWith('beta'));
  expect(calls.slice(firstAgent).every((call) => call.startsWith('beta'))).toBe(true);
});

test('prepare.sh enables Compute Engine for a network', () => {
  expect(enabled(prepared([PROJECT, 'compute']))).toContain('compute.googleapis.com');
});

test('prepare.sh makes every agent that uses a key of one’s own', () => {
  const run = prepared([PROJECT, 'kms']);
  expect(made(run)).toEqual(
    ['secretmanager', 'pubsub', 'monitoring', 'artifactregistry'].map(
      (it) => `${it}.googleapis.com`,
    ),
  );
  expect(run.calls.at(-1)).toBe(`storage service-agent --project=${PROJECT} --quiet`);
});

test.for<[string, readonly string[], string, number, string]>([
  ['ends where Google refuses', [PROJECT], 'services enable', 1, 'enable in acme-tls: '],
  ['asks for a project', [], 'never', 2, 'usage: '],
  ['knows no other word', [PROJECT, 'vpn'], 'never', 2, 'usage: '],
])('prepare.sh %s', ([, args, failing, status, words]) => {
  const run = prepared(args, failing);
  expect(run.status).toBe(status);
  expect(run.said.trim().split('\n').at(-1)).toContain(words);
});
