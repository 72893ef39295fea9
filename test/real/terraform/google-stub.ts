import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { GoogleFault, listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { noPolicy, type Policy, replacedPolicy } from '../../../local/wire/policy.ts';
import { type Fields, KINDS, type Kind } from './stub-resources.ts';

/** The rest of Google Cloud that the module needs, as far as Terraform's provider looks. */
export type GoogleStub = RunningApi &
  Readonly<{
    /** What is kept, by path, as in `/iam/v1/projects/p/serviceAccounts/EMAIL`; operations and projects do not count. */
    resources(): ReadonlyMap<string, Fields>;
    /** The IAM policy of a path; one without bindings when none was ever set. */
    policy(path: string): Policy;
  }>;

type Kept = { resource: Fields; policy?: Policy; also: readonly string[] };

type Desk = Readonly<{
  kept: Map<string, Kept>;
  operations: Map<string, Fields>;
  policies: Map<string, Policy>;
  /** Number by id. */
  projects: ReadonlyMap<string, string>;
  next(): number;
}>;

type Call = Readonly<{
  method: string;
  path: string;
  /** What follows the last colon of the path. */
  verb: string | undefined;
  query: URLSearchParams;
  content: string;
}>;

/** Starts it with the projects that exist, number by id. Whatever it does not know is refused in Google's error shape. */
export async function startGoogleStub(projects: ReadonlyMap<string, string>): Promise<GoogleStub> {
  let serial = 0;
  const next = () => {
    serial += 1;
    return serial;
  };
  const desk: Desk = {
    ...{ kept: new Map(), operations: new Map(), policies: new Map() },
    ...{ projects, next },
  };
  const server = createServer((request, response) => {
    void answer(desk, request).then(({ status, reply }) => {
      response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
      response.end(JSON.stringify(reply));
    });
  });
  return {
    ...(await listenOnLoopback(server, 0)),
    resources: () => new Map([...desk.kept].map(([path, { resource }]) => [path, resource])),
    policy: (path) => desk.kept.get(path)?.policy ?? desk.policies.get(path) ?? noPolicy,
  };
}

async function answer(desk: Desk, request: IncomingMessage) {
  const call = await callOf(request);
  try {
    for (const handle of HANDLERS) {
      const reply = handle(desk, call);
      if (reply) return { status: 200, reply };
    }
    throw new GoogleFault(
      'UNIMPLEMENTED',
      `${call.method} ${request.url} is not implemented by this stub`,
    );
  } catch (error) {
    if (error instanceof GoogleFault) return { status: error.http, reply: error.body };
    const { http, body } = new GoogleFault('INTERNAL', `fault of the stub: ${error}`);
    return { status: http, reply: body };
  }
}

async function callOf(request: IncomingMessage): Promise<Call> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  // A metric's name holds a slash, which must not become a segment's end.
  const decoded = decodeURIComponent(pathname.replaceAll(/%2f/gi, '%252F'));
  const [, path = '', verb] = /^(.*?)(?::([A-Za-z]+))?$/.exec(decoded) ?? [];
  const content = Buffer.concat(chunks).toString('utf8');
  return { method: request.method ?? 'GET', path, verb, query: searchParams, content };
}

function bodyOf({ content }: Call): Fields {
  if (content === '') return {};
  try {
    return JSON.parse(content) as Fields;
  } catch {
    throw new GoogleFault('INVALID_ARGUMENT', 'Invalid JSON payload received.');
  }
}

const notFound = (path: string) =>
  new GoogleFault('NOT_FOUND', `Requested entity was not found: ${path}`);

/** Answers the call, or undefined when it is none of its own. The first that answers is taken. */
type Handler = (desk: Desk, call: Call) => Fields | undefined;

const HANDLERS: readonly Handler[] = [
  project,
  policy,
  enabling,
  operation,
  upload,
  listing,
  create,
  read,
  change,
  remove,
];

