import { expect, test } from 'vitest';
import { parseConfig } from '../../../shared/config.ts';
import { type Planned, planOf, ROOT_NAMES, type Root } from './plan.ts';

const FUNCTIONS = ['api', 'issue', 'reconcile', 'sync'];

type Environment = Readonly<{ NODE_ENV: string; CERTHERD_CONFIG: string }>;

/** What each of the four functions finds in its environment, by its name. */
function environments(plan: readonly Planned[]): ReadonlyMap<string, Environment> {
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
      const { build_config, template } = values as {
        build_config: [{ function_target: string }];
        template: [{ containers: [{ env: { name: string; value: string }[] }] }];
      };
      const entries = template[0].containers[0].env.map(({ name, value }) => [name, value]);
      return [build_config[0].function_target, Object.fromEntries(entries)] as const;
    });
  return new Map([...functions, ...services]);
}

test.for(ROOT_NAMES)(
  '%s is planned offline, and its four functions take their configuration',
  async (root) => {
    const found = environments(await planOf(root));
    expect([...found.keys()].sort()).toEqual(FUNCTIONS);
    for (const { NODE_ENV, CERTHERD_CONFIG } of found.values()) {
      expect(NODE_ENV).toBe('production');
      const parsed = parseConfig(JSON.parse(CERTHERD_CONFIG));
      expect('faults' in parsed ? parsed.faults : []).toEqual([]);
    }
  },
);

const configOf = async (root: Root) => {
  const { CERTHERD_CONFIG } = environments(await planOf(root)).get('api') as Environment;
  return JSON.parse(CERTHERD_CONFIG);
};

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
