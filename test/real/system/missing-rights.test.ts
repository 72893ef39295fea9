import { expect, test } from 'vitest';
import { GoogleFault, LegacyGoogleFault } from '../../../local/google-api.ts';
import type { Embedded } from '../../../local/services.ts';
import { on, refusing, weather } from '../../integration/system/faults.ts';
import { ingress, running } from '../../integration/system/running.ts';

const ACCOUNT = (name: string) => `certherd-${name}@p.iam.gserviceaccount.com`;
const refused = () => new GoogleFault('PERMISSION_DENIED', 'no');
const forbidden = () => new LegacyGoogleFault(403, 'forbidden', 'Forbidden');

test.for<[string, Embedded, RegExp, () => Error, readonly string[]]>([
  [
    'publish',
    'pubsub',
    /:publish/,
    refused,
    ['pubsub.topics.publish on projects/p/topics/certherd-versions', 'reconcile'],
  ],
  [
    'add a task',
    'cloud-tasks',
    /\/tasks(\?|$)/,
    refused,
    [
      'cloudtasks.tasks.create on projects/p/locations/europe-west1/queues/certherd-queue-test',
      'reconcile',
    ],
  ],
  [
    'store a certificate',
    'secret-manager',
    /cert-.*:addVersion/,
    refused,
    ['secretmanager.versions.add on project p', 'issue'],
  ],
  [
    'write a challenge',
    'cloud-dns',
    /POST .*\/changes/,
    forbidden,
    ['dns.changes.create', 'zone a-test of project p', 'issue'],
  ],
  [
    'list zones',
    'cloud-dns',
    /\/managedZones(\?|$)/,
    forbidden,
    ['grant dns.managedZones.list on the zones of project p', 'reconcile'],
  ],
])(
  'who may not %s is told which permission is missing, on what, and to whom',
  async ([, service, call, make, words]) => {
    const sky = weather();
    const one = await running({
      manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
      trouble: sky.trouble,
    });
    if (service === 'pubsub') await one.tick();
    sky.set(service, on(call, refusing(make)));
    if (service === 'pubsub')
      await one.request('one', 'DELETE', '/api/v1/namespaces/web/secrets/shop-tls');
    await one.tick();
    const [account = '', ...rest] = words.toReversed();
    const said = JSON.stringify(one.log);
    for (const word of [...rest, ` to ${ACCOUNT(account)}`]) expect(said).toContain(word);
  },
);
