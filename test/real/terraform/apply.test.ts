import { X509Certificate } from 'node:crypto';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyManifests } from '../../../local/kubernetes/manifests.ts';
import type { KubernetesObject } from '../../../local/kubernetes/object.ts';
import type { Policy } from '../../../local/wire/policy.ts';
import { ingress } from '../../integration/system/running.ts';
import { agent, type Cloud, PROJECT, startCloud } from './cloud.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { type Workspace, workspace } from './terraform.ts';

const DAY_MS = 86_400_000;
const FUNCTIONS = ['reconcile', 'issue', 'sync', 'api'];
const AT_ONCE = '-parallelism=40';

let cloud: Cloud;
let root: Workspace;
let one: Deployment;
let samples = 0;

beforeAll(async () => {
  cloud = await startCloud();
  root = await workspace(cloud.ownerToken(), {
    ...Object.fromEntries(FUNCTIONS.map((name) => [`dist/${name}.zip`, `the zip of ${name}`])),
    'terraform.tfvars.json': { ...cloud.variables, source_directory: './dist' },
    // The functions of the cloud have addresses that this machine does not.
    'certherd/loopback_override.tf': `locals {\n  function_urls = { for name in ["reconcile", "issue", "sync"] : name => "${cloud.host.url}/\${name}" }\n}\n`,
  });
  await root.run('apply', '-auto-approve', AT_ONCE);
  one = await startDeployment(cloud);
});

afterAll(async () => {
  root?.folder.remove();
  await cloud?.close();
});

async function apply(...objects: readonly KubernetesObject[]): Promise<void> {
  const { faults } = await applyManifests(objects, cloud.clusters.main);
  expect(faults).toEqual([]);
}

/** The certificate in a Secret of the namespace web. */
async function served(name: string, cluster: 'main' | 'other' = 'main'): Promise<X509Certificate> {
  const { server, ca, token } = cloud.clusters[cluster];
  const dispatcher = new Agent({ connect: { ca }, allowH2: false });
  const response = await fetch(`${server}/api/v1/namespaces/web/secrets/${name}`, {
    headers: { authorization: `Bearer ${token}` },
    dispatcher,
  });
  const secret = (await response.json()) as { data?: Readonly<Record<string, string>> };
  await dispatcher.close();
  return new X509Certificate(Buffer.from(secret.data?.['tls.crt'] ?? '', 'base64'));
}

/** Every TXT record set of the two zones. */
async function challenges(): Promise<readonly unknown[]> {
  const { url } = cloud.services.dns;
  const zones = [
    [PROJECT, 'a-test'],
    ['dns-project', 'b-test'],
  ] as const;
  const lists = await Promise.all(
    zones.map(([project, zone]) =>
      cloud.asOwner<{ rrsets: readonly { type: string }[] }>(
        'GET',
        `${url}/dns/v1/projects/${project}/managedZones/${zone}/rrsets`,
      ),
    ),
  );
  return lists.flatMap(({ rrsets }) => rrsets.filter(({ type }) => type === 'TXT'));
}

// No front serves here, so no host can be proven.
const failures = () =>
  one.log.filter(
    ({ severity, message }) => /ERROR|WARNING/.test(severity) && message !== 'host not proven',
  );

const LOCATION = `projects/${PROJECT}/locations/europe-west1`;

/** The URL of each policy that a sample takes a grant from. */
const policyUrl = (of: 'project' | 'zone' | 'queue' | 'secret' | 'account') => {
  const { dns, tasks, secretManager } = cloud.services;
  const caller = `certherd-queue@${PROJECT}.iam.gserviceaccount.com`;
  return {
    project: `${cloud.stub.url}/resourcemanager/v1/projects/${PROJECT}`,
    account: `${cloud.stub.url}/iam/v1/projects/${PROJECT}/serviceAccounts/${caller}`,
    zone: `${dns.url}/dns/v1/projects/${PROJECT}/managedZones/a-test`,
    queue: `${tasks.url}/v2/${LOCATION}/queues/certherd-queue-test`,
    secret: `${secretManager.url}/v1/projects/${PROJECT}/secrets/other-reader`,
  }[of];
};

