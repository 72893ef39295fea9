import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { type Cloud, startCloud } from '../terraform/cloud.ts';
import { ROOT_MODULE } from '../terraform/terraform.ts';
import { ROOT } from './bundles.ts';
import { type Folder, temporaryFolder } from './folder.ts';
import { offline, ran } from './terraform.ts';

/** The two build files, by their paths in the repository. */
export const PLANNING = 'cloudbuild.yaml';
export const APPLYING = 'cloudbuild/apply.yaml';

type Build = Readonly<{
  steps: readonly Readonly<{
    id: string;
    name: string;
    script: string;
    env?: readonly string[];
  }>[];
  substitutions: Readonly<Record<string, string>>;
  artifacts?: Readonly<{ objects: Readonly<{ location: string; paths: readonly string[] }> }>;
  serviceAccount: string;
  options: Readonly<Record<string, unknown>>;
}>;

/** What stands in one of them, and what it means. */
export const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
export const buildOf = (file: string): Build => parse(textOf(file));

type Values = Readonly<Record<string, string>>;

/** Two stages with a project each, the bucket of artefacts, and the workspace of the one build that runs. */
export type Google = Readonly<{
  clouds: Readonly<Record<(typeof STAGES)[number], Cloud>>;
  /** Where the planning build's artefacts are kept. */
  artefacts: string;
  /** Runs a step as Cloud Build does: by its first line, in the workspace, with its environment. What it said; throws that when it fails. */
  step(file: string, id: string, values: Values): Promise<string>;
  /** Ends the planning build well: its artefacts go to the bucket, and its record says what it was of. */
  finish(values: Values): void;
  /** One applying build, all steps in order in a workspace of its own. What it said; throws that when it fails. */
  apply(values: Values): Promise<string>;
  close(): Promise<void>;
}>;

/** Those that apply the whole module. */
export const STAGES = ['staging', 'production'] as const;
/** A stage that asks for what staging already has. */
export const COLLIDING = 'colliding';
/** An output of each stage, which Terraform prints when it plans and when it has applied. */
export const TOLD = 'what-a-plan-says-aloud';

const BUCKET = 'artefacts';

/** Starts the two clouds and checks the sources of this tree out, with a deployment in them. Every file is below one folder, which `close` removes. */
export async function startGoogle(): Promise<Google> {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  const clouds = { staging: await startCloud(), production: await startCloud() };
  folder.write('bin/gcloud', GCLOUD);
  chmodSync(at('bin/gcloud'), 0o700);
  await copySources(at('checkout'));
  const env = offline(folder);
  for (const [stage, files] of Object.entries(deployment(folder, clouds))) {
    const root = join('checkout/deployment', stage);
    for (const [name, content] of Object.entries(files)) folder.write(join(root, name), content);
    // The lock file is in the repository; what else this makes is not.
    await ran('terraform', ['init'], { cwd: at(root), env });
    rmSync(at(join(root, '.terraform')), { recursive: true });
  }
  const checkOut = () => {
    rmSync(at('workspace'), { recursive: true, force: true });
    cpSync(at('checkout'), at('workspace'), { recursive: true });
  };
  checkOut();
  const step: Google['step'] = (file, id, values) => runStep(folder, { file, id, env }, values);
  return {
    ...{ clouds, step, artefacts: at(`gs/${BUCKET}/planned`) },
    finish: (values) => keepArtefacts(folder, { ...values, _ARTEFACTS: BUCKET }),
    async apply(values) {
      checkOut();
      const given = { _ARTEFACTS: BUCKET, LOCATION: 'global', ...values };
      const said: string[] = [];
      for (const { id } of buildOf(APPLYING).steps) said.push(await step(APPLYING, id, given));
      return said.join('');
    },
    async close() {
      for (const stage of STAGES) await clouds[stage].close();
      folder.remove();
    },
  };
}

/** What a checkout would hold, and nothing that is only built. */
async function copySources(to: string): Promise<void> {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  const { stdout } = await ran('git', args, { cwd: ROOT, env: process.env });
  for (const file of stdout.split('\n').filter((name) => name && existsSync(join(ROOT, name)))) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(ROOT, file), join(to, file));
  }
}

// The step `check` looks at every file of the repository.
const formatted = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

type Files = Readonly<Record<string, unknown>>;

/** The files of each stage by name, as a platform team would have them. */
function deployment(folder: Folder, clouds: Google['clouds']): Readonly<Record<string, Files>> {
  const output = `output "told" {\n  value = "${TOLD}"\n}\n`;
  // A backend outside the workspace, as Cloud Storage is, and each project's own token.
  const override = (stage: string, cloud: Cloud) =>
    `terraform {\n  backend "local" {\n    path = "${folder.path}/states/${stage}"\n  }\n}\nprovider "google" {\n  access_token = "${cloud.ownerToken()}"\n}\n`;
  const stages = STAGES.map((stage) => [
    stage,
    {
      'main.tf': `${ROOT_MODULE.replace('"./certherd"', '"../../terraform"')}\n${output}`,
      'stage_override.tf': override(stage, clouds[stage]),
      'terraform.tfvars.json': formatted({
        ...clouds[stage].variables,
        source_directory: '../../dist',
      }),
    },
  ]);
  const { url } = clouds.staging.services.pubsub;
  const colliding = {
    'main.tf': `provider "google" {\n  project                = "project-a"\n  pubsub_custom_endpoint = "${url}/v1/"\n}\n\nresource "google_pubsub_topic" "versions" {\n  name = "certherd-versions"\n}\n\n${output}`,
    'stage_override.tf': override(COLLIDING, clouds.staging),
  };
  return Object.fromEntries([...stages, [COLLIDING, colliding]]);
}

