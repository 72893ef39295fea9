import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../parts/bundles.ts';
import { offline, ran } from '../parts/terraform.ts';
import { type Cloud, startCloud } from './cloud.ts';
import { type Workspace, workspace } from './terraform.ts';

const OLD = 'europe-west1';
const NEW = 'europe-west4';
const APPLY = `terraform apply -auto-approve -parallelism=40 -var location=`;

/** The commands that docs/upgrade.md has typed before `terraform apply` when a region is down. */
const forgetting = () => {
  const page = readFileSync(join(ROOT, 'docs/upgrade.md'), 'utf8');
  return (page.match(/^ {4}terraform state rm .*$/gm) ?? []).join('\n');
};

let cloud: Cloud;
let root: Workspace;

beforeAll(async () => {
  cloud = await startCloud();
  const zips = ['reconcile', 'issue', 'sync', 'api'].map((name) => [`dist/${name}.zip`, name]);
  root = await workspace(cloud.ownerToken(), {
    ...Object.fromEntries(zips),
    'terraform.tfvars.json': { ...cloud.variables, source_directory: './dist' },
    'location.tf': 'variable "location" {\n  type = string\n}\n',
    'location_override.tf':
      'module "certherd" {\n  location            = var.location\n  deletion_protection = true\n}\n',
  });
  await typed(`${APPLY}${OLD}`);
});

afterAll(async () => {
  root?.folder.remove();
  await cloud?.close();
});

/** What a person types in the folder of the deployment; what it printed. */
async function typed(line: string): Promise<string> {
  const env = offline(root.folder, cloud.ownerToken());
  return (await ran('sh', ['-euc', line], { cwd: root.folder.path, env })).stdout;
}

const typesOf = (resources: readonly Readonly<{ type: string }>[]) => [
  ...new Set(resources.map(({ type }) => type.replace(/_iam_member$/, ''))),
];

type Change = Readonly<{ type: string; change: Readonly<{ actions: readonly string[] }> }>;

test('another location makes anew what lies in the region, and leaves what is the project’s under the names that it has', async () => {
  await typed(`terraform plan -parallelism=40 -var location=${NEW} -out plan`);
  const changes: readonly Change[] = JSON.parse(
    await typed('terraform show -json plan'),
  ).resource_changes;
  const lost = changes.filter(({ change }) => change.actions.includes('delete'));
  expect(typesOf(lost)).toEqual([
    'google_artifact_registry_repository',
    'google_cloud_run_v2_service',
    'google_cloud_scheduler_job',
    'google_cloud_tasks_queue',
    'google_cloudfunctions2_function',
    // A check and a grant that speak of the region.
    'google_monitoring_uptime_check_config',
    'google_project',
    'google_storage_bucket',
    'google_storage_bucket_object',
  ]);
});

type State = Readonly<{
  values: Readonly<{
    root_module: Readonly<{ child_modules: readonly Readonly<{ resources: readonly Kept[] }>[] }>;
  }>;
}>;
type Kept = Readonly<{
  mode: string;
  address: string;
  values: Readonly<{ location?: string; region?: string; bucket?: string }>;
}>;

test('what the page has Terraform forget is all that lies in a region that is down', async () => {
  await typed(forgetting());
  const state: State = JSON.parse(await typed('terraform show -json'));
  const left = state.values.root_module.child_modules
    .flatMap(({ resources }) => resources)
    .filter(({ mode }) => mode === 'managed');
  expect(left.length).toBeGreaterThan(50);
  const there = left.filter(({ values: { location, region, bucket } }) =>
    `${location} ${region} ${bucket}`.toLowerCase().includes(OLD),
  );
  expect(there.map(({ address }) => address)).toEqual([]);
});

test('the other region is then applied, and nothing in the first is touched', async () => {
  const inOld = () =>
    [...cloud.stub.resources()].filter(([path]) => path.includes(OLD)).map(([path]) => path);
  const before = inOld();
  await typed(`${APPLY}${NEW}`);
  await typed(`terraform plan -detailed-exitcode -parallelism=40 -var location=${NEW}`);
  expect(before).toContain(
    `/cloudfunctions/v2/projects/project-a/locations/${OLD}/functions/certherd-issue`,
  );
  expect(inOld()).toEqual(before);
  const paths = [...cloud.stub.resources().keys()];
  expect(paths.filter((path) => path.includes(NEW)).sort()).toEqual(
    before.map((path) => path.replace(OLD, NEW)).sort(),
  );
});
