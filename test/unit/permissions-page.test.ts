import { expect, test } from 'vitest';
import { rightsOf } from '../../local/rights.ts';
import { permissionsPage } from '../real/terraform-plan/page.ts';

const page = permissionsPage();

test('every row of docs/permissions.md says why, and what breaks without it', () => {
  expect(page.rows.length).toBeGreaterThan(25);
  expect(page.rows.filter(({ why, without }) => why === '' || without === '')).toEqual([]);
});

const SECRETS = '/v1/projects/p/secrets';
const DNS = '/dns/v1/projects/p/managedZones';
const ENGINES = 'projects/p/locations/l';

/** A call, the permission that it takes, and the words of the page's third column that reach its resource. */
const CALLS: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['GET', SECRETS, 'secretmanager.secrets.list', ['the project']],
  ['POST', SECRETS, 'secretmanager.secrets.create', ['the project']],
  ...(
    [
      ['certherd-cert-shop', ['certificates', 'certificates and keys']],
      ['certherd-account-le', ['keys', 'certificates and keys']],
      ['certherd-pending-shop', ['keys', 'pending keys', 'certificates and keys']],
      ['kubeconfig-ovh', ['its own kubeconfigs']],
      ['certherd2-cert-shop', []],
    ] as const
  ).flatMap(([id, on]) => {
    const secret = `${SECRETS}/${id}`;
    return [
      ['GET', secret, 'secretmanager.secrets.get', on],
      ['PATCH', secret, 'secretmanager.secrets.update', on],
      ['DELETE', secret, 'secretmanager.secrets.delete', on],
      ['GET', `${secret}/versions`, 'secretmanager.versions.list', on],
      ['GET', `${secret}/versions/3`, 'secretmanager.versions.get', on],
      ['GET', `${secret}/versions/3:access`, 'secretmanager.versions.access', on],
      ['POST', `${secret}:addVersion`, 'secretmanager.versions.add', on],
      ['POST', `${secret}/versions/3:destroy`, 'secretmanager.versions.destroy', on],
      ['POST', `${secret}/versions/3:disable`, 'secretmanager.versions.disable', on],
    ] as const;
  }),
  ['GET', DNS, 'dns.managedZones.list', ['projects of the zones']],
  ['GET', `${DNS}/z`, 'dns.managedZones.get', ['each zone']],
  ['GET', `${DNS}/z/rrsets`, 'dns.resourceRecordSets.list', ['each zone']],
  ['POST', `${DNS}/z/changes`, 'dns.changes.create', ['each zone']],
  ['GET', `${DNS}/z/changes/1`, 'dns.changes.get', ['each zone']],
  ['DELETE', `${DNS}/z`, 'dns.managedZones.delete', ['each zone']],
  ['POST', `/v2/${ENGINES}/queues/q/tasks`, 'cloudtasks.tasks.create', ['each queue']],
  ['GET', `/v2/${ENGINES}/queues/q`, 'cloudtasks.queues.get', ['each queue']],
  ['POST', `/v2/${ENGINES}/queues/q:pause`, 'cloudtasks.queues.pause', ['each queue']],
  ['GET', `/v1/${ENGINES}/jobs/j`, 'cloudscheduler.jobs.get', ['the project']],
  ['POST', `/v1/${ENGINES}/jobs/j:run`, 'cloudscheduler.jobs.run', ['the project']],
  ['POST', `/v1/${ENGINES}/jobs/j:pause`, 'cloudscheduler.jobs.pause', ['the project']],
  ['POST', '/v1/projects/p/topics/t:publish', 'roles/pubsub.publisher', ['the topic versions']],
  ['GET', `/v1/${ENGINES}/clusters/c`, 'container.clusters.get', ['projects of the GKE clusters']],
];

const kubeconfigs = ['kubeconfig-ovh'];
const rights = rightsOf('certherd', { reader: kubeconfigs, writer: kubeconfigs });
const named = ([method, path]: (typeof CALLS)[number]) => `${method} ${path}`;

test.for(['reconcile', 'issue', 'sync', 'api'] as const)(
  'the stand-ins let %s do what the page says, and nothing else',
  (who) => {
    const onPage = CALLS.filter(([, , permission, on]) =>
      page.rows.some(
        (row) =>
          row.permissions.includes(permission) && row.who.includes(who) && on.includes(row.on),
      ),
    );
    const atStandIns = CALLS.filter(([method, path]) =>
      rights[who]?.some(([verb, pattern]) => verb === method && pattern.test(path)),
    );
    expect(atStandIns.map(named)).toEqual(onPage.map(named));
  },
);
