import type { Attributes } from './cel.ts';

/** One thing that a call needs leave for. `policies` are the paths of the policies that may grant it, `policy` in the service itself. */
export type Asked = Readonly<{
  permission: string;
  /** As conditions and refusals name it. */
  resource: Attributes;
  project: string;
  /** Path of the resource's own policy in its service; absent where it has none. */
  policy?: string;
  /** A policy that the stub keeps. */
  stubPolicy?: string;
}>;

/** Numbers by project id: conditions compare names that hold the number. */
export type Numbers = ReadonlyMap<string, string>;

type Row = Readonly<{
  method: string;
  path: RegExp;
  asks: (at: Readonly<Record<string, string>>, numbers: Numbers, body: string) => readonly Asked[];
}>;

const project = (id = '', permission: string): Asked => ({
  permission,
  project: id,
  resource: {
    service: 'cloudresourcemanager.googleapis.com',
    type: 'cloudresourcemanager.googleapis.com/Project',
    name: `projects/${id}`,
  },
});

const onProject =
  (permission: string): Row['asks'] =>
  ({ project: id }) => [project(id, permission)];

const SECRETS = '/v1/projects/(?<project>[^/]+)/secrets';
const SECRET = `${SECRETS}/(?<secret>[^/:]+)`;
const VERSION = `${SECRET}/versions/(?<version>[^/:]+)`;

const onSecret =
  (permission: string): Row['asks'] =>
  ({ project: id = '', secret, version }, numbers) => [
    {
      permission: `secretmanager.${permission}`,
      project: id,
      resource: {
        service: 'secretmanager.googleapis.com',
        type: `secretmanager.googleapis.com/${version ? 'SecretVersion' : 'Secret'}`,
        name: `projects/${numbers.get(id) ?? id}/secrets/${secret}${version ? `/versions/${version}` : ''}`,
      },
      policy: `/v1/projects/${id}/secrets/${secret}`,
    },
  ];

const ZONES = '/dns/v1/projects/(?<project>[^/]+)/managedZones';
const ZONE = `${ZONES}/(?<zone>[^/:]+)`;

const zoneOf = (at: Readonly<Record<string, string>>, numbers: Numbers) => ({
  project: at.project ?? '',
  policy: `/dns/v1/projects/${at.project}/managedZones/${at.zone}`,
  name: `projects/${numbers.get(at.project ?? '')}/managedZones/${at.zone}`,
});

const onZone =
  (permission: string): Row['asks'] =>
  (at, numbers) => {
    const { name, ...zone } = zoneOf(at, numbers);
    const type = 'dns.googleapis.com/ManagedZone';
    return [
      {
        ...zone,
        permission: `dns.${permission}`,
        resource: { service: 'dns.googleapis.com', type, name },
      },
    ];
  };

type RecordSet = Readonly<{ name: string; type: string }>;

/** A change needs leave for itself, and for each record set in it (https://cloud.google.com/dns/docs/access-control). */
const change: Row['asks'] = (at, numbers, body) => {
  const { additions = [], deletions = [] } = JSON.parse(body) as Readonly<
    Partial<Record<'additions' | 'deletions', readonly RecordSet[]>>
  >;
  const { name: zoneName, ...zone } = zoneOf(at, numbers);
  const records = (sets: readonly RecordSet[], verb: string): readonly Asked[] =>
    sets.map(({ name, type }) => ({
      ...zone,
      permission: `dns.resourceRecordSets.${verb}`,
      resource: {
        service: 'dns.googleapis.com',
        type: 'dns.googleapis.com/ResourceRecordSet',
        name: `${zoneName}/rrsets/${name}/${type}`,
      },
    }));
  return [
    ...onZone('changes.create')(at, numbers, body),
    ...records(additions, 'create'),
    ...records(deletions, 'delete'),
  ];
};

const LOCATION = '/(?<version>v[12])/projects/(?<project>[^/]+)/locations/(?<location>[^/]+)';

const onLocated =
  (permission: string, kind: string, ownPolicy: boolean): Row['asks'] =>
  ({ version, project: id = '', location, name }) => {
    const path = `projects/${id}/locations/${location}/${kind}/${name}`;
    const service = `${permission.split('.')[0]}.googleapis.com`;
    return [
      {
        permission,
        project: id,
        resource: { service, type: `${service}/${kind}`, name: path },
        ...(ownPolicy && { policy: `/${version}/${path}` }),
      },
    ];
  };

