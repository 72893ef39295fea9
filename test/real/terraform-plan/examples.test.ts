import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { known } from '../../../cli/doctor/known.ts';
import { parseConfig } from '../../../shared/config.ts';
import { temporaryFolder } from '../parts/folder.ts';
import {
  factsOf,
  outputsOf,
  type Planned,
  PROJECT,
  planOf,
  ROOT_NAMES,
  type Root,
} from './plan.ts';

/** By name; the api twice, for its image comes from a function that nobody calls. */
const FUNCTIONS = ['api', 'api', 'issue', 'reconcile', 'sync'];

type Environment = Readonly<{ NODE_ENV: string; CERTHERD_CONFIG: string }>;

/** What each function finds in its environment, beside its name. */
function environments(plan: readonly Planned[]): readonly (readonly [string, Environment])[] {
  const functions = plan
    .filter(({ type }) => type === 'google_cloudfunctions2_function')
    .map(({ values }) => {
      const { build_config, service_config } = values as {
        build_config: [{ entry_point: string }];
        service_config: [{ environment_variables: Environment }];
      };
      return [build_config[0].entry_point, service_config[0].environment_variables] as const;
    });
  const services = plan
    .filter(({ type }) => type === 'google_cloud_run_v2_service')
    .map(({ values }) => {
      const { template } = values as {
        template: [{ containers: [{ env: { name: string; value: string }[] }] }];
      };
      const entries = template[0].containers[0].env.map(({ name, value }) => [name, value]);
      const environment = Object.fromEntries(entries);
      return [environment.FUNCTION_TARGET, environment] as const;
    });
  return [...functions, ...services];
}

test.for(ROOT_NAMES)(
  '%s is planned offline, and its four functions take their configuration',
  async (root) => {
    const found = environments(await planOf(root));
    expect(found.map(([name]) => name).sort()).toEqual(FUNCTIONS);
    for (const [, { NODE_ENV, CERTHERD_CONFIG }] of found) {
      expect(NODE_ENV).toBe('production');
      const parsed = parseConfig(JSON.parse(CERTHERD_CONFIG));
      expect('faults' in parsed ? parsed.faults : []).toEqual([]);
    }
  },
);

test.for(ROOT_NAMES)('what %s puts out is all that the doctor needs', async (root) => {
  const folder = temporaryFolder();
  try {
    const terraformOutput = folder.write('out.json', await outputsOf(root));
    const { config, url } = known({ config: undefined, terraformOutput });
    expect([config?.project, url]).toEqual([
      PROJECT,
      expect.stringMatching(/^https:.*\.run\.app$/),
    ]);
  } finally {
    folder.remove();
  }
});

const configOf = async (root: Root) => {
  const [, environment] = environments(await planOf(root)).find(([name]) => name === 'api') ?? [];
  return JSON.parse(environment?.CERTHERD_CONFIG ?? '');
};

test.for(ROOT_NAMES)(
  'people of %s act as an account that may do everything over its api, and is made out to it',
  async (root) => {
    const { token_command, api_url } = await outputsOf(root);
    const command = String(token_command?.value);
    const [, account] = /--(?:impersonate-service|iam)-account=(\S+)/.exec(command) ?? [];
    expect((await configOf(root)).access.admins).toContain(`serviceAccount:${account}`);
    expect(command).toContain(api_url?.value);
  },
);

test('behind Identity-Aware Proxy that account signs for ten minutes what the proxy takes', async () => {
  const { token_command, api_url } = await outputsOf('multi-project');
  const { stdout } = spawnSync('sh', ['-euc', `gcloud() { cat; }\n${token_command?.value}`], {
    encoding: 'utf8',
  });
  const { iss, sub, aud, iat, exp } = JSON.parse(stdout);
  expect([iss, sub, aud]).toEqual([
    `certherd-people@${PROJECT}.iam.gserviceaccount.com`,
    iss,
    `${api_url?.value}/*`,
  ]);
  expect(exp - iat).toBe(600);
});

test('the configuration names what the plan makes', async () => {
  const plan = await planOf('mybinder, production');
  const named = (type: string, key: string) =>
    plan.filter((it) => it.type === type).map(({ values }) => values[key]);
  const { runtime, clusters, zones } = await configOf('mybinder, production');
  expect(Object.values(runtime.queues)).toEqual(named('google_cloud_tasks_queue', 'name'));
  expect([runtime.schedulerJob]).toEqual(named('google_cloud_scheduler_job', 'name'));
  expect(named('google_service_account', 'email')).toContain(runtime.invoker);
  expect(named('google_pubsub_topic', 'name')).toContain(runtime.topic.split('/').at(-1));
  expect([runtime.audience]).toEqual(
    named('google_cloud_run_v2_service', 'custom_audiences').flat(),
  );
  expect(Object.values(clusters[1].kubeconfigSecret).sort()).toEqual(
    named('google_secret_manager_secret', 'secret_id').sort(),
  );
  expect(zones).toEqual([{ project: 'names-of-acme' }]);
});

test.for(ROOT_NAMES)(
  'the api of %s is looked at from outside unless a proxy stands before it',
  async (root) => {
    const plan = await planOf(root);
    const checks = plan.filter(({ address }) =>
      /uptime_check_config\.api|alert_policy\.api_down|iam_member\.uptime/.test(address),
    );
    expect(checks).toHaveLength(factsOf(root).iap ? 0 : 3);
  },
);
