import { createHash } from 'node:crypto';

/** What a create request says: `parent` is the collection's parent, as in `projects/p/locations/l`. */
export type Creation = Readonly<{
  parent: string;
  query: URLSearchParams;
  body: Fields;
  /** Counts what was created, for what the service numbers itself. */
  serial: number;
}>;

export type Fields = Readonly<Record<string, unknown>>;

/** `resource` is what was asked for, and what the service notes once. */
export type Created = Readonly<{ id: string; resource: Fields }>;

/** `resource` is what replies show; `also` are resources by path that come and go with it. */
export type Settled = Readonly<{
  resource: Fields;
  also?: Readonly<Record<string, Fields>>;
  built?: Built;
}>;

/** An image: the digest of what it was built from, and what must be put beneath it where it is to run; undefined when it is whole. */
export type Built = Readonly<{ image: string; digest: string; baseImageUri: string | undefined }>;

/** A kind of resource: where its collection is, and what becomes of a create request. */
export type Kind = Readonly<{
  /** `*` stands for one segment; the part after the base is the parent and the collection. */
  collection: string;
  base: string;
  created(creation: Creation): Created;
  /** What becomes of it when it was made or changed; nothing, when left out. `path` is that of the resource, as in `projects/p/…`. */
  settled?(path: string, resource: Fields): Settled;
  /** Creation, change and deletion answer a long-running operation. */
  isSlow?: boolean;
}>;

const NOW = '2026-11-21T00:00:00.000000Z';

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

/** Kinds that are kept as they were sent, under an id from the query or one that the service makes. */
const plain = (
  base: string,
  collection: string,
  id: (creation: Creation) => string,
  shown: (creation: Creation) => Fields = () => ({}),
): Kind => ({
  base,
  collection,
  created(creation) {
    const name = `${creation.parent}/${collection.slice(collection.lastIndexOf('/') + 1)}/${id(creation)}`;
    return { id: id(creation), resource: { ...creation.body, name, ...shown(creation) } };
  },
});

const numbered = ({ serial }: Creation) => String(1_000_000 + serial);

/** An alert policy's conditions get names of their own. */
const namedConditions = ({ body, parent, serial }: Creation): Fields => ({
  conditions: (Array.isArray(body.conditions) ? body.conditions : []).map((condition, index) => ({
    ...fields(condition),
    name: `${parent}/alertPolicies/${1_000_000 + serial}/conditions/${index + 1}`,
  })),
});

const serviceAccounts: Kind = {
  base: '/iam/v1/',
  collection: 'projects/*/serviceAccounts',
  created({ parent, body, serial }) {
    const projectId = parent.split('/')[1];
    const email = `${text(body.accountId)}@${projectId}.iam.gserviceaccount.com`;
    const uniqueId = `1${String(serial).padStart(20, '0')}`;
    const name = `${parent}/serviceAccounts/${email}`;
    return {
      id: email,
      resource: { ...fields(body.serviceAccount), name, projectId, email, uniqueId },
    };
  },
};

const roles: Kind = {
  base: '/iam/v1/',
  collection: 'projects/*/roles',
  created({ parent, body }) {
    const id = text(body.roleId);
    const resource = { ...fields(body.role), name: `${parent}/roles/${id}`, etag: 'BwAAAAAAAAA=' };
    return { id, resource };
  },
};

