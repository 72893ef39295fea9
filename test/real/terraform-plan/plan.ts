import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { workplace } from '../parts/terraform.ts';

/** A resource as it would be made: what is known only after apply is absent from `values`. */
export type Planned = Readonly<{
  address: string;
  type: string;
  values: Readonly<Record<string, unknown>>;
}>;

/** What an example is about, as a person reads it in its `main.tf`. */
export type Facts = Readonly<{
  installation: string;
  issuers: readonly string[];
  /** PROJECT/NAME of each. */
  zones: readonly string[];
  gkeProjects: readonly string[];
  /** Function => the ids of the secrets that it reads kubeconfigs from. */
  kubeconfigs: Readonly<Record<string, readonly string[]>>;
  iap: boolean;
  location: string;
}>;

/** One project for all plans: what is apart here is apart by more than its project. */
export const PROJECT = 'acme-tls';
export const PROJECT_NUMBER = '123456789';
const CHANNEL = `projects/${PROJECT}/notificationChannels/1`;
const ZONE_PROJECT = 'names-of-acme';
const PEOPLE = JSON.stringify(['user:ops@example.org']);
const CLUSTER_PROJECT = 'clusters-of-acme';

const NOTHING_SPECIAL = {
  gkeProjects: [PROJECT],
  kubeconfigs: {},
  iap: false,
  location: 'europe-west1',
};

type RootShape = Readonly<{
  example: string;
  variables: Readonly<Record<string, string>>;
  facts: Facts;
}>;

/** The examples, the values of their variables and what they are about, by the name that a test calls a plan by. */
const ROOTS = {
  simple: {
    example: 'simple',
    variables: {
      cluster: `projects/${PROJECT}/locations/europe-west1/clusters/main`,
      zone: 'example-org',
      contact: 'ops@example.org',
      people: PEOPLE,
    },
    facts: {
      ...NOTHING_SPECIAL,
      installation: 'certherd',
      issuers: ['production'],
      zones: [`${PROJECT}/example-org`],
    },
  },
  'mybinder, staging': {
    example: 'mybinder',
    variables: { environment: 'staging', zone_project: ZONE_PROJECT, people: PEOPLE },
    facts: {
      ...NOTHING_SPECIAL,
      installation: 'certherd-staging',
      location: 'us-central1',
      issuers: ['letsencrypt'],
      zones: [`${ZONE_PROJECT}/staging-mybinder-org`],
    },
  },
  'mybinder, production': {
    example: 'mybinder',
    variables: { environment: 'production', zone_project: ZONE_PROJECT, people: PEOPLE },
    facts: {
      ...NOTHING_SPECIAL,
      installation: 'certherd-production',
      location: 'us-central1',
      issuers: ['letsencrypt'],
      zones: [`${ZONE_PROJECT}/mybinder-org`, `${ZONE_PROJECT}/mybinder-ovh`],
      kubeconfigs: {
        reconcile: ['certherd-kubeconfig-ovh-reader'],
        sync: ['certherd-kubeconfig-ovh-writer'],
      },
    },
  },
  'multi-project': {
    example: 'multi-project',
    variables: { zone_project: ZONE_PROJECT, cluster_project: CLUSTER_PROJECT, people: PEOPLE },
    facts: {
      installation: 'certherd',
      issuers: ['letsencrypt', 'staging'],
      zones: [
        `${ZONE_PROJECT}/example-org`,
        `${ZONE_PROJECT}/example-net`,
        `${PROJECT}/acme-example-org`,
      ],
      gkeProjects: [CLUSTER_PROJECT],
      kubeconfigs: {},
      iap: true,
      location: 'europe-west1',
    },
  },
} as const satisfies Record<string, RootShape>;

export type Root = keyof typeof ROOTS;
export const ROOT_NAMES = Object.keys(ROOTS) as Root[];

export const factsOf = (root: Root): Facts => ROOTS[root].facts;

type Plan = z.infer<typeof shown>['planned_values'];

const plans = new Map<Root, Promise<Plan>>();

/** Everything that an example makes, and nothing that it only reads, as the real provider plans it. Each is initialised, validated and planned once in a run. */
export const planOf = async (root: Root): Promise<readonly Planned[]> =>
  (await planFor(root)).root_module.child_modules
    .flatMap((module) => module.resources)
    .filter(({ mode }) => mode === 'managed');

/** What `terraform output -json` prints for an example, as far as it is known before anything is made. */
export const outputsOf = async (root: Root): Promise<Plan['outputs']> =>
  (await planFor(root)).outputs;

function planFor(root: Root): Promise<Plan> {
  const plan = plans.get(root) ?? planned(root);
  plans.set(root, plan);
  return plan;
}

const planned = async (root: Root): Promise<Plan> => (await shownPlan(root)).planned_values;

/** What a plan does to each address, in this order, where a state lies already; nobody is asked whether that is still so. */
export async function actionsOf(
  root: Root,
  state: unknown,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { resource_changes } = await shownPlan(root, state);
  return new Map(resource_changes.map(({ address, change }) => [address, change.actions]));
}

async function shownPlan(root: Root, state?: unknown): Promise<z.infer<typeof shown>> {
  const { example, variables } = ROOTS[root];
  const place = workplace();
  const folder = join(place.module, 'examples', example);
  const all = {
    project_id: PROJECT,
    project_number: PROJECT_NUMBER,
    notification_channel: CHANNEL,
    ...variables,
  };
  const given = Object.entries(all).map(([name, value]) => `-var=${name}=${value}`);
  try {
    if (state) writeFileSync(join(folder, 'terraform.tfstate'), JSON.stringify(state));
    await place.terraform(folder, 'init', '-no-color');
    const verdict = JSON.parse(await place.terraform(folder, 'validate', '-json'));
    if (verdict.diagnostics.length > 0) throw new Error(JSON.stringify(verdict.diagnostics));
    await place.terraform(folder, 'plan', '-no-color', '-refresh=false', '-out=plan', ...given);
    return shown.parse(JSON.parse(await place.terraform(folder, 'show', '-json', 'plan')));
  } finally {
    place.remove();
  }
}

const resource = z.object({
  mode: z.enum(['managed', 'data']),
  address: z.string(),
  type: z.string(),
  values: z.record(z.string(), z.unknown()),
});
/** https://developer.hashicorp.com/terraform/internals/json-format#values-representation */
const shown = z.object({
  planned_values: z.object({
    outputs: z.record(z.string(), z.object({ value: z.unknown() })),
    root_module: z.object({
      child_modules: z.array(z.object({ resources: z.array(resource) })),
    }),
  }),
  resource_changes: z.array(
    z.object({ address: z.string(), change: z.object({ actions: z.array(z.string()) }) }),
  ),
});
