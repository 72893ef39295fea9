import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  APPLYING,
  buildOf,
  COLLIDING,
  type Google,
  PLANNING,
  pageCalls,
  pageDeployment,
  STAGES,
  startGoogle,
  TOLD,
  textOf,
} from './parts/cloud-build.ts';
import { googleClients } from './parts/python.ts';

const run = promisify(execFile);

const FILES = [PLANNING, APPLYING] as const;

describe.for(FILES)('%s', (file) => {
  test("is a Build as Google's discovery document describes it", async () => {
    const { schemas } = await discovered();
    expect(faultsOf(buildOf(file), { $ref: 'Build' }, { schemas, at: file })).toEqual([]);
    const wrong = { steps: [{ id: 'a', image: 'node' }], options: { logging: 'NONSENSE' } };
    expect(faultsOf(wrong, { $ref: 'Build' }, { schemas, at: 'b' })).toHaveLength(2);
  });

  test('pins its images, logs to Cloud Logging alone, runs as its own account', () => {
    const { steps, options, serviceAccount } = buildOf(file);
    for (const { name } of steps) expect(name).toMatch(/^[a-z./-]+:\d+\.\d+\.\d+(-[a-z]+)?$/);
    expect(options).toMatchObject({ logging: 'CLOUD_LOGGING_ONLY' });
    expect(serviceAccount).toMatch(/serviceAccounts\/\$_(PLANNER|APPLIER)$/);
  });

  test('declares each substitution that it uses, and uses each that it declares', () => {
    const { substitutions } = buildOf(file);
    const used = new Set([...textOf(file).matchAll(/\$(_[A-Z]+)/g)].map(([, name]) => name));
    expect([...used].sort()).toEqual(Object.keys(substitutions).sort());
  });

  test('asks for no secret, and uses none', () => {
    expect(textOf(file)).not.toMatch(/availableSecrets|secretEnv|versions access|set -x/);
  });
});

test('the planning file applies nothing, the applying file builds nothing', () => {
  expect(textOf(PLANNING)).not.toMatch(/terraform .*(apply|destroy)/);
  expect(textOf(APPLYING)).not.toMatch(/npm|terraform .* plan/);
});

test('the folder of a stage that docs/deploy.md has made is planned, and all that a build needs of it is committed', async () => {
  const { committed, said } = await pageDeployment();
  expect(said).toMatch(/^Plan: \d+ to add, 0 to change, 0 to destroy\.$/m);
  expect(committed.filter((name) => !name.includes('override'))).toEqual(
    ['.terraform.lock.hcl', 'backend.tf', 'main.tf', 'terraform.tfvars'].map(
      (name) => `deployment/staging/${name}`,
    ),
  );
});