/** A function is built from its zip, and is then a Run service of the same name. */
const functions: Kind = {
  base: '/cloudfunctions/v2/',
  collection: 'projects/*/locations/*/functions',
  isSlow: true,
  created: ({ query, body }) => ({ id: text(query.get('functionId')), resource: body }),
  settled(path, resource) {
    const [, project, , location, , id] = path.split('/');
    const service = `projects/${project}/locations/${location}/services/${id}`;
    const uri = `https://${id}-0123456789-ew.a.run.app`;
    const built = builtFrom(path, fields(resource.buildConfig));
    const { image, digest, baseImageUri } = built;
    const template = {
      annotations: { 'example.test/digest': digest },
      containers: [{ name: 'worker', image, ...(baseImageUri ? { baseImageUri } : {}) }],
    };
    return {
      resource: {
        ...resource,
        name: path,
        state: 'ACTIVE',
        environment: 'GEN_2',
        url: `https://${location}-${project}.cloudfunctions.net/${id}`,
        updateTime: NOW,
        createTime: NOW,
        serviceConfig: {
          ...fields(resource.serviceConfig),
          service,
          uri,
          revision: `${id}-00001-abc`,
          allTrafficOnLatestRevision: true,
        },
      },
      also: { [`/run/v2/${service}`]: { name: service, uri, template } },
      built,
    };
  },
};

// The tag is that of a first build, also after the tenth: functions were seen so, and it is the harder case for who takes the image.
function builtFrom(path: string, build: Fields): Built {
  const [, project, , location, , id] = path.split('/');
  const repository = text(build.dockerRepository).split('/').at(-1) || 'gcf-artifacts';
  const { bucket, object } = fields(fields(build.source).storageSource);
  const runtimes = `${location}-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes`;
  return {
    image: `${location}-docker.pkg.dev/${project}/${repository}/${id}:version_1`,
    digest: createHash('sha256').update(`${bucket}/${object}`).digest('hex'),
    baseImageUri: build.onDeployUpdatePolicy ? undefined : `${runtimes}/${build.runtime}`,
  };
}

const services: Kind = {
  base: '/run/v2/',
  collection: 'projects/*/locations/*/services',
  isSlow: true,
  created: ({ query, body }) => ({ id: text(query.get('serviceId')), resource: body }),
  settled: (path, resource) => ({
    resource: {
      ...resource,
      name: path,
      uid: '00000000-0000-4000-8000-000000000000',
      generation: '1',
      observedGeneration: '1',
      createTime: NOW,
      updateTime: NOW,
      launchStage: 'GA',
      terminalCondition: {
        type: 'Ready',
        state: 'CONDITION_SUCCEEDED',
        lastTransitionTime: NOW,
      },
      uri: `https://${path.split('/').at(-1)}-0123456789-ew.a.run.app`,
      etag: '"CAE="',
    },
  }),
};

const buckets: Kind = {
  base: '/storage/v1/',
  collection: 'b',
  created({ body }) {
    const id = text(body.name);
    const resource = {
      storageClass: 'STANDARD',
      ...body,
      kind: 'storage#bucket',
      id,
      projectNumber: '123456789012',
      metageneration: '1',
      timeCreated: NOW,
      updated: NOW,
      location: text(body.location).toUpperCase(),
      locationType: 'region',
    };
    return { id, resource };
  },
};

/** Every kind of resource that the module makes outside the stand-ins of `local/`. */
export const KINDS: readonly Kind[] = [
  ...[serviceAccounts, roles, functions, services, buckets],
  {
    ...plain(
      '/artifactregistry/v1/',
      'projects/*/locations/*/repositories',
      ({ query }) => text(query.get('repository_id') ?? query.get('repositoryId')),
      () => ({ createTime: NOW, updateTime: NOW, mode: 'STANDARD_REPOSITORY' }),
    ),
    isSlow: true,
  },
  plain('/monitoring/v3/', 'projects/*/alertPolicies', numbered, namedConditions),
  plain('/monitoring/v3/', 'projects/*/uptimeCheckConfigs', numbered),
  plain('/monitoring/v1/', 'projects/*/dashboards', numbered, () => ({ etag: 'a1' })),
  {
    base: '/logging/v2/',
    collection: 'projects/*/metrics',
    created: ({ body }) => ({
      id: encodeURIComponent(text(body.name)),
      resource: { ...body, createTime: NOW, updateTime: NOW },
    }),
  },
];