type Grant = Readonly<{ on: Parameters<typeof policyUrl>[0]; role: string; of: string }>;

/** Does the work while the account lacks the role. */
async function without({ on, role, of }: Grant, work: () => Promise<void>): Promise<void> {
  const url = policyUrl(on);
  const member = `serviceAccount:certherd-${of}@${PROJECT}.iam.gserviceaccount.com`;
  const set = ({ etag: _, ...policy }: Policy) =>
    cloud.asOwner('POST', `${url}:setIamPolicy`, { policy: { ...policy, version: 3 } });
  const policy = await cloud.policyAt(url);
  const bindings = (policy.bindings ?? []).map((binding) => ({
    ...binding,
    members: (binding.members ?? []).filter(
      (other) => !(binding.role.endsWith(role) && other === member),
    ),
  }));
  expect(bindings, 'there must be something to take away').not.toEqual(policy.bindings);
  await set({ bindings: bindings.filter(({ members }) => members.length > 0) });
  try {
    await work();
  } finally {
    await set(policy);
  }
}

test('a second plan finds nothing to do', async () => {
  await expect(root.run('plan', '-detailed-exitcode', AT_ONCE)).resolves.toBeUndefined();
});

const SERVICES = `/run/v2/${LOCATION}/services`;
const API = `${SERVICES}/certherd-api`;

test('an image that nobody built is refused', async () => {
  const image = 'europe-west1-docker.pkg.dev/project-a/certherd-api/api';
  await expect(
    cloud.asOwner('POST', `${cloud.stub.url}${SERVICES}?serviceId=unbuilt`, {
      template: { containers: [{ image }] },
    }),
  ).rejects.toThrow(`Image '${image}' not found.`);
});

test('the api runs the image that a function made of its zip, and follows it to the next zip in one apply', async () => {
  const first = cloud.stub.imageOf(API);
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  root.folder.write('dist/api.zip', 'the next zip of api');
  await root.run('apply', '-auto-approve', AT_ONCE);
  const next = cloud.stub.imageOf(API);
  expect(next).toMatch(/^[0-9a-f]{64}$/);
  expect(next).not.toBe(first);
  expect(cloud.stub.imageOf(`${API}-build`)).toBe(next);
  await root.run('plan', '-detailed-exitcode', AT_ONCE);
});

test('nobody may call the function that the image comes from', () => {
  expect(cloud.stub.policy(`${API}-build`).bindings ?? []).toEqual([]);
});

test('a service agent of Google that nobody made is named when it is granted something', async () => {
  const absent = agent('pubsub');
  const grant = 'module.certherd.google_pubsub_subscription_iam_member.dead_letter';
  const again = () => root.run('apply', '-auto-approve', `-target=${grant}`, `-replace=${grant}`);
  cloud.agents.delete(absent);
  try {
    await expect(again()).rejects.toThrow(`Service account ${absent} does not exist.`);
  } finally {
    cloud.agents.add(absent);
  }
  await again();
});

test('a person puts the kubeconfigs into the secrets that were made for them', async () => {
  const { secretManager } = cloud.services;
  for (const [who, kubeconfig] of Object.entries(cloud.kubeconfigs))
    await cloud.asOwner(
      'POST',
      `${secretManager.url}/v1/projects/${PROJECT}/secrets/other-${who}:addVersion`,
      { payload: { data: Buffer.from(JSON.stringify(kubeconfig)).toString('base64') } },
    );
});