/** Whoever makes a task that is to call as an account must be allowed to act as it. */
const task: Row['asks'] = (at, numbers, body) => {
  const { task: made } = JSON.parse(body) as {
    task: { httpRequest?: { oidcToken?: { serviceAccountEmail?: string } } };
  };
  const email = made.httpRequest?.oidcToken?.serviceAccountEmail;
  const name = `projects/${at.project}/serviceAccounts/${email}`;
  const actAs: Asked = {
    permission: 'iam.serviceAccounts.actAs',
    project: at.project ?? '',
    resource: { service: 'iam.googleapis.com', type: 'iam.googleapis.com/ServiceAccount', name },
    stubPolicy: `/iam/v1/${name}`,
  };
  return [...onLocated('cloudtasks.tasks.create', 'queues', true)(at, numbers, body), actAs];
};

const publish: Row['asks'] = ({ project: id = '', topic }) => {
  const name = `projects/${id}/topics/${topic}`;
  const service = 'pubsub.googleapis.com';
  return [
    {
      permission: 'pubsub.topics.publish',
      project: id,
      resource: { service, type: `${service}/Topic`, name },
      policy: `/v1/${name}`,
    },
  ];
};

const row = (method: string, path: string, asks: Row['asks']): Row => ({
  ...{ method, asks },
  path: new RegExp(`^${path}$`),
});

/** Method and path of every call that the functions make, and the permissions that Google's references name for them. */
const ROWS: readonly Row[] = [
  row('GET', SECRETS, onProject('secretmanager.secrets.list')),
  row('POST', SECRETS, onProject('secretmanager.secrets.create')),
  row('GET', SECRET, onSecret('secrets.get')),
  row('PATCH', SECRET, onSecret('secrets.update')),
  row('POST', `${SECRET}:addVersion`, onSecret('versions.add')),
  row('GET', `${SECRET}/versions`, onSecret('versions.list')),
  row('GET', VERSION, onSecret('versions.get')),
  row('GET', `${VERSION}:access`, onSecret('versions.access')),
  row('POST', `${VERSION}:destroy`, onSecret('versions.destroy')),
  row('GET', ZONES, onProject('dns.managedZones.list')),
  row('GET', ZONE, onZone('managedZones.get')),
  row('GET', `${ZONE}/rrsets`, onZone('resourceRecordSets.list')),
  row('GET', `${ZONE}/changes/[^/]+`, onZone('changes.get')),
  row('POST', `${ZONE}/changes`, change),
  row('POST', `${LOCATION}/queues/(?<name>[^/]+)/tasks`, task),
  row(
    'GET',
    `${LOCATION}/queues/(?<name>[^/:]+)`,
    onLocated('cloudtasks.queues.get', 'queues', true),
  ),
  row(
    'GET',
    `${LOCATION}/jobs/(?<name>[^/:]+)`,
    onLocated('cloudscheduler.jobs.get', 'jobs', false),
  ),
  row(
    'POST',
    `${LOCATION}/jobs/(?<name>[^/:]+):run`,
    onLocated('cloudscheduler.jobs.run', 'jobs', false),
  ),
  row(
    'GET',
    `${LOCATION}/clusters/(?<name>[^/:]+)`,
    onLocated('container.clusters.get', 'clusters', false),
  ),
  row('POST', '/v1/projects/(?<project>[^/]+)/topics/(?<topic>[^/:]+):publish', publish),
];

/** What a call needs leave for; undefined for a call that the functions have no business with. */
export function askedBy(
  { method, path }: Readonly<{ method: string; path: string }>,
  numbers: Numbers,
  body: string,
): readonly Asked[] | undefined {
  for (const { method: wanted, path: pattern, asks } of ROWS) {
    const match = wanted === method ? pattern.exec(path) : null;
    if (match) return asks({ ...match.groups }, numbers, body);
  }
  return undefined;
}

/** What the predefined roles of the module hold, as far as anything here asks for it. */
export const PREDEFINED: Readonly<Record<string, readonly string[]>> = {
  'roles/run.invoker': ['run.routes.invoke'],
  'roles/pubsub.publisher': ['pubsub.topics.publish'],
  'roles/pubsub.subscriber': ['pubsub.subscriptions.consume'],
  'roles/iam.serviceAccountUser': ['iam.serviceAccounts.actAs'],
};