function project({ projects }: Desk, { method, path, verb }: Call) {
  const [, projectId] = /^\/resourcemanager\/v\d\/projects\/([^/]+)$/.exec(path) ?? [];
  if (method !== 'GET' || verb || !projectId) return undefined;
  const projectNumber = projects.get(projectId);
  if (!projectNumber) throw new GoogleFault('PERMISSION_DENIED', `no such project: ${projectId}`);
  return { projectId, projectNumber, name: projectId, lifecycleState: 'ACTIVE' };
}

const WITHOUT_RESOURCE =
  /^\/(?:resourcemanager\/v1\/projects\/([^/]+)|iap\/v1\/projects\/([^/]+)\/iap_web\/.+)$/;

function policy(desk: Desk, call: Call): Fields | undefined {
  if (call.verb !== 'getIamPolicy' && call.verb !== 'setIamPolicy') return undefined;
  const kept = desk.kept.get(call.path);
  if (!kept && !WITHOUT_RESOURCE.test(call.path)) throw notFound(call.path);
  const current = kept?.policy ?? desk.policies.get(call.path) ?? noPolicy;
  if (call.verb === 'getIamPolicy') return current;
  const replaced = replacedPolicy(current, bodyOf(call), desk.next());
  checkPolicy(desk, replaced);
  if (kept) kept.policy = replaced;
  else desk.policies.set(call.path, replaced);
  return replaced;
}

// As the real services do: a grant to an account or of a role that is not there is refused, so the order of making is proven.
function checkPolicy({ kept, projects }: Desk, { bindings = [] }: Policy): void {
  for (const { role, members = [] } of bindings) {
    if (role.startsWith('projects/') && !kept.has(`/iam/v1/${role}`))
      throw new GoogleFault('INVALID_ARGUMENT', `Role ${role} does not exist.`);
    for (const member of members) {
      const [, email, id = ''] =
        /^serviceAccount:(.+@(.+)\.iam\.gserviceaccount\.com)$/.exec(member) ?? [];
      if (projects.has(id) && !kept.has(`/iam/v1/projects/${id}/serviceAccounts/${email}`))
        throw new GoogleFault('INVALID_ARGUMENT', `Service account ${email} does not exist.`);
    }
  }
}

function enabling(desk: Desk, { method, path, verb, content }: Call): Fields | undefined {
  const [, parent] = /^\/serviceusage\/v1\/(projects\/[^/]+)\/services/.exec(path) ?? [];
  if (!parent) return undefined;
  const services = `/serviceusage/v1/${parent}/services/`;
  const all = [...desk.kept].filter(([key]) => key.startsWith(services));
  if (method === 'GET') return { services: all.map(([, { resource }]) => resource) };
  if (verb !== 'enable' && verb !== 'batchEnable') return undefined;
  const ids =
    verb === 'enable'
      ? [path.slice(services.length)]
      : ((JSON.parse(content) as { serviceIds: string[] }).serviceIds ?? []);
  for (const id of ids)
    desk.kept.set(services + id, {
      resource: { name: `${parent}/services/${id}`, state: 'ENABLED', config: { name: id } },
      also: [],
    });
  return slow(desk, '/serviceusage/v1/', {});
}

const slow = ({ operations, next }: Desk, base: string, response: Fields, parent?: string) => {
  const name = `${parent ? `${parent}/` : ''}operations/op-${next()}`;
  const done = { name, done: true, response };
  operations.set(base + name, done);
  return done;
};

function operation({ operations }: Desk, { method, path }: Call): Fields | undefined {
  return method === 'GET' ? operations.get(path) : undefined;
}

