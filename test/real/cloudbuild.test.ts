import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from './parts/bundles.ts';
import { type Folder, temporaryFolder } from './parts/folder.ts';
import { googleClients } from './parts/python.ts';

const run = promisify(execFile);

type Step = Readonly<{ id: string; name: string; script: string; env?: readonly string[] }>;
type Build = Readonly<{
  steps: readonly Step[];
  substitutions: Readonly<Record<string, string>>;
  serviceAccount: string;
  options: Readonly<Record<string, unknown>>;
}>;

const FILES = ['cloudbuild.yaml', 'cloudbuild/apply.yaml'] as const;
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const buildOf = (file: string): Build => parse(textOf(file));

describe.for(FILES)('%s', (file) => {
  test("is a Build as Google's discovery document describes it", async () => {
    const { schemas } = await discovered();
    expect(faultsOf(buildOf(file), { $ref: 'Build' }, { schemas, at: file })).toEqual([]);
    const wrong = { steps: [{ id: 'a', image: 'node' }], options: { logging: 'NONSENSE' } };
    expect(faultsOf(wrong, { $ref: 'Build' }, { schemas, at: 'b' })).toHaveLength(2);
  });

  test('pins its images, logs to Cloud Logging alone, runs as its own account', () => {
    const { steps, options, serviceAccount } = buildOf(file);
    for (const { name } of steps) expect(name).toMatch(/^[a-z/-]+:\d+\.\d+\.\d+(-[a-z]+)?$/);
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
  expect(textOf(FILES[0])).not.toMatch(/terraform .*(apply|destroy)/);
  expect(textOf(FILES[1])).not.toMatch(/npm|terraform .* plan/);
});

describe('its steps, run here in order on a copy of the sources', () => {
  let folder: Folder;
  let work: string;
  const commit = 'c'.repeat(40);

  beforeAll(async () => {
    folder = temporaryFolder();
    work = join(folder.path, 'workspace');
    await copySources(work);
    await deploy(work);
  });
  afterAll(() => folder.remove());

  test.for(buildOf(FILES[0]).steps.map(({ id }) => id))('%s', { timeout: 300_000 }, async (id) => {
    await runStep(FILES[0], { id, work, values: { COMMIT_SHA: commit } });
  });

  test('leave the zips, their digests, a plan for each stage and the commit, and no text of a plan', () => {
    expect(readdirSync(join(work, 'artefacts')).sort()).toEqual([
      'COMMIT',
      'SHA256SUMS',
      'api.zip',
      'issue.zip',
      'production.tfplan',
      'reconcile.zip',
      'staging.tfplan',
      'sync.zip',
    ]);
  });

  const verify = (values: Readonly<Record<string, string>>) =>
    runStep(FILES[1], { id: 'verify', work, values: { COMMIT_SHA: commit, ...values } });

  test('are verified by the applying build', async () => {
    const { stdout } = await verify({ BRANCH_NAME: 'main' });
    expect(stdout.match(/: OK/g)).toHaveLength(4);
  });

  test.for<[string, Record<string, string>, string]>([
    ['another branch', { BRANCH_NAME: 'try' }, 'only main is applied'],
    ['another commit', { BRANCH_NAME: 'main', COMMIT_SHA: 'd' }, 'give the _BUILD of this commit'],
  ])('are not applied from %s', async ([, values, sentence]) => {
    await expect(verify(values)).rejects.toThrow(sentence);
  });

  test('are not applied with a zip that was changed', async () => {
    writeFileSync(join(work, 'artefacts', 'api.zip'), 'another');
    await expect(verify({ BRANCH_NAME: 'main' })).rejects.toThrow('api.zip: FAILED');
  });
});

type Running = Readonly<{ id: string; work: string; values: Readonly<Record<string, string>> }>;

/** Runs a step's script as Cloud Build does: by its first line, in the workspace, with the step's environment. */
async function runStep(file: string, { id, work, values }: Running) {
  const { steps, substitutions } = buildOf(file);
  const step = steps.find((candidate) => candidate.id === id);
  if (!step) throw new Error(`${file} has no step ${id}`);
  const known: Readonly<Record<string, string>> = { ...substitutions, ...values };
  const own = (step.env ?? []).map((line) => {
    const [name = '', ...rest] = line.split('=');
    return [name, rest.join('=').replace(/\$(\w+)/g, (_all, key: string) => known[key] ?? '')];
  });
  const script = join(dirname(work), `${id}.sh`);
  writeFileSync(script, step.script, { mode: 0o755 });
  const isTerraform = step.name.startsWith('hashicorp/');
  const env = {
    ...process.env,
    ...(isTerraform ? offline(work) : {}),
    ...Object.fromEntries(own),
  };
  try {
    return await run(script, [], { cwd: work, env, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`step ${id}:\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`, {
      cause: error,
    });
  }
}

// The provider asks one host when it is configured; a closed port says no at once.
const offline = (work: string) => ({
  HTTPS_PROXY: 'http://127.0.0.1:9',
  CHECKPOINT_DISABLE: '1',
  TF_CLI_CONFIG_FILE: join(dirname(work), 'terraformrc'),
  GOOGLE_OAUTH_ACCESS_TOKEN: 'x',
  TF_VAR_project_id: 'certherd-trial',
  TF_VAR_project_number: '123456789012',
  TF_VAR_notification_channel: 'projects/certherd-trial/notificationChannels/1',
});

/** What a checkout would hold, and nothing that is only built. */
async function copySources(to: string): Promise<void> {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  const { stdout } = await run('git', args, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 });
  for (const file of stdout.split('\n').filter((name) => existsSync(join(ROOT, name)) && name)) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(ROOT, file), join(to, file));
  }
}

/** A deployment of two stages as a platform team would have it, with the lock file that its first `terraform init` made. */
async function deploy(work: string): Promise<void> {
  const parts = process.env.CERTHERD_PARTS ?? join(process.env.KUBEBUILDER_ASSETS ?? '', '..');
  writeFileSync(
    join(dirname(work), 'terraformrc'),
    `provider_installation {\n  filesystem_mirror {\n    path = "${join(parts, 'terraform')}"\n  }\n}\n`,
  );
  const example = readFileSync(join(ROOT, 'terraform/examples/simple/main.tf'), 'utf8');
  for (const stage of ['staging', 'production']) {
    const folder = join(work, 'deployment', stage);
    mkdirSync(folder, { recursive: true });
    const main = example.replace('source = "../.."', 'source = "../../terraform"');
    writeFileSync(join(folder, 'main.tf'), main);
    await run('terraform', ['init'], { cwd: folder, env: { ...process.env, ...offline(work) } });
  }
}

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