test("Google's own agents may publish, and take off what is given up", async () => {
  const { pubsub } = cloud.services;
  const holders = async (resource: string, permission: string) =>
    cloud.iam.holders(
      await cloud.policyAt(`${pubsub.url}/v1/projects/${PROJECT}/${resource}`),
      permission,
    );
  expect(await holders('topics/certherd-versions', 'pubsub.topics.publish')).toEqual([
    `certherd-reconcile@${PROJECT}.iam.gserviceaccount.com`,
    agent('secretmanager'),
  ]);
  expect(await holders('topics/certherd-dead', 'pubsub.topics.publish')).toEqual([agent('pubsub')]);
  expect(await holders('subscriptions/certherd-sync', 'pubsub.subscriptions.consume')).toEqual([
    agent('pubsub'),
  ]);
});

test('each function runs as its own account, and all with the same configuration', () => {
  for (const name of FUNCTIONS)
    expect(one.applied(name as 'issue')).toEqual({
      account: `certherd-${name}@${PROJECT}.iam.gserviceaccount.com`,
      config: one.applied('reconcile').config,
    });
});

test('what Ingresses ask for is issued in both projects and delivered, with no refusal', async () => {
  await apply(
    ingress('shop', ['shop.a.test', 'www.a.test'], 'shop-tls'),
    ingress('wide', ['x.b.test'], 'wide-tls'),
  );
  const far = await applyManifests(
    [ingress('far', ['far.a.test'], 'far-tls')],
    cloud.clusters.other,
  );
  expect(far.faults).toEqual([]);
  await one.tick();
  expect({ refusals: cloud.iam.refusals, failures: failures() }).toEqual({
    refusals: [],
    failures: [],
  });
  expect((await served('shop-tls')).subjectAltName).toBe('DNS:shop.a.test, DNS:www.a.test');
  expect((await served('wide-tls')).subjectAltName).toBe('DNS:*.b.test');
  expect((await served('far-tls', 'other')).subjectAltName).toBe('DNS:far.a.test');
  expect(await challenges()).toEqual([]);
});

test('what grows old is renewed, and of its versions as many are kept as the configuration says', async () => {
  const before = (await served('shop-tls')).serialNumber;
  for (let round = 0; round < 3; round += 1) {
    cloud.clock.advance(63 * DAY_MS);
    await one.tick();
  }
  expect((await served('shop-tls')).serialNumber).not.toBe(before);
  const shop = (await one.records()).find(({ id }) => id.startsWith('shop-'));
  const { versions } = await cloud.asOwner<{ versions: readonly { state: string }[] }>(
    'GET',
    `${cloud.services.secretManager.url}/v1/projects/${PROJECT}/secrets/certherd-cert-${shop?.id}/versions`,
  );
  expect(versions.map(({ state }) => state)).toEqual([
    'ENABLED',
    'ENABLED',
    'DESTROYED',
    'DESTROYED',
  ]);
  expect(cloud.iam.refusals).toEqual([]);
});

test('what a person asks for by hand is issued, renewed, delivered and shown, with no refusal', async () => {
  const asked = await one.ask('POST', '/v1/certificates', {
    names: ['hand.a.test'],
    targets: ['main/web/hand-tls'],
  });
  expect(asked.status).toBe(202);
  await one.settle();
  const first = await served('hand-tls');
  expect(first.subjectAltName).toBe('DNS:hand.a.test');

  const path = `/v1/certificates/${asked.body.id}`;
  expect((await one.ask('POST', `${path}:renew`, {})).status).toBe(202);
  await one.settle();
  expect((await served('hand-tls')).serialNumber).not.toBe(first.serialNumber);

  for (const [method, what] of [
    ['POST', `${path}:deliver`],
    ['POST', '/v1/run'],
    ['GET', '/v1/status'],
    ['GET', '/v1/plan'],
    ['GET', '/v1/backup'],
    ['GET', '/v1/zones'],
  ] as const) {
    const { status, body } = await one.ask(method, what, method === 'POST' ? {} : undefined);
    expect({ what, isWell: status < 300, body }).toMatchObject({ what, isWell: true });
    await one.settle();
  }
  expect(cloud.iam.refusals).toEqual([]);
});

