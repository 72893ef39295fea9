import { expect, test } from 'vitest';
import { actionsOf, planOf, type Root } from './plan.ts';

const CHECK = 'google_monitoring_uptime_check_config';
const SECRET = 'google_secret_manager_secret';

type Attributes = Readonly<Record<string, unknown>>;

/** A state in which everything of a type stands as planned, but for what differs. */
async function stateOf(root: Root, type: string, differs: Attributes) {
  const resources = (await planOf(root)).filter((planned) => planned.type === type);
  return {
    version: 4,
    terraform_version: '1.9.0',
    serial: 1,
    lineage: 'b6f2c5a4-0000-0000-0000-000000000000',
    outputs: {},
    resources: resources.map(({ address, values }) => {
      const [, module, name, key = ''] = /^(module\.\w+)\.\w+\.(\w+)\[(.+)\]$/.exec(address) ?? [];
      return {
        ...{ module, mode: 'managed', type, name },
        provider: 'provider["registry.terraform.io/hashicorp/google"]',
        instances: [
          {
            index_key: JSON.parse(key),
            schema_version: 0,
            attributes: { ...values, id: 'old', name: 'old', ...differs },
          },
        ],
      };
    }),
  };
}

/** What becomes of the resources of a type that stand already and differ. */
async function fates(root: Root, type: string, differs: Attributes) {
  const actions = await actionsOf(root, await stateOf(root, type, differs));
  return [...actions].filter(([address]) => address.includes(`.${type}.`));
}

// Google answers 400 to the deletion of a check that an alert asks about.
test('an uptime check for another host is made before the old one goes', async () => {
  const elsewhere = {
    type: 'uptime_url',
    labels: { project_id: 'acme-tls', host: 'elsewhere.test' },
  };
  expect(
    await fates('simple', CHECK, { uptime_check_id: 'old', monitored_resource: [elsewhere] }),
  ).toEqual([[`module.certherd.${CHECK}.api[0]`, ['create', 'delete']]]);
});

// What a person put into them would be gone.
test('secrets of kubeconfigs stay when secrets are to lie elsewhere, or under another key', async () => {
  const kms_key_name = 'projects/acme-keys/locations/us-east1/keyRings/tls/cryptoKeys/secrets';
  const replicas = [{ location: 'us-east1', customer_managed_encryption: [{ kms_key_name }] }];
  expect(
    await fates('mybinder, production', SECRET, {
      effective_annotations: {},
      replication: [{ auto: [], user_managed: [{ replicas }] }],
    }),
  ).toEqual(
    ['reader', 'writer'].map((who) => [
      `module.certherd.${SECRET}.kubeconfig["certherd-kubeconfig-ovh-${who}"]`,
      ['no-op'],
    ]),
  );
});