describe('the commands of docs/deploy.md', () => {
  let calls: readonly string[] = [];
  beforeAll(() => {
    calls = pageCalls();
  });

  const of = (pattern: RegExp) => calls.flatMap((call) => pattern.exec(call)?.slice(1) ?? []);

  /** What the page grants a member, as ROLE on WHAT. */
  const granted = (member: string) =>
    calls.flatMap((call) => {
      const [, on, role] =
        new RegExp(`^(.*) add-iam-policy-binding .*--member=${member} --role=(\\S+)`).exec(
          call.replace(/add-iam-policy-binding (\S+)/, '$1 $&'),
        ) ?? [];
      return role ? [`${role} on ${on}`] : [];
    });

  test('enable what the module calls in the project of the accounts as in those of the stages', () => {
    const enabled = (project: string) =>
      of(new RegExp(`^services enable (.*) --project=${project} --quiet$`));
    expect(enabled('acme-builds')[0]).toContain('cloudresourcemanager.googleapis.com');
    expect(enabled('acme-tls-staging')).toEqual(enabled('acme-builds'));
    expect(enabled('acme-tls-production')).toEqual(enabled('acme-builds'));
  });

  test('let who starts a stage publish to its topic and look at builds, and nothing else', () => {
    expect(granted('group:sre@example.org')).toEqual([
      'roles/cloudbuild.builds.viewer on projects acme-builds',
      ...STAGES.map((stage) => `roles/pubsub.publisher on pubsub topics certherd-apply-${stage}`),
    ]);
  });

  test('let who approves do that alone, and nobody change a trigger or act as an applier', () => {
    expect(granted('group:leads@example.org')).toEqual([
      'roles/cloudbuild.builds.approver on projects acme-builds',
    ]);
    const inBuilds = calls.filter((call) => /add-iam-policy-binding acme-builds /.test(call));
    expect(inBuilds.join('\n')).not.toMatch(/editor|owner|serviceAccountUser|roles\/\S+admin/i);
    expect(calls.join('\n')).not.toMatch(/service-accounts add-iam-policy-binding/);
  });

  test.for<[(typeof STAGES)[number], string]>([
    ['staging', '--no-require-approval'],
    ['production', '--require-approval'],
  ])('make a trigger of %s that a message on its topic starts: %s', ([stage, approval]) => {
    const applier = `certherd-apply-${stage}@acme-builds.iam.gserviceaccount.com`;
    const [call = '', ...others] = calls.filter((it) =>
      it.startsWith(`builds triggers create pubsub --name=certherd-apply-${stage} `),
    );
    expect(others).toEqual([]);
    for (const option of [
      `--topic=projects/acme-builds/topics/certherd-apply-${stage}`,
      '--branch=main',
      `--build-config=${APPLYING}`,
      `--service-account=projects/acme-builds/serviceAccounts/${applier}`,
      `--substitutions=_STAGE=${stage},_APPLIER=${applier},_ARTEFACTS=acme-builds-artefacts,_BUILD=$(body.message.attributes.build)`,
      approval,
    ])
      expect(call.split(' ')).toContain(option);
    const known = Object.keys(buildOf(APPLYING).substitutions);
    expect(known).toEqual(expect.arrayContaining(call.match(/\b_[A-Z]+(?==)/g) ?? []));
  });
});

