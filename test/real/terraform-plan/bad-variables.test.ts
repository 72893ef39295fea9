import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { workplace } from './terraform.ts';

const place = workplace();

const GOOD = {
  project_id: 'acme-tls',
  project_number: '123456789',
  source_directory: join(place.module, '../dist'),
  issuers: { test: { directory: 'https://ca.test/directory' } },
  clusters: [{ name: 'main', gke: 'projects/p/locations/l/clusters/c' }],
  zones: [{ project: 'acme-tls', name: 'example-org' }],
  notification_channels: ['projects/acme-tls/notificationChannels/1'],
};

beforeAll(() => place.terraform(place.module, 'init', '-no-color'));
afterAll(() => place.remove());

/** What a person reads who plans the module with these variables; nothing when all is well. */
async function read(differs: Readonly<Record<string, unknown>>): Promise<string> {
  const given = Object.entries({ ...GOOD, ...differs }).map(
    ([name, value]) => `-var=${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  try {
    await place.terraform(place.module, 'plan', '-no-color', ...given);
    return '';
  } catch (error) {
    // Terraform breaks lines where a terminal would, and draws a border.
    return (error as Error).message.replace(/\s*\n[│╷╵]?\s*/g, ' ');
  }
}

test('good variables are planned', async () => {
  expect(await read({})).toBe('');
});

test.for<[string, Record<string, unknown>, string]>([
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
    'A certificate names a cluster that is not configured; give one of main.',
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
    "its secrets would lie inside another installation's.",
  ],
  [
    'a folder without the zips',
    { source_directory: '/' },
    'run `npm run build` and give its dist folder.',
  ],
])('%s is told what would be right', async ([, differs, sentence]) => {
  expect(await read(differs)).toContain(sentence);
});