/** All of gcloud that the steps know: a build is a file with its record, a bucket is a folder. */
const GCLOUD = `#!/bin/sh
here=$(dirname "$0")/..
case "$1 $2 $3 > $*" in
  'builds describe '*' --region=global --format=value(status,substitutions.BRANCH_NAME,substitutions.COMMIT_SHA)')
    cat "$here/builds/$3" ;;
  'storage cp gs://'*'/* > '*'/* artefacts/')
    cp $here/gs/\${3#gs://} "$4" ;;
  *)
    echo "this gcloud does not know: $*" >&2
    exit 2 ;;
esac
`;

/** What a section of docs/deploy.md has a person type. */
function typedIn(section: RegExp): string {
  const sections = readFileSync(join(ROOT, 'docs/deploy.md'), 'utf8').split(/^## /m);
  const text = sections.find((it) => section.test(it)) ?? '';
  return (text.match(/^ {4}.*$/gm) ?? []).join('\n');
}

/** Programs of no effect before all others; npm leaves zips. */
const HELPERS = {
  gcloud: '',
  npm: 'mkdir -p dist; for name in reconcile issue sync api; do echo $name > dist/$name.zip; done',
};

/** What docs/deploy.md leaves in git for a stage, and what its commands said: they are run in a copy of this tree, with the state in a file. */
export async function pageDeployment(): Promise<
  Readonly<{ committed: readonly string[]; said: string }>
> {
  const folder = temporaryFolder();
  try {
    const cwd = join(folder.path, 'checkout');
    await copySources(cwd);
    for (const [name, does] of Object.entries(HELPERS))
      chmodSync(folder.write(`bin/${name}`, `#!/bin/sh\n${does}\n`), 0o700);
    const stage = 'checkout/deployment/staging';
    folder.write(`${stage}/state_override.tf`, 'terraform {\n  backend "local" {}\n}\n');
    folder.write(`${stage}/out.json`, {});
    const given = offline(folder);
    const env = {
      ...given,
      PATH: `${folder.path}/bin:${given.PATH}`,
      EDITOR: 'true',
      TF_CLI_ARGS_plan: '-no-color',
    };
    await ran('git', ['init', '-q'], { cwd, env });
    const { stdout } = await ran('sh', ['-euc', typedIn(/^The deployment\n/)], { cwd, env });
    await ran('terraform', ['fmt', '-check', 'deployment'], { cwd, env });
    const staged = await ran('git', ['diff', '--cached', '--name-only'], { cwd, env });
    return { committed: staged.stdout.trim().split('\n'), said: stdout };
  } finally {
    folder.remove();
  }
}

/** What docs/deploy.md has gcloud do, one line a call: its commands run in order, those of a stage for staging and then for production. */
export function pageCalls(): readonly string[] {
  const folder = temporaryFolder();
  try {
    const log = join(folder.path, 'calls');
    chmodSync(folder.write('gcloud', `#!/bin/sh\necho "$*" >> '${log}'\n`), 0o700);
    const commands = typedIn(/^Commands\n/);
    const production = commands
      .slice(commands.indexOf('    STAGE='))
      .replaceAll('staging', 'production')
      .replace('--no-require-approval', '--require-approval');
    const setting = commands.match(/^ {4}[A-Z]+=.*$/gm) ?? [];
    for (const script of [commands, [...setting, production].join('\n')])
      execFileSync('sh', ['-euc', script], {
        cwd: ROOT,
        env: { PATH: `${folder.path}:${process.env.PATH}` },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    return [...new Set(readFileSync(log, 'utf8').trim().split('\n'))];
  } finally {
    folder.remove();
  }
}

type Step = Readonly<{ file: string; id: string; env: NodeJS.ProcessEnv }>;

async function runStep(folder: Folder, { file, id, env }: Step, values: Values): Promise<string> {
  const { steps, substitutions } = buildOf(file);
  const step = steps.find((candidate) => candidate.id === id);
  if (!step) throw new Error(`${file} has no step ${id}`);
  const substituted = (step.env ?? []).map((line) =>
    substitute(line, { ...substitutions, ...values }),
  );
  const script = folder.write(`${id}.sh`, step.script);
  chmodSync(script, 0o700);
  const { stdout, stderr } = await ran(script, [], {
    cwd: join(folder.path, 'workspace'),
    env: {
      ...imageOf(step.name, folder, env),
      ...Object.fromEntries(substituted.map((line) => line.split(/=(.*)/s))),
    },
  });
  return stdout + stderr;
}

/** What the programs of a step's image find; only node's may use the network. */
function imageOf(name: string, { path }: Folder, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (name.startsWith('node:')) return process.env;
  // As many at once as it takes to wait for no one; ten is what it does by itself.
  if (name.startsWith('hashicorp/terraform:'))
    return { ...env, TF_CLI_ARGS_apply: '-parallelism=40' };
  return { ...env, PATH: `${path}/bin:${env.PATH}` };
}

const substitute = (text: string, values: Values) =>
  text.replace(/\$(\w+)/g, (_all, name: string) => values[name] ?? '');

function keepArtefacts(folder: Folder, values: Values): void {
  const { location, paths } = buildOf(PLANNING).artifacts?.objects ?? { location: '', paths: [] };
  const to = join(folder.path, 'gs', substitute(location, values).replace('gs://', ''));
  mkdirSync(to, { recursive: true });
  for (const path of globSync([...paths], { cwd: join(folder.path, 'workspace') }))
    cpSync(join(folder.path, 'workspace', path), join(to, basename(path)));
  const { BUILD_ID, BRANCH_NAME, COMMIT_SHA } = values;
  folder.write(`builds/${BUILD_ID}`, `SUCCESS\t${BRANCH_NAME}\t${COMMIT_SHA}\n`);
}
