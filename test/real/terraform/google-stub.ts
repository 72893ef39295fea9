import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { GoogleFault, listenOnLoopback, type RunningApi } from '../../../local/google-api.ts';
import { noPolicy, type Policy, replacedPolicy } from '../../../local/wire/policy.ts';
import { type Built, type Fields, KINDS, type Kind, type Settled } from './stub-resources.ts';

/** The rest of Google Cloud that the module needs, as far as Terraform's provider looks. */
export type GoogleStub = RunningApi &
  Readonly<{
    /** What is kept, by path, as in `/iam/v1/projects/p/serviceAccounts/EMAIL`; operations and projects do not count. */
    resources(): ReadonlyMap<string, Fields>;
    /** The IAM policy of a path; one without bindings when none was ever set. */
    policy(path: string): Policy;
    /** Refuses, as the real services do, a policy with a role or an account of these projects that is not there. */
    checkPolicy(policy: Policy): void;
    /** The digest of the image that the newest revision of a Run service runs, by the service's path. */
    imageOf(path: string): string | undefined;
  }>;

/** What is there before anything is made: projects, number by id, and the e-mails of Google's service agents. */
export type Given = Readonly<{
  projects: ReadonlyMap<string, string>;
  agents: ReadonlySet<string>;
}>;

type Kept = { resource: Fields; policy?: Policy; also: readonly string[] };

type Desk = Given &
  Readonly<{
    kept: Map<string, Kept>;
    operations: Map<string, Fields>;
    policies: Map<string, Policy>;
    /** Every image that was built, as it is now. */
    images: Map<string, Built>;
    /** What the newest revision of each Run service runs. */
    revisions: Map<string, string>;
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

/** Starts it with what exists. Whatever it does not know is refused in Google's error shape. */
export async function startGoogleStub(given: Given): Promise<GoogleStub> {
  let serial = 0;
  const next = () => {
    serial += 1;
    return serial;
  };
  const desk: Desk = {
    ...{ kept: new Map(), operations: new Map(), policies: new Map() },
    ...{ images: new Map(), revisions: new Map() },
    ...{ ...given, next },
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
    checkPolicy: (replaced) => checkPolicy(desk, replaced),
    imageOf: (path) => desk.revisions.get(path),
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
function checkPolicy({ kept, projects, agents }: Desk, { bindings = [] }: Policy): void {
  for (const { role, members = [] } of bindings) {
    if (role.startsWith('projects/') && !kept.has(`/iam/v1/${role}`))
      throw new GoogleFault('INVALID_ARGUMENT', `Role ${role} does not exist.`);
    for (const member of members) {
      const [, email, id = ''] =
        /^serviceAccount:(.+@(.+)\.iam\.gserviceaccount\.com)$/.exec(member) ?? [];
      const isThere = /^gcp-sa-/.test(id)
        ? agents.has(email ?? '')
        : !projects.has(id) || kept.has(`/iam/v1/projects/${id}/serviceAccounts/${email}`);
      if (!isThere)
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
  const resource = settle(desk, { kind, path, resource: made.resource });
  return kind.isSlow ? slow(desk, kind.base, resource, parent) : resource;
}

/** Keeps what was made or changed, with all that comes of it. */
function settle(
  desk: Desk,
  { kind, path, resource }: Readonly<{ kind: Kind; path: string; resource: Fields }>,
): Fields {
  const settled: Settled = kind.settled?.(path.slice(kind.base.length), resource) ?? { resource };
  const { built, also = {} } = settled;
  if (built) desk.images.set(built.image, built);
  keep(desk, path, { resource: settled.resource, also: Object.keys(also) });
  for (const [other, shown] of Object.entries(also))
    keep(desk, other, { resource: shown, also: [] });
  return settled.resource;
}

function keep(desk: Desk, path: string, kept: Omit<Kept, 'policy'>): void {
  if (path.startsWith('/run/')) deploy(desk, path, kept.resource);
  desk.kept.set(path, { ...desk.kept.get(path), ...kept });
}

type Template = Readonly<{
  containers?: readonly Readonly<{ image?: string; baseImageUri?: string }>[];
}>;

// Another template makes a revision, and what the image means at that moment is what the revision runs.
function deploy({ kept, images, revisions }: Desk, path: string, { template }: Fields): void {
  if (isDeepStrictEqual(kept.get(path)?.resource.template, template)) return;
  const { image = '', baseImageUri } = (template as Template | undefined)?.containers?.[0] ?? {};
  const built = images.get(image);
  if (!built) throw new GoogleFault('NOT_FOUND', `Image '${image}' not found.`);
  if (built.baseImageUri !== baseImageUri)
    throw new GoogleFault('FAILED_PRECONDITION', `Image '${image}' lacks its base image.`);
  revisions.set(path, built.digest);
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
  const changed = { ...found.resource, ...bodyOf(call) };
  const resource = settle(desk, { kind: at.kind, path: call.path, resource: changed });
  return at.kind.isSlow ? slow(desk, at.kind.base, resource, at.parent) : resource;
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