describe('their steps, run here in order on a copy of the sources', () => {
  const ofMain = { BRANCH_NAME: 'main', COMMIT_SHA: 'c'.repeat(40) };
  const planned = { ...ofMain, _BUILD: 'planned' };
  let google: Google;
  let said = '';

  beforeAll(async () => {
    google = await startGoogle();
  });
  afterAll(() => google?.close());

  const resourcesOf = (stage: (typeof STAGES)[number]) => google.clouds[stage].stub.resources();

  test.for(buildOf(PLANNING).steps.map(({ id }) => id))('%s', { timeout: 300_000 }, async (id) => {
    const values = { ...ofMain, _STAGES: [...STAGES, COLLIDING].join(' ') };
    said += await google.step(PLANNING, id, values);
  });

  test('leave the zips, their digests and a plan for each stage, and no text of a plan', () => {
    google.finish({ ...ofMain, BUILD_ID: 'planned' });
    google.finish({ ...ofMain, BUILD_ID: 'forged', BRANCH_NAME: 'try' });
    expect(readdirSync(google.artefacts).sort()).toEqual([
      'SHA256SUMS',
      'api.zip',
      'colliding.tfplan',
      'issue.zip',
      'production.tfplan',
      'reconcile.zip',
      'staging.tfplan',
      'sync.zip',
    ]);
    expect(said.match(/^Plan: \d+ to add, 0 to change, 0 to destroy\.$/gm)).toHaveLength(3);
    expect(said).not.toContain(TOLD);
  });

  test.for<[string, Record<string, string>, string]>([
    ['from another branch', { BRANCH_NAME: 'try' }, 'only main is applied, not try'],
    ['for another commit', { COMMIT_SHA: 'd' }, 'give the _BUILD that planned this commit'],
    ['of a build of another branch', { _BUILD: 'forged' }, 'build forged is "SUCCESS\ttry\tccc'],
    ['of a build that nobody knows', { _BUILD: 'none' }, 'builds/none'],
    [
      'of a build of another project',
      { _BUILD: 'projects/p/locations/l/builds/planned' },
      '_BUILD is the id of a build, not "projects/p/',
    ],
    ['of what is an option', { _BUILD: '--help' }, '_BUILD is the id of a build, not "--help"'],
  ])('are not applied %s', async ([, values, sentence]) => {
    await expect(google.apply({ ...planned, ...values })).rejects.toThrow(sentence);
    expect(resourcesOf('staging').size).toBe(0);
  });

  test('are not applied with a zip that was changed', async () => {
    const zip = join(google.artefacts, 'api.zip');
    const content = readFileSync(zip);
    writeFileSync(zip, 'another');
    await expect(google.apply(planned)).rejects.toThrow('api.zip: FAILED');
    writeFileSync(zip, content);
    expect(resourcesOf('staging').size).toBe(0);
  });

  test.for(STAGES)(
    'are applied to %s, with the zips of the one build, and no value is logged',
    async (stage) => {
      const log = await google.apply({ ...planned, _STAGE: stage });
      expect(log.match(/: OK$/gm)).toHaveLength(4);
      expect(log).toMatch(new RegExp(`\n${stage} is applied\n$`));
      expect(log).not.toContain(TOLD);
      const uploaded = [...resourcesOf(stage).keys()].flatMap((path) => {
        const [, name, digest] = /\/o\/(\w+)-(\w+)\.zip$/.exec(path) ?? [];
        return name ? [`${digest}  ${name}.zip`] : [];
      });
      const sums = readFileSync(join(google.artefacts, 'SHA256SUMS'), 'utf8');
      expect(uploaded.sort()).toEqual(sums.trim().split('\n').sort());
    },
  );

  test("are not applied twice: Terraform's word that the state has moved on is in the log", async () => {
    await expect(google.apply(planned)).rejects.toThrow('Error: Saved plan is stale');
  });

  test('say in the log why a stage cannot be applied', async () => {
    await expect(google.apply({ ...planned, _STAGE: COLLIDING })).rejects.toThrow(
      /Error: Error creating Topic: googleapi: Error 409/,
    );
  });
});

type Schema = Readonly<{
  $ref?: string;
  type?: string;
  enum?: readonly string[];
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: Schema;
  items?: Schema;
}>;
type Document = Readonly<{ schemas: Readonly<Record<string, Schema>> }>;

const DOCUMENTS =
  'import googleapiclient, os; print(os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents"))';

async function discovered(): Promise<Document> {
  const { stdout } = await run(await googleClients(), ['-c', DOCUMENTS]);
  return JSON.parse(readFileSync(join(stdout.trim(), 'cloudbuild.v1.json'), 'utf8'));
}

type Place = Document & Readonly<{ at: string }>;

/** What the document does not know: fields, enum values, types. */
function faultsOf(value: unknown, schema: Schema, place: Place): readonly string[] {
  const { at, schemas } = place;
  const known = schema.$ref ? (schemas[schema.$ref] ?? {}) : schema;
  if (Array.isArray(value))
    return known.items
      ? value.flatMap((item, index) =>
          faultsOf(item, known.items ?? {}, { schemas, at: `${at}[${index}]` }),
        )
      : [`${at} is no list`];
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, field]) => {
      const of = known.properties?.[key] ?? known.additionalProperties;
      return of ? faultsOf(field, of, { schemas, at: `${at}.${key}` }) : [`${at}.${key} unknown`];
    });
  if (known.type !== typeof value) return [`${at} is no ${known.type}`];
  return known.enum && !known.enum.includes(String(value)) ? [`${at} is ${value}`] : [];
}