test('whoever the configuration does not name is stopped at the first door', async () => {
  const { metadata } = cloud.services;
  const [reconcile, stranger] = ['reconcile', 'sync'].map(
    (name) => `certherd-${name}@${PROJECT}.iam.gserviceaccount.com`,
  );
  for (const [name, email] of [
    ['issue', reconcile],
    ['sync', reconcile],
    ['reconcile', stranger],
    ['api', stranger],
  ] as const) {
    const url = `${cloud.host.url}/${name}`;
    const token = await metadata.identityToken(email ?? '', url);
    const { status } = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    expect({ name, status }).toEqual({ name, status: 403 });
  }
});

const tick = () => one.tick();

// Where a cluster is, is known for five minutes.
async function tickLater(): Promise<void> {
  cloud.clock.advance(6 * 60_000);
  await one.tick();
}

type Sample = Readonly<{
  lost: Grant;
  when?: () => Promise<unknown>;
  permission: string;
  resource: string;
}>;

test.for<[string, Sample]>([
  [
    'reconcile may not make a task',
    {
      lost: { on: 'queue', role: 'task_creator', of: 'reconcile' },
      permission: 'cloudtasks.tasks.create',
      resource: 'queues/certherd-queue-test',
    },
  ],
  [
    'reconcile may not act as the account that calls issue',
    {
      lost: { on: 'account', role: 'serviceAccountUser', of: 'reconcile' },
      permission: 'iam.serviceAccounts.actAs',
      resource: `certherd-queue@${PROJECT}.iam.gserviceaccount.com`,
    },
  ],
  [
    'reconcile may not list secrets',
    {
      lost: { on: 'project', role: 'secret_lister', of: 'reconcile' },
      permission: 'secretmanager.secrets.list',
      resource: PROJECT,
    },
  ],
  [
    'reconcile may not find the cluster',
    {
      lost: { on: 'project', role: 'cluster_connector', of: 'reconcile' },
      when: tickLater,
      permission: 'container.clusters.get',
      resource: `${LOCATION}/clusters/main`,
    },
  ],
  [
    'reconcile may not read its kubeconfig',
    {
      lost: { on: 'secret', role: 'kubeconfig_reader', of: 'reconcile' },
      when: tickLater,
      permission: 'secretmanager.versions.',
      resource: 'other-reader',
    },
  ],
  [
    'issue may not add a version',
    {
      lost: { on: 'project', role: 'version_adder', of: 'issue' },
      permission: 'secretmanager.versions.add',
      resource: `projects/${PROJECT}/secrets/certherd-pending-`,
    },
  ],
  [
    'issue may not make a change in the zone',
    {
      lost: { on: 'zone', role: 'change_maker', of: 'issue' },
      permission: 'dns.changes.create',
      resource: `zone a-test of project ${PROJECT}`,
    },
  ],
  [
    'issue may not write the challenge',
    {
      lost: { on: 'zone', role: 'txt_writer', of: 'issue' },
      permission: 'dns.resourceRecordSets.create',
      resource: `zone a-test of project ${PROJECT}`,
    },
  ],
  [
    'sync may not read the certificate',
    {
      lost: { on: 'project', role: 'payload_reader', of: 'sync' },
      permission: 'secretmanager.versions.access',
      resource: `projects/${PROJECT}/secrets/certherd-cert-sample-`,
    },
  ],
  [
    'the api may not run the job',
    {
      lost: { on: 'project', role: 'job_runner', of: 'api' },
      when: () => one.ask('POST', '/v1/run', {}),
      permission: 'cloudscheduler.jobs.run',
      resource: `${LOCATION}/jobs/certherd-reconcile`,
    },
  ],
])('when %s, what is read names permission, resource and account', async ([, sample]) => {
  const { lost, when = tick, permission, resource } = sample;
  samples += 1;
  const name = `sample-${samples}`;
  const before = one.log.length;
  await apply(ingress(name, [`${name}.a.test`], `${name}-tls`));
  await without(lost, async () => {
    const reply = await when();
    await one.settle();
    // A plan repeats what failed before; here only what failed now counts.
    const lines = one.log.slice(before).filter(({ message }) => message !== 'certificate planned');
    const said = [reply, ...lines].map((line) => JSON.stringify(line) ?? '');
    const account = `certherd-${lost.of}@${PROJECT}.iam.gserviceaccount.com`;
    const isNamed = (line: string) =>
      [permission, resource, account].every((name) => line.includes(name));
    expect(said.filter(isNamed), said.join('\n')).not.toEqual([]);
  });
  expect(cloud.iam.refusals.length).toBeGreaterThan(0);
  cloud.iam.refusals.length = 0;
});

