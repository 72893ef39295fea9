import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { workplace } from '../parts/terraform.ts';

const place = workplace();
const SIMPLE = join(place.module, 'examples/simple');

const GOOD = {
  project_id: 'acme-tls',
  project_number: '123456789',
  source_directory: join(place.module, '../dist'),
  issuers: { test: { directory: 'https://ca.test/directory' } },
  clusters: [{ name: 'main', gke: 'projects/p/locations/l/clusters/c' }],
  zones: [{ project: 'acme-tls', name: 'example-org' }],
  notification_channels: ['projects/acme-tls/notificationChannels/1'],
};

const GOOD_SIMPLE = {
  project_id: 'acme-tls',
  project_number: '123456789',
  cluster: 'projects/acme-tls/locations/europe-west1/clusters/main',
  zone: 'example-org',
  contact: 'ops@example.org',
  people: ['user:ops@example.org', 'group:sre@example.org'],
  notification_channel: 'projects/acme-tls/notificationChannels/1',
};

beforeAll(async () => {
  for (const folder of [place.module, SIMPLE]) await place.terraform(folder, 'init', '-no-color');
});
afterAll(() => place.remove());

type Variables = Readonly<Record<string, unknown>>;

/** What a person reads who plans the module with these variables; nothing when all is well. */
const read = (differs: Variables) => readIn(place.module, { ...GOOD, ...differs });

const readSimple = (differs: Variables) => readIn(SIMPLE, { ...GOOD_SIMPLE, ...differs });

async function readIn(folder: string, variables: Variables): Promise<string> {
  const given = join(folder, 'given.tfvars.json');
  writeFileSync(given, JSON.stringify(variables));
  try {
    await place.terraform(folder, 'plan', '-no-color', `-var-file=${given}`);
    return '';
  } catch (error) {
    // Terraform breaks lines where a terminal would, and draws a border.
    return (error as Error).message.replace(/\s*\n[│╷╵]?\s*/g, ' ');
  }
}

test('good variables are planned', async () => {
  expect(await read({})).toBe('');
});

test('a time zone may be UTC alone', async () => {
  expect(await read({ time_zone: 'UTC' })).toBe('');
});

test('what is given as null has its default', async () => {
  const nulls = ['location', 'installation', 'opt_in_annotation', 'keep_versions', 'time_zone'];
  expect(await read(Object.fromEntries(nulls.map((name) => [name, null])))).toBe('');
});

test('no name, number, issuer, cluster or zone may be null', async () => {
  const names = ['project_id', 'project_number', 'issuers', 'clusters', 'zones'];
  const said = await read(Object.fromEntries(names.map((name) => [name, null])));
  const told = [...said.matchAll(/suitable for var\.(\w+) .{0,60}may not be set to null/g)].map(
    ([, name]) => name,
  );
  expect(told.sort()).toEqual(names.sort());
});

test('who has built nothing is told so once, not for each zip, and may validate', async () => {
  const dist = join(place.module, '../dist');
  renameSync(dist, `${dist}-away`);
  try {
    await place.terraform(SIMPLE, 'validate');
    const said = await readSimple({});
    expect(said.match(/Error: /g)).toHaveLength(1);
    expect(said).toContain('run `npm run build` and give its dist folder.');
  } finally {
    renameSync(`${dist}-away`, dist);
  }
});

test('the simple example is planned with good variables', async () => {
  expect(await readSimple({})).toBe('');
});

const EVERYBODY = 'everybody is not possible, for whoever is named may do everything.';

test.for<[string, Variables, string]>([
  ['everybody', { people: ['allUsers'] }, EVERYBODY],
  ['everybody with an account', { people: ['allAuthenticatedUsers'] }, EVERYBODY],
  [
    'a person by the bare address',
    { people: ['ops@example.org'] },
    'Give each as "user:EMAIL", "group:EMAIL" or "serviceAccount:EMAIL"',
  ],
  ['nobody', { people: [] }, 'Name at least one who may use the api'],
  [
    'a cluster by its bare name',
    { cluster: 'main' },
    'A cluster\'s gke must be "projects/P/locations/L/clusters/C".',
  ],
  [
    'a zone by its DNS name',
    { zone: 'example.org' },
    'Give the name of a managed zone, such as "example-org", not its DNS name.',
  ],
  [
    'a contact with a scheme',
    { contact: 'mailto:ops@example.org' },
    'contact must be an e-mail address, without "mailto:".',
  ],
])('%s in the simple example is told what would be right', async ([, differs, sentence]) => {
  expect(await readSimple(differs)).toContain(sentence);
});

