import { allResources, apiVersionOf, type Resource } from './resources.ts';

const VERBS = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
const GROUP = 'networking.k8s.io';
const NETWORKING = `apis/${GROUP}/v1`;
const VERSION = { groupVersion: `${GROUP}/v1`, version: 'v1' };

/** The pages that anybody may read, with or without a token. */
export const PUBLIC_PAGES: ReadonlySet<string> = new Set([
  '/healthz',
  '/livez',
  '/readyz',
  '/version',
]);

/** A page beside the resources (health, version, discovery), undefined when there is no such page. */
export function pageOf(path: string): unknown {
  switch (path) {
    case '/healthz':
    case '/livez':
    case '/readyz':
      return 'ok';
    case '/version':
      return versionInfo;
    case '/':
      return { paths: [...PUBLIC_PAGES, '/api', '/api/v1', '/apis', `/apis/${GROUP}`] };
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] };
    case `/apis/${GROUP}`:
      return { kind: 'APIGroup', apiVersion: 'v1', ...group };
    case '/api/v1':
      return resourceList('', 'v1');
    case `/apis/${GROUP}/v1`:
      return { ...resourceList(GROUP, VERSION.groupVersion), apiVersion: 'v1' };
    case '/openapi/v3':
      return { paths: { 'api/v1': schemaOf('/api/v1'), [NETWORKING]: schemaOf(`/${NETWORKING}`) } };
    case '/openapi/v3/api/v1':
    case `/openapi/v3/${NETWORKING}`:
      return openApi(path.slice('/openapi/v3'.length));
    default:
      return undefined;
  }
}

const versionInfo = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.3+certherd-stand-in',
  gitCommit: '',
  gitTreeState: '',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: '',
};

const group = { name: GROUP, versions: [VERSION], preferredVersion: VERSION };

const resourceList = (wanted: string, groupVersion: string) => ({
  kind: 'APIResourceList',
  groupVersion,
  resources: allResources.filter((resource) => resource.group === wanted).flatMap(entriesOf),
});

function entriesOf(resource: Resource) {
  const { plural, singular, namespaced, kind, shortNames, hasStatus } = resource;
  const main = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: VERBS,
    ...(shortNames ? { shortNames } : {}),
  };
  const status = {
    name: `${plural}/status`,
    singularName: '',
    namespaced,
    kind,
    verbs: ['get', 'patch', 'update'],
  };
  return hasStatus ? [main, status] : [main];
}

const schemaOf = (root: string) => ({ serverRelativeURL: `/openapi/v3${root}` });

/** As much of a schema as kubectl wants before it applies: that unknown fields are this server's business. */
const openApi = (root: string) => ({
  openapi: '3.0.0',
  info: { title: 'Kubernetes', version: versionInfo.gitVersion },
  paths: Object.fromEntries(
    allResources
      .filter((resource) => root.endsWith(`/${apiVersionOf(resource)}`))
      .map((resource) => [
        `${root}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}/{name}`,
        {
          patch: {
            parameters: [{ name: 'fieldValidation', in: 'query' }],
            responses: {},
            'x-kubernetes-group-version-kind': {
              group: resource.group,
              version: 'v1',
              kind: resource.kind,
            },
          },
        },
      ]),
  ),
});