test('with everything granted again, what was refused comes to its end', async () => {
  cloud.clock.advance(DAY_MS);
  await one.tick();
  await one.tick();
  expect(cloud.iam.refusals).toEqual([]);
  for (let number = 1; number <= samples; number += 1)
    expect((await served(`sample-${number}-tls`)).subjectAltName).toBe(
      `DNS:sample-${number}.a.test`,
    );
  expect(await challenges()).toEqual([]);
});

test('what was granted and not used is what is known to be asked for out of sight', () => {
  const granted = new Set(
    [...cloud.stub.resources()]
      .filter(([path]) => path.includes('/roles/'))
      .flatMap(([, { includedPermissions }]) => includedPermissions as readonly string[]),
  );
  const unused = [...granted].filter((permission) => !cloud.iam.used.has(permission));
  // What Cloud DNS and the clients ask for beyond the calls that are seen here.
  expect(unused.sort()).toEqual([
    'dns.managedZones.get',
    'dns.resourceRecordSets.get',
    'dns.resourceRecordSets.update',
    'secretmanager.versions.get',
  ]);
});

test('a deployment without its queue says which one is missing', async () => {
  const queue = `${LOCATION}/queues/certherd-queue-test`;
  const before = one.log.length;
  await cloud.asOwner('DELETE', policyUrl('queue'));
  await apply(ingress('late', ['late.a.test'], 'late-tls'));
  await one.tick();
  const absent = new RegExp(`${queue}.*; the same is answered when there is no such queue$`);
  expect(one.log.slice(before)).toContainEqual(
    expect.objectContaining({
      severity: 'ERROR',
      message: 'certificate not handed on',
      reason: expect.stringMatching(absent),
    }),
  );
  const { body } = await one.ask('GET', '/v1/status');
  expect(body.queues).toEqual([
    { issuer: 'test', queue, state: 'UNREADABLE', problem: expect.stringMatching(absent) },
  ]);
});

test('destroy leaves nothing but the certificates and the accounts with their CA', async () => {
  await root.run('destroy', '-auto-approve', AT_ONCE);
  const { dns, pubsub, tasks, scheduler, secretManager } = cloud.services;
  const left = await Promise.all(
    [
      `${dns.url}/dns/v1/projects/${PROJECT}/managedZones`,
      `${dns.url}/dns/v1/projects/dns-project/managedZones`,
      `${pubsub.url}/v1/projects/${PROJECT}/topics`,
      `${pubsub.url}/v1/projects/${PROJECT}/subscriptions`,
      `${tasks.url}/v2/${LOCATION}/queues`,
      `${scheduler.url}/v1/${LOCATION}/jobs`,
    ].map((url) => cloud.asOwner<object>('GET', url)),
  );
  expect(
    left.flatMap(Object.values).flatMap((value) => (Array.isArray(value) ? value : [])),
  ).toEqual([]);
  // An enabled API stays enabled: others in the project may use it.
  const others = [...cloud.stub.resources().keys()].filter((path) => !path.includes('/services/'));
  expect(others).toEqual([]);
  const { secrets } = await cloud.asOwner<{ secrets: readonly { name: string }[] }>(
    'GET',
    `${secretManager.url}/v1/projects/${PROJECT}/secrets`,
  );
  for (const { name } of secrets) expect(name).toMatch(/certherd-(cert|account|pending)-/);
});