test.for<[string, Variables, string]>([
  [
    'everybody as a viewer',
    { access: { viewers: ['allUsers'] } },
    'groups and everybody are not possible',
  ],
  [
    'everybody with an account as an admin',
    { access: { admins: ['allAuthenticatedUsers'] } },
    'groups and everybody are not possible',
  ],
  [
    'a cluster without a name',
    { clusters: [{ gke: 'projects/p/locations/l/clusters/c' }] },
    'Give each cluster a name of lower-case letters, digits and "-"; it stands in logs, plans and records.',
  ],
  [
    'an unknown issuer',
    { default_issuer: 'production' },
    'There is no issuer "production"; give one of test.',
  ],
  [
    'several issuers and no default',
    { issuers: { ...GOOD.issuers, other: { directory: 'https://other.test/directory' } } },
    'With several issuers, say which one an Ingress gets that names none: one of other, test.',
  ],
  [
    "a certificate of an issuer and a cluster that there aren't",
    {
      certificates: [
        { cluster: 'other', namespace: 'web', secret: 'tls', names: ['a.test'], issuer: 'none' },
      ],
    },
    'A certificate names no cluster, or one that is not configured; give one of main.',
  ],
  [
    'a zone without its project',
    { zones: [{ name: 'example-org' }] },
    'Give each zone the id of its project, { project = "dns-project", name = "example-org" }; it may be another than project_id.',
  ],
  [
    'a schedule that never fires',
    { schedule: '0 0 31 2 *' },
    'Give a cron schedule that fires every hour of every day, such as "17 * * * *" or "*/20 * * * *"; a rarer one would miss renewals, and one such as "0 0 31 2 *" never fires.',
  ],
  [
    'alerts without a channel',
    { notification_channels: [] },
    'Give at least one notification channel: an alert that reaches nobody is none',
  ],
  [
    "an installation inside another's prefix",
    { installation: 'herd-pending' },
    "its secrets or queues would lie inside another installation's.",
  ],
  [
    "an installation whose queues would be another's",
    { installation: 'herd-queue-x' },
    "its secrets or queues would lie inside another installation's.",
  ],
  [
    'an issuer without its directory',
    { issuers: { test: { contact: 'ops@example.org' } } },
    "Each issuer's directory must be an https:// URL with a path",
  ],
  [
    'a root that is its first line alone',
    {
      issuers: {
        test: {
          directory: 'https://ca.test/directory',
          ca_certificate: '-----BEGIN CERTIFICATE-----',
        },
      },
    },
    'must be the PEM text of a certificate, from its BEGIN line to its END line',
  ],
  [
    'a kubeconfig for nobody',
    { clusters: [{ name: 'main', kubeconfig_secrets: { writer: 'kubeconfig-main' } }] },
    'Give kubeconfig_secrets a reader, and a writer if it is another',
  ],
  [
    'an allow rule without its names',
    { clusters: [{ ...GOOD.clusters[0], allow: [{ namespaces: ['web'] }] }] },
    'Each allow rule needs at least one namespace and one DNS name',
  ],
  [
    'a certificate for no cluster',
    { certificates: [{ namespace: 'web', secret: 'tls', names: ['a.test'] }] },
    'A certificate names no cluster, or one that is not configured; give one of main.',
  ],
  [
    'a certificate without its namespace',
    { certificates: [{ cluster: 'main', secret: 'tls', names: ['a.test'] }] },
    "A certificate's namespace and secret must be given",
  ],
  [
    'a certificate without its names',
    { certificates: [{ cluster: 'main', namespace: 'web', secret: 'tls' }] },
    'A certificate has from 1 to 100 names.',
  ],
  [
    'a network without its subnetwork',
    { vpc_egress: { network: 'main' } },
    'Give network and subnetwork',
  ],
  [
    'an address that is no DNS name',
    { delegated: ['10.0.0.1'] },
    'Give DNS names such as "partner.example", no addresses',
  ],
  [
    "somebody else's channel",
    { notification_channels: ['projects/other/notificationChannels/1'] },
    'A channel must be of the project itself, "projects/acme-tls/notificationChannels/N"',
  ],
  [
    'an area without its city',
    { time_zone: 'Europe/+' },
    'Give a name of the tz database, "UTC" or area and city, such as "Europe/Berlin".',
  ],
  [
    'more labels than Google takes',
    { labels: Object.fromEntries(Array.from({ length: 61 }, (_, n) => [`k${n}`, 'v'])) },
    'Give at most 60 labels',
  ],
  [
    'a configuration that is too large',
    {
      certificates: Array.from({ length: 500 }, (_, n) => ({
        ...{ cluster: 'main', namespace: 'web', secret: `tls-${n}`, names: [`${n}.a.test`] },
      })),
    },
    "bytes and a function's environment takes 32768: ask for fewer certificates here",
  ],
  [
    'a folder without the zips',
    { source_directory: '/' },
    'run `npm run build` and give its dist folder.',
  ],
])('%s is told what would be right', async ([, differs, sentence]) => {
  expect(await read(differs)).toContain(sentence);
});
