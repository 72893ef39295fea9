import { expect, test } from 'vitest';
import { actionsOf, planOf } from './plan.ts';

const CHECK = 'google_monitoring_uptime_check_config';

/** A state in which everything of a type stands as planned, but for what differs. */
async function stateOf(type: string, differs: Readonly<Record<string, unknown>>) {
  const resources = (await planOf('simple')).filter((planned) => planned.type === type);
  return {
    version: 4,
    terraform_version: '1.9.0',
    serial: 1,
    lineage: 'b6f2c5a4-0000-0000-0000-000000000000',
    outputs: {},
    resources: resources.map(({ address, values }) => {
      const [, module, name, index] = /^(module\.\w+)\.\w+\.(\w+)\[(\d+)\]$/.exec(address) ?? [];
      return {
        ...{ module, mode: 'managed', type, name },
        provider: 'provider["registry.terraform.io/hashicorp/google"]',
        instances: [
          {
            index_key: Number(index),
            schema_version: 0,
            attributes: { ...values, id: 'old', name: 'old', uptime_check_id: 'old', ...differs },
          },
        ],
      };
    }),
  };
}

// Google answers 400 to the deletion of a check that an alert asks about.
test('an uptime check for another host is made before the old one goes', async () => {
  const elsewhere = {
    type: 'uptime_url',
    labels: { project_id: 'acme-tls', host: 'elsewhere.test' },
  };
  const actions = await actionsOf(
    'simple',
    await stateOf(CHECK, { monitored_resource: [elsewhere] }),
  );
  expect([...actions].filter(([address]) => address.includes(CHECK))).toEqual([
    [`module.certherd.${CHECK}.api[0]`, ['create', 'delete']],
  ]);
});