/** A multipart upload: metadata as JSON, then the content. */
function upload(desk: Desk, { method, path, query, content }: Call): Fields | undefined {
  const [, bucket] = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(path) ?? [];
  if (method !== 'POST' || !bucket) return undefined;
  if (!desk.kept.has(`/storage/v1/b/${bucket}`)) throw notFound(`b/${bucket}`);
  const [metadata = '{}', data = ''] = content
    .split(/\r?\n--[^\r\n]+(?:\r?\n|$)|^--[^\r\n]+\r?\n/)
    .filter((part) => /^content-type/i.test(part))
    .map((part) => part.slice(part.search(/\r?\n\r?\n/)).replace(/^\r?\n\r?\n/, ''));
  const given = JSON.parse(metadata) as Fields;
  const name = String(given.name ?? query.get('name'));
  const resource = {
    ...given,
    ...{
      kind: 'storage#object',
      bucket,
      name,
      size: String(data.length),
      storageClass: 'STANDARD',
    },
    ...{ generation: String(1_000_000 + desk.next()), metageneration: '1' },
    md5Hash: createHash('md5').update(data).digest('base64'),
    mediaLink: `https://storage.googleapis.com/download/storage/v1/b/${bucket}/o/${name}`,
    selfLink: `https://www.googleapis.com/storage/v1/b/${bucket}/o/${name}`,
  };
  desk.kept.set(`/storage/v1/b/${bucket}/o/${name}`, { resource, also: [] });
  return resource;
}

function listing(desk: Desk, { method, path }: Call): Fields | undefined {
  const [, bucket, what] = /^\/storage\/v1\/b\/([^/]+)\/(o|anywhereCaches)$/.exec(path) ?? [];
  if (method !== 'GET' || !bucket) return undefined;
  const objects = [...desk.kept].filter(([key]) => key.startsWith(`${path}/`));
  return { kind: `storage#${what}`, items: objects.map(([, { resource }]) => resource) };
}

const kindAt = (path: string): Readonly<{ kind: Kind; parent: string }> | undefined => {
  for (const kind of KINDS) {
    if (!path.startsWith(kind.base)) continue;
    const rest = path.slice(kind.base.length);
    const pattern = new RegExp(`^${kind.collection.replaceAll('*', '[^/]+')}$`);
    if (pattern.test(rest)) return { kind, parent: rest.slice(0, rest.lastIndexOf('/')) };
  }
  return undefined;
};

const kindOf = (path: string) => kindAt(path.slice(0, path.lastIndexOf('/')));

function create(desk: Desk, call: Call): Fields | undefined {
  const found = kindAt(call.path);
  if (call.method !== 'POST' || call.verb || !found) return undefined;
  const { kind, parent } = found;
  const { query } = call;
  const made = kind.created({ parent, query, body: bodyOf(call), serial: desk.next() });
  const path = `${call.path}/${made.id}`;
  if (desk.kept.has(path)) throw new GoogleFault('ALREADY_EXISTS', `${path} already exists`);
  desk.kept.set(path, { resource: made.resource, also: Object.keys(made.also ?? {}) });
  for (const [other, resource] of Object.entries(made.also ?? {}))
    desk.kept.set(other, { resource, also: [] });
  return kind.isSlow ? slow(desk, kind.base, made.resource, parent) : made.resource;
}

function read({ kept }: Desk, { method, path, verb }: Call): Fields | undefined {
  if (method !== 'GET' || verb) return undefined;
  const found = kept.get(path);
  if (found) return found.resource;
  if (kindOf(path) || /^\/storage\/v1\/b\/[^/]+\/o\//.test(path)) throw notFound(path);
  return undefined;
}

function change(desk: Desk, call: Call): Fields | undefined {
  if (call.method !== 'PATCH' && call.method !== 'PUT') return undefined;
  const found = desk.kept.get(call.path);
  const at = kindOf(call.path);
  if (!found || !at) throw notFound(call.path);
  found.resource = { ...found.resource, ...bodyOf(call) };
  return at.kind.isSlow ? slow(desk, at.kind.base, found.resource, at.parent) : found.resource;
}

function remove(desk: Desk, { method, path }: Call): Fields | undefined {
  if (method !== 'DELETE') return undefined;
  const found = desk.kept.get(path);
  if (!found) throw notFound(path);
  if ([...desk.kept.keys()].some((other) => other.startsWith(`${path}/`)))
    throw new GoogleFault('ABORTED', 'The bucket you tried to delete is not empty.');
  for (const gone of [path, ...found.also]) desk.kept.delete(gone);
  const at = kindOf(path);
  return at?.kind.isSlow ? slow(desk, at.kind.base, {}, at.parent) : found.resource;
}
