import * as k8s from '@kubernetes/client-node';
import { Agent, fetch, type Response } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyManifests } from '../../local/kubernetes/manifests.ts';

/** A running API server; the tokens of lesser users where it has them. */
export type ApiServer = Readonly<{
  server: string;
  ca: string;
  token: string;
  /** May get, list and watch everything. The user is called `reader`. */
  readOnlyToken?: string;
  /** May get and patch Secrets. The user is called `patcher`. */
  patchOnlyToken?: string;
  close(): Promise<void>;
}>;

type Json = Record<string, unknown>;
type Sent = Readonly<{
  body?: unknown;
  type?: string;
  accept?: string;
  token?: string;
  signal?: AbortSignal;
}>;
type Answer = Readonly<{
  status: number;
  body: ReturnType<typeof JSON.parse>;
  headers: Response['headers'];
}>;

const JSON_TYPE = 'application/json';
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const PARTIAL = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const backend = { service: { name: 'web', port: { number: 80 } } };
const secret = (name: string, fields: Json = {}, metadata: Json = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, ...metadata },
  ...fields,
});
const ingress = (name: string, spec: Json, metadata: Json = {}) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, ...metadata },
  spec,
});
const pair = (certificate: string, key: string) => ({
  type: 'kubernetes.io/tls',
  data: { 'tls.crt': certificate, 'tls.key': key },
});
const failure = (code: number, reason: string, message: string, details?: unknown) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  ...(details === undefined ? {} : { details }),
  code,
});
/** Who owns what, without times. */
const owners = ({ body }: Answer): unknown[] =>
  (body.metadata.managedFields ?? []).map(({ manager, operation, subresource, fieldsV1 }: Json) => [
    `${operation} ${manager}${subresource ? ` ${subresource}` : ''}`,
    fieldsV1,
  ]);

/**
 * What the rest of the code relies on in an API server, and what the stand-in must answer like the real one.
 * Works in namespaces of its own, so it may run against a server that is in use.
 */
export function kubernetesApiContract(start: () => Promise<ApiServer>): void {
  let api: ApiServer;
  let dispatcher: Agent;
  let namespaces = 0;

  beforeAll(async () => {
    api = await start();
    dispatcher = new Agent({ connect: { ca: api.ca } });
  });
  afterAll(async () => {
    await dispatcher?.destroy();
    await api?.close();
  });

  const open = (method: string, path: string, sent: Sent = {}) =>
    fetch(api.server + path, {
      method,
      dispatcher,
      headers: {
        'user-agent': 'contract/1',
        ...(sent.token === '' ? {} : { authorization: `Bearer ${sent.token ?? api.token}` }),
        ...(sent.body === undefined ? {} : { 'content-type': sent.type ?? JSON_TYPE }),
        ...(sent.accept ? { accept: sent.accept } : {}),
      },
      ...(sent.signal ? { signal: sent.signal } : {}),
      ...(sent.body === undefined
        ? {}
        : { body: typeof sent.body === 'string' ? sent.body : JSON.stringify(sent.body) }),
    });
  const send = async (method: string, path: string, sent: Sent = {}): Promise<Answer> => {
    const response = await open(method, path, sent);
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    return {
      status: response.status,
      body: isJson ? JSON.parse(text) : text,
      headers: response.headers,
    };
  };
  /** A fresh namespace and the paths in it. */
  const place = async () => {
    const namespace = `contract-${Date.now().toString(36)}-${++namespaces}`;
    await send('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } });
    return {
      namespace,
      secrets: `/api/v1/namespaces/${namespace}/secrets`,
      ingresses: `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`,
    };
  };
  const apply = (path: string, manager: string, body: unknown) =>
    send('PATCH', `${path}?fieldManager=${manager}`, { type: APPLY, body });

  describe('who may do what', () => {
    test('a token that nobody has is unauthorized', async () => {
      const answer = await send('GET', '/api/v1/namespaces', { token: 'nobody' });
      expect(answer).toMatchObject({ status: 401 });
      expect(answer.body).toEqual(failure(401, 'Unauthorized', 'Unauthorized'));
    });

    test('without a token only version and health are told', async () => {
      expect((await send('GET', '/version', { token: '' })).status).toBe(200);
      expect((await send('GET', '/healthz', { token: '' })).body).toBe('ok');
      expect((await send('GET', '/api', { token: '' })).body).toEqual(
        failure(403, 'Forbidden', 'forbidden: User "system:anonymous" cannot get path "/api"', {}),
      );
      expect((await send('GET', '/api/v1/secrets', { token: '' })).body.message).toBe(
        'secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" at the cluster scope',
      );
    });

    test.for<[string, string, string, unknown, string, string]>([
      [
        'create',
        'POST',
        '/api/v1/namespaces/default/secrets',
        secret('x'),
        JSON_TYPE,
        'secrets is forbidden: User "reader" cannot create resource "secrets" in API group "" in the namespace "default"',
      ],
      [
        'patch',
        'PATCH',
        '/api/v1/namespaces/default/secrets/x?fieldManager=m',
        secret('x'),
        APPLY,
        'secrets "x" is forbidden: User "reader" cannot patch resource "secrets" in API group "" in the namespace "default"',
      ],
      [
        'patch a status',
        'PATCH',
        '/apis/networking.k8s.io/v1/namespaces/default/ingresses/x/status',
        {},
        MERGE,
        'ingresses.networking.k8s.io "x" is forbidden: User "reader" cannot patch resource "ingresses/status" in API group "networking.k8s.io" in the namespace "default"',
      ],
      [
        'delete a namespace',
        'DELETE',
        '/api/v1/namespaces/x',
        undefined,
        JSON_TYPE,
        'namespaces "x" is forbidden: User "reader" cannot delete resource "namespaces" in API group "" in the namespace "x"',
      ],
    ])('who may only read may not %s', async ([, method, path, body, type, message], { skip }) => {
      const token = api.readOnlyToken ?? skip('the server has no such user');
      const answer = await send(method, path, { body, type, token });
      expect(answer.status).toBe(403);
      expect(answer.body).toMatchObject({ reason: 'Forbidden', message });
      expect((await send('GET', '/api/v1/secrets?limit=1', { token })).status).toBe(200);
    });

    test('an apply that creates needs the right to create', async ({ skip }) => {
      const token = api.patchOnlyToken ?? skip('the server has no such user');
      const { secrets, namespace } = await place();
      const path = `${secrets}/x?fieldManager=m`;
      const sent = { type: APPLY, body: secret('x'), token };
      expect((await send('PATCH', path, sent)).body.message).toBe(
        `secrets "x" is forbidden: User "patcher" cannot create resource "secrets" in API group "" in the namespace "${namespace}"`,
      );
      await send('POST', secrets, { body: secret('x') });
      expect((await send('PATCH', path, sent)).status).toBe(200);
    });
  });

  describe('what is there', () => {
    test('discovery names the kinds, their verbs and the status subresource', async () => {
      const core = await send('GET', '/api/v1');
      const networking = await send('GET', '/apis/networking.k8s.io/v1');
      const groups = await send('GET', '/apis');
      expect(core.body.resources).toContainEqual(
        expect.objectContaining({
          name: 'secrets',
          kind: 'Secret',
          namespaced: true,
          verbs: expect.arrayContaining(['create', 'get', 'list', 'patch', 'watch']),
        }),
      );
      expect(networking.body.resources).toContainEqual(
        expect.objectContaining({ name: 'ingresses/status', verbs: ['get', 'patch', 'update'] }),
      );
      expect(groups.body.groups).toContainEqual(
        expect.objectContaining({
          name: 'networking.k8s.io',
          preferredVersion: { groupVersion: 'networking.k8s.io/v1', version: 'v1' },
        }),
      );
    });

    const unknown = failure(
      404,
      'NotFound',
      'the server could not find the requested resource',
      {},
    );
    const refused = failure(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
    test.for<[string, string, string, number, unknown]>([
      ['an unknown resource of a known group', 'GET', '/api/v1/widgets', 404, unknown],
      ['an unknown version', 'GET', '/apis/networking.k8s.io/v2/ingresses', 404, unknown],
      [
        'a subresource that the kind lacks',
        'GET',
        '/api/v1/namespaces/default/secrets/x/status',
        404,
        unknown,
      ],
      [
        'a group without its CRD',
        'GET',
        '/apis/k8s.nginx.org/v1/virtualservers',
        404,
        '404 page not found\n',
      ],
      ['a put on a collection', 'PUT', '/api/v1/namespaces/default/secrets', 405, refused],
      ['a post to all namespaces', 'POST', '/api/v1/secrets', 405, refused],
      ['a post to an object', 'POST', '/api/v1/namespaces/default/secrets/x', 405, refused],
    ])('%s is refused', async ([, method, path, status, body]) => {
      const answer = await send(method, path, method === 'GET' ? {} : { body: {} });
      expect(answer).toMatchObject({ status });
      expect(answer.body).toEqual(body);
    });
  });

  describe('create, read, replace, delete', () => {
    test('a Secret is stored with what the server adds', async () => {
      const { secrets, namespace } = await place();
      const created = await send('POST', secrets, {
        body: secret('a', { stringData: { user: 'bob' }, data: { user: 'eA==', pin: 'MQ==' } }),
      });
      expect(created.status).toBe(201);
      expect(created.body).toEqual({
        kind: 'Secret',
        apiVersion: 'v1',
        metadata: {
          name: 'a',
          namespace,
          uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
          resourceVersion: expect.stringMatching(/^\d+$/),
          creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          managedFields: [
            {
              manager: 'contract',
              operation: 'Update',
              apiVersion: 'v1',
              time: created.body.metadata.creationTimestamp,
              fieldsType: 'FieldsV1',
              fieldsV1: { 'f:data': { '.': {}, 'f:pin': {}, 'f:user': {} }, 'f:type': {} },
            },
          ],
        },
        data: { user: 'Ym9i', pin: 'MQ==' },
        type: 'Opaque',
      });
      expect((await send('GET', `${secrets}/a`)).body).toEqual(created.body);
    });

    test('every write has a greater version, whatever the kind', async () => {
      const { secrets, ingresses } = await place();
      const versions: number[] = [];
      const note = (answer: Answer) => versions.push(Number(answer.body.metadata.resourceVersion));
      note(await send('POST', secrets, { body: secret('a') }));
      note(await send('POST', ingresses, { body: ingress('a', { defaultBackend: backend }) }));
      note(await send('PUT', `${secrets}/a`, { body: secret('a', { data: { a: 'YQ==' } }) }));
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    });

    test('a replacement that says the same is no write', async () => {
      const { secrets } = await place();
      const body = secret('a', { data: { a: 'YQ==' } });
      const created = await send('POST', secrets, { body });
      expect((await send('PUT', `${secrets}/a`, { body })).body).toEqual(created.body);
    });

    test('generateName makes a name', async () => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: { metadata: { generateName: 'g-' } } });
      expect(body.metadata.name).toMatch(/^g-[a-z0-9]{5}$/);
    });

    test('YAML is taken as well as JSON', async () => {
      const { secrets } = await place();
      const sent = { type: 'application/yaml', body: 'metadata: {name: a}\nstringData: {k: v}\n' };
      expect((await send('POST', secrets, sent)).body).toMatchObject({ data: { k: 'dg==' } });
    });

    test('an unknown field is dropped with a warning, or refused when asked', async () => {
      const { secrets } = await place();
      const body = { metadata: { name: 'w', foo: 1 }, nope: 2 };
      const strict = await send('POST', `${secrets}?fieldValidation=Strict`, { body });
      expect(strict.body.message).toBe(
        'Secret in version "v1" cannot be handled as a Secret: strict decoding error: unknown field "metadata.foo", unknown field "nope"',
      );
      const loose = await send('POST', secrets, { body });
      expect(loose.headers.get('warning')).toBe(
        '299 - "unknown field \\"metadata.foo\\"", 299 - "unknown field \\"nope\\""',
      );
      expect(loose.body).not.toHaveProperty('nope');
    });

    test('a dry run answers as if and stores nothing', async () => {
      const { secrets } = await place();
      expect((await send('POST', `${secrets}?dryRun=All`, { body: secret('a') })).status).toBe(201);
      expect((await send('GET', `${secrets}/a`)).status).toBe(404);
      expect((await send('POST', `${secrets}?dryRun=Some`, { body: secret('a') })).body).toEqual(
        expect.objectContaining({
          code: 422,
          message:
            'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
        }),
      );
    });

    test.for<[string, string, string, unknown, number, string, string]>([
      [
        'a name that is taken',
        'POST',
        '',
        secret('there'),
        409,
        'AlreadyExists',
        'secrets "there" already exists',
      ],
      [
        'a name in capitals',
        'POST',
        '',
        secret('There'),
        422,
        'Invalid',
        `Secret "There" is invalid: metadata.name: Invalid value: "There": ${SUBDOMAIN_RULE}`,
      ],
      [
        'no name',
        'POST',
        '',
        { metadata: {} },
        422,
        'Invalid',
        'Secret "" is invalid: metadata.name: Required value: name or generateName is required',
      ],
      [
        'another namespace than the path',
        'POST',
        '',
        secret('x', {}, { namespace: 'elsewhere' }),
        400,
        'BadRequest',
        'the namespace of the provided object does not match the namespace sent on the request',
      ],
      [
        'another kind',
        'POST',
        '',
        { ...secret('x'), kind: 'Pod' },
        400,
        'BadRequest',
        'Pod in version "v1" cannot be handled as a Secret: converting (v1.Pod) to (core.Secret): unknown conversion',
      ],
      [
        'data that is not base64',
        'POST',
        '',
        secret('x', { data: { a: '%%' } }),
        400,
        'BadRequest',
        'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
      ],
      ['an absent object', 'PUT', '/x', secret('x'), 404, 'NotFound', 'secrets "x" not found'],
      [
        'another name than the path',
        'PUT',
        '/there',
        secret('x'),
        400,
        'BadRequest',
        'the name of the object (x) does not match the name on the URL (there)',
      ],
      [
        'an old version',
        'PUT',
        '/there',
        secret('there', {}, { resourceVersion: '1' }),
        409,
        'Conflict',
        'Operation cannot be fulfilled on secrets "there": the object has been modified; please apply your changes to the latest version and try again',
      ],
      [
        'another type than before',
        'PUT',
        '/there',
        secret('there', pair('YQ==', 'YQ==')),
        422,
        'Invalid',
        'Secret "there" is invalid: type: Invalid value: "kubernetes.io/tls": field is immutable',
      ],
      ['an absent object', 'DELETE', '/x', undefined, 404, 'NotFound', 'secrets "x" not found'],
    ])('%s is refused (%s)', async ([, method, rest, body, status, reason, message]) => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('there') });
      const answer = await send(method, secrets + rest, { body });
      expect(answer.status).toBe(status);
      expect(answer.body).toMatchObject({ status: 'Failure', reason, message, code: status });
    });

    test('a uid as precondition of a put or a delete must be the present one', async () => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: secret('a') });
      const put = await send('PUT', `${secrets}/a`, { body: secret('a', {}, { uid: 'other' }) });
      expect(put.body).toMatchObject({ code: 409, reason: 'Conflict' });
      const remove = await send('DELETE', `${secrets}/a`, {
        body: { preconditions: { uid: 'other' } },
      });
      expect(remove.body.message).toBe(
        `Operation cannot be fulfilled on Secret "a": the UID in the precondition (other) does not match the UID in record (${body.metadata.uid}). The object might have been deleted and then recreated`,
      );
      const right = { body: { preconditions: { uid: body.metadata.uid } } };
      expect((await send('DELETE', `${secrets}/a`, right)).body).toEqual({
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Success',
        details: { name: 'a', kind: 'secrets', uid: body.metadata.uid },
      });
      expect((await send('GET', `${secrets}/a`)).body).toEqual(
        failure(404, 'NotFound', 'secrets "a" not found', { name: 'a', kind: 'secrets' }),
      );
    });

    test('a body of another format is an unsupported media type', async () => {
      const { secrets } = await place();
      const post = await send('POST', secrets, { type: 'text/plain', body: 'x' });
      expect(post.body).toEqual(
        failure(
          415,
          'UnsupportedMediaType',
          'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
        ),
      );
      await send('POST', secrets, { body: secret('a') });
      expect((await send('PATCH', `${secrets}/a`, { body: {} })).body).toMatchObject({
        code: 415,
        message: '415: Unsupported Media Type',
      });
    });
  });

  describe('namespaces', () => {
    test('default and the system ones are there and stay', async () => {
      const { body } = await send('GET', '/api/v1/namespaces/default');
      expect(body).toMatchObject({
        metadata: { labels: { 'kubernetes.io/metadata.name': 'default' } },
        spec: { finalizers: ['kubernetes'] },
        status: { phase: 'Active' },
      });
      expect((await send('GET', '/api/v1/namespaces/kube-system')).status).toBe(200);
      expect((await send('DELETE', '/api/v1/namespaces/default')).body).toMatchObject({
        code: 403,
        message: 'namespaces "default" is forbidden: this namespace may not be deleted',
      });
    });

    test.for<[string, string]>([
      ['a.b', 'must not contain dots'],
      [
        'A',
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ])('%s is no name of one', async ([name, rule]) => {
      const { body } = await send('POST', '/api/v1/namespaces', { body: { metadata: { name } } });
      expect(body).toMatchObject({ code: 422, details: { causes: [{ field: 'metadata.name' }] } });
      expect(body.message).toContain(rule);
    });

    test('an absent one holds nothing and takes nothing', async () => {
      const secrets = '/api/v1/namespaces/absent-one/secrets';
      expect((await send('GET', secrets)).body.items).toEqual([]);
      const missing = failure(404, 'NotFound', 'namespaces "absent-one" not found', {
        name: 'absent-one',
        kind: 'namespaces',
      });
      expect((await send('POST', secrets, { body: secret('a') })).body).toEqual(missing);
      expect((await apply(`${secrets}/a`, 'm', secret('a'))).body).toEqual(missing);
    });

    test('a deleted one is terminating and takes nothing new', async () => {
      const { namespace, secrets } = await place();
      const { body } = await send('DELETE', `/api/v1/namespaces/${namespace}`);
      expect(body).toMatchObject({ kind: 'Namespace', status: { phase: 'Terminating' } });
      expect((await apply(`${secrets}/a`, 'm', secret('a'))).body).toEqual(
        failure(
          403,
          'Forbidden',
          `secrets "a" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
          {
            name: 'a',
            kind: 'secrets',
            causes: [
              {
                reason: 'NamespaceTerminating',
                message: `namespace ${namespace} is being terminated`,
                field: 'metadata.namespace',
              },
            ],
          },
        ),
      );
    });
  });

  describe('Secrets', () => {
    test('a TLS Secret must have both halves', async () => {
      const { secrets } = await place();
      const body = secret('a', { type: 'kubernetes.io/tls' });
      expect((await send('POST', secrets, { body })).body).toEqual(
        failure(
          422,
          'Invalid',
          'Secret "a" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]',
          {
            name: 'a',
            kind: 'Secret',
            causes: [
              { reason: 'FieldValueRequired', message: 'Required value', field: 'data[tls.crt]' },
              { reason: 'FieldValueRequired', message: 'Required value', field: 'data[tls.key]' },
            ],
          },
        ),
      );
    });

    test('a key of data must be a plain file name', async () => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: secret('a', { data: { 'a b': '' } }) });
      expect(body).toMatchObject({
        code: 422,
        details: { causes: [{ reason: 'FieldValueInvalid', field: 'data[a b]' }] },
      });
    });

    test('more than a mebibyte is too long', async () => {
      const { secrets } = await place();
      const stringData = { a: 'x'.repeat(1024 * 1024 + 1) };
      const { body } = await send('POST', secrets, { body: secret('a', { stringData }) });
      expect(body).toMatchObject({
        code: 422,
        details: { causes: [{ reason: 'FieldValueTooLong', field: 'data' }] },
      });
    });

    test('an immutable one keeps its data for ever, but not its labels', async () => {
      const { secrets } = await place();
      const frozen = { immutable: true, data: { a: 'YQ==' } };
      await send('POST', secrets, { body: secret('a', frozen) });
      const changed = secret('a', { ...frozen, data: { a: 'Yg==' } });
      expect((await send('PUT', `${secrets}/a`, { body: changed })).body.message).toBe(
        'Secret "a" is invalid: data: Forbidden: field is immutable when `immutable` is set',
      );
      const thawed = secret('a', { data: { a: 'YQ==' } });
      expect((await send('PUT', `${secrets}/a`, { body: thawed })).body.message).toBe(
        'Secret "a" is invalid: immutable: Forbidden: field is immutable when `immutable` is set',
      );
      const labelled = secret('a', frozen, { labels: { b: 'c' } });
      expect((await send('PUT', `${secrets}/a`, { body: labelled })).status).toBe(200);
    });

    test.for<[string, Json, string]>([
      ['a label value with a blank', { labels: { a: 'b c' } }, 'metadata.labels'],
      [
        'an annotation key with two slashes',
        { annotations: { 'a/b/c': '' } },
        'metadata.annotations',
      ],
      [
        'an annotation key that starts with a slash',
        { annotations: { '/a': '' } },
        'metadata.annotations',
      ],
    ])('%s is invalid', async ([, metadata, field]) => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: secret('a', {}, metadata) });
      expect(body).toMatchObject({ code: 422, reason: 'Invalid' });
      expect(body.details.causes).toContainEqual(
        expect.objectContaining({ reason: 'FieldValueInvalid', field }),
      );
    });
  });

  describe('server-side apply', () => {
    test('creates what is absent and then owns what it named', async () => {
      const { secrets } = await place();
      const labels = { a: '1' };
      const first = await apply(
        `${secrets}/p`,
        'one',
        secret('p', pair('YQ==', 'YQ=='), { labels }),
      );
      expect(first.status).toBe(201);
      expect(first.body.metadata.managedFields).toEqual([
        {
          manager: 'one',
          operation: 'Apply',
          apiVersion: 'v1',
          time: first.body.metadata.creationTimestamp,
          fieldsType: 'FieldsV1',
          fieldsV1: {
            'f:data': { 'f:tls.crt': {}, 'f:tls.key': {} },
            'f:metadata': { 'f:labels': { 'f:a': {} } },
            'f:type': {},
          },
        },
      ]);
      const again = await apply(
        `${secrets}/p`,
        'one',
        secret('p', pair('YQ==', 'YQ=='), { labels }),
      );
      expect(again).toMatchObject({ status: 200, body: first.body });
    });

    test('takes YAML', async () => {
      const { secrets } = await place();
      const body = 'apiVersion: v1\nkind: Secret\nmetadata: {name: p}\nstringData:\n  user: bob\n';
      const answer = await apply(`${secrets}/p`, 'one', body);
      expect(answer.body).toMatchObject({ metadata: { name: 'p' }, data: { user: 'Ym9i' } });
      expect(owners(answer)).toEqual([['Apply one', { 'f:stringData': { 'f:user': {} } }]]);
    });

    test.for<[string, string]>([
      ['y', 'true'],
      ['yes', 'true'],
      ['off', 'false'],
      ['True', 'true'],
      ['017', '15'],
      ['1_000', '1000'],
      ['12:30:45', ''],
      ['2026-01-01', ''],
      ['"yes"', ''],
    ])('reads %s in YAML as Kubernetes does', async ([text, other]) => {
      const { secrets } = await place();
      const head = 'apiVersion: v1\nkind: Secret\nmetadata: {name: p}\n';
      const { body } = await apply(`${secrets}/p`, 'one', `${head}stringData: {k: ${text}}\n`);
      const plain = Buffer.from(text.replaceAll('"', '')).toString('base64');
      if (other === '') expect(body.data).toEqual({ k: plain });
      else
        expect(body.message).toBe(
          `failed to create typed patch object (/p; /v1, Kind=Secret): .stringData.k: expected string, got &value.valueUnstructured{Value:${other}}`,
        );
    });

    test('needs a name in the body to create, and none to change', async () => {
      const { secrets } = await place();
      const nameless = { apiVersion: 'v1', kind: 'Secret' };
      expect((await apply(`${secrets}/p`, 'one', nameless)).body.message).toBe(
        'the name of the object (p based on URL) was undeterminable: name must be provided',
      );
      await apply(`${secrets}/p`, 'one', secret('p'));
      expect((await apply(`${secrets}/p`, 'one', nameless)).status).toBe(200);
    });

    test('needs a field manager', async () => {
      const { secrets } = await place();
      const { body } = await send('PATCH', `${secrets}/p`, { type: APPLY, body: secret('p') });
      expect(body).toEqual(
        failure(
          422,
          'Invalid',
          'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
          {
            group: 'meta.k8s.io',
            kind: 'PatchOptions',
            causes: [
              {
                reason: 'FieldValueRequired',
                message: 'Required value: is required for apply patch',
                field: 'fieldManager',
              },
            ],
          },
        ),
      );
    });

    test('names the owner of one contested field', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p', pair('YQ==', 'YQ==')));
      const answer = await apply(
        `${secrets}/p`,
        'two',
        secret('p', { data: { 'tls.crt': 'Yg==' } }),
      );
      expect(answer.status).toBe(409);
      expect(answer.body).toEqual(
        failure(
          409,
          'Conflict',
          'Apply failed with 1 conflict: conflict with "one": .data.tls.crt',
          {
            causes: [
              {
                reason: 'FieldManagerConflict',
                message: 'conflict with "one"',
                field: '.data.tls.crt',
              },
            ],
          },
        ),
      );
    });

    test('names every owner of several contested fields', async () => {
      const { secrets } = await place();
      await send('POST', `${secrets}?fieldManager=mgr`, {
        body: secret('p', { data: { a: 'YQ==' } }),
      });
      await apply(
        `${secrets}/p`,
        'one',
        secret('p', { data: { z: 'YQ==' } }, { labels: { l: '1' } }),
      );
      const data = { a: 'Yg==', z: 'Yg==' };
      const { body } = await apply(
        `${secrets}/p`,
        'two',
        secret('p', { data }, { labels: { l: '2' } }),
      );
      expect(body.message).toBe(
        'Apply failed with 3 conflicts: conflicts with "mgr" using v1:\n- .data.a\nconflicts with "one":\n- .data.z\n- .metadata.labels.l',
      );
      // The real server tells the managers' causes in no order of its own.
      const causes = body.details.causes.map(({ message, field }: Json) => `${message}: ${field}`);
      expect(causes.sort()).toEqual([
        'conflict with "mgr" using v1: .data.a',
        'conflict with "one": .data.z',
        'conflict with "one": .metadata.labels.l',
      ]);
    });

    test('shares a field with others while all say the same', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p', { data: { a: 'YQ==' } }));
      expect(
        owners(await apply(`${secrets}/p`, 'two', secret('p', { data: { a: 'YQ==' } }))),
      ).toEqual(
        expect.arrayContaining([
          ['Apply one', { 'f:data': { 'f:a': {} } }],
          ['Apply two', { 'f:data': { 'f:a': {} } }],
        ]),
      );
      const left = await apply(`${secrets}/p`, 'one', secret('p'));
      expect(left.body.data).toEqual({ a: 'YQ==' });
      expect(owners(left)).toEqual([['Apply two', { 'f:data': { 'f:a': {} } }]]);
    });

    test('by force takes a field from its owner', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p', pair('YQ==', 'YQ==')));
      const taken = await apply(
        `${secrets}/p`,
        'two&force=true',
        secret('p', { data: { 'tls.crt': 'Yg==' } }),
      );
      expect(taken.body.data).toEqual({ 'tls.crt': 'Yg==', 'tls.key': 'YQ==' });
      expect(owners(taken)).toEqual([
        ['Apply one', { 'f:data': { 'f:tls.key': {} }, 'f:type': {} }],
        ['Apply two', { 'f:data': { 'f:tls.crt': {} } }],
      ]);
    });

    test('removes what its manager names no longer and nobody else owns', async () => {
      const { secrets } = await place();
      await send('POST', `${secrets}?fieldManager=mgr`, {
        body: secret('p', { data: { m: 'YQ==' } }),
      });
      const named = { data: { a: 'YQ==', b: 'YQ==' } };
      await apply(`${secrets}/p`, 'one', secret('p', named, { labels: { l: '1' } }));
      const left = await apply(`${secrets}/p`, 'one', secret('p', { data: { b: 'YQ==' } }));
      expect(left.body.data).toEqual({ b: 'YQ==', m: 'YQ==' });
      expect(left.body.metadata).not.toHaveProperty('labels');
    });

    test('cannot remove what the object must have', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p', pair('YQ==', 'YQ==')));
      const { type, data } = pair('YQ==', 'YQ==');
      expect((await apply(`${secrets}/p`, 'one', secret('p', { data }))).body.message).toBe(
        'Secret "p" is invalid: type: Invalid value: "Opaque": field is immutable',
      );
      expect((await apply(`${secrets}/p`, 'one', secret('p', { type }))).body.message).toBe(
        'Secret "p" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]',
      );
    });

    test('an update takes the fields it changes from whoever applied them', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p', { data: { a: 'YQ==', b: 'YQ==' } }));
      const patched = await send('PATCH', `${secrets}/p?fieldManager=hand`, {
        type: MERGE,
        body: { data: { a: 'Yg==' } },
      });
      expect(owners(patched)).toEqual([
        ['Apply one', { 'f:data': { 'f:b': {} } }],
        ['Update hand', { 'f:data': { 'f:a': {} } }],
      ]);
    });

    test('owners that were cleared come back as before-first-apply', async () => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('p', { data: { a: 'YQ==' } }) });
      const clear = { type: MERGE, body: { metadata: { managedFields: [] } } };
      expect(owners(await send('PATCH', `${secrets}/p`, clear))).toEqual([]);
      expect(
        owners(await apply(`${secrets}/p`, 'one', secret('p', { data: { b: 'YQ==' } }))),
      ).toEqual([
        ['Apply one', { 'f:data': { 'f:b': {} } }],
        ['Update before-first-apply', { 'f:data': { '.': {}, 'f:a': {} }, 'f:type': {} }],
      ]);
    });

    test('with uid and resourceVersion changes only the object that was read', async () => {
      const { secrets } = await place();
      const { body } = await apply(`${secrets}/p`, 'one', secret('p', { data: { a: 'YQ==' } }));
      const { uid, resourceVersion } = body.metadata;
      const next = { data: { a: 'Yg==' } };
      const fresh = await apply(`${secrets}/p`, 'one', secret('p', next, { uid, resourceVersion }));
      expect(fresh).toMatchObject({ status: 200, body: { data: { a: 'Yg==' } } });
      const stale = await apply(`${secrets}/p`, 'one', secret('p', {}, { uid, resourceVersion }));
      expect(stale.body).toEqual(
        failure(
          409,
          'Conflict',
          'Operation cannot be fulfilled on secrets "p": the object has been modified; please apply your changes to the latest version and try again',
          { name: 'p', kind: 'secrets' },
        ),
      );
    });

    test('with the uid of another object is invalid', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p'));
      const cause = {
        reason: 'FieldValueInvalid',
        message: 'Invalid value: "other": field is immutable',
        field: 'metadata.uid',
      };
      expect((await apply(`${secrets}/p`, 'one', secret('p', {}, { uid: 'other' }))).body).toEqual(
        failure(
          422,
          'Invalid',
          'Secret "p" is invalid: metadata.uid: Invalid value: "other": field is immutable',
          { name: 'p', kind: 'Secret', causes: [cause, cause] },
        ),
      );
    });

    test('with a uid never creates; with a resourceVersion alone it does', async () => {
      const { secrets } = await place();
      const body = secret('p', {}, { uid: 'gone', resourceVersion: '7' });
      expect((await apply(`${secrets}/p`, 'one', body)).body).toEqual(
        failure(
          409,
          'Conflict',
          'Operation cannot be fulfilled on secrets "p": uid mismatch: the provided object specified uid gone, and no existing object was found',
          { name: 'p', kind: 'secrets' },
        ),
      );
      const versioned = secret('p', {}, { resourceVersion: '7' });
      expect((await apply(`${secrets}/p`, 'one', versioned)).status).toBe(201);
    });

    test('tells a conflict of owners before a stale version', async () => {
      const { secrets } = await place();
      await apply(`${secrets}/p`, 'one', secret('p', { data: { a: 'YQ==' } }));
      const body = secret('p', { data: { a: 'Yg==' } }, { resourceVersion: '1' });
      expect((await apply(`${secrets}/p`, 'two', body)).body.message).toContain(
        'Apply failed with',
      );
    });

    test('as a dry run shows the result, data included, and stores nothing', async () => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('p', { data: { a: 'YQ==' } }) });
      const seen = await apply(
        `${secrets}/p`,
        'one&dryRun=All',
        secret('p', { data: { b: 'YQ==' } }),
      );
      expect(seen.body.data).toEqual({ a: 'YQ==', b: 'YQ==' });
      expect((await send('GET', `${secrets}/p`)).body.data).toEqual({ a: 'YQ==' });
    });

    test.for<[string, unknown, number, string]>([
      [
        'another name than the path',
        secret('q'),
        400,
        'the name of the object (q) does not match the name on the URL (p)',
      ],
      [
        'another namespace',
        secret('p', {}, { namespace: 'elsewhere' }),
        400,
        'the namespace of the provided object does not match the namespace sent on the request',
      ],
      ['no version', { kind: 'Secret' }, 400, 'invalid object type: /, Kind=Secret'],
      [
        'another kind',
        { apiVersion: 'v1', kind: 'Pod' },
        400,
        'invalid object type: /v1, Kind=Pod',
      ],
      ['nothing', '', 400, 'invalid object type: /, Kind='],
      [
        'managedFields',
        secret('p', {}, { managedFields: [{}] }),
        400,
        'metadata.managedFields must be nil',
      ],
      [
        'a field that the kind has not',
        secret('p', { nope: 1 }),
        500,
        'failed to create typed patch object (/p; /v1, Kind=Secret): .nope: field not declared in schema',
      ],
      [
        'data that is not base64',
        secret('p', { data: { a: '%%' } }),
        500,
        'failed to convert new object (/p; /v1, Kind=Secret) to proper version: unable to convert unstructured object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 0',
      ],
      [
        'a text',
        'hello',
        400,
        'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type map[string]interface {}',
      ],
    ])('refuses %s', async ([, body, status, message]) => {
      const { secrets } = await place();
      const answer = await apply(`${secrets}/p`, 'one', body);
      expect(answer.status).toBe(status);
      expect(answer.body).toMatchObject({ status: 'Failure', message });
    });
  });

  describe('other patches', () => {
    test.for<[string, string, string, unknown, number, string]>([
      ['an absent object', 'nope', MERGE, {}, 404, 'secrets "nope" not found'],
      [
        'an old version',
        'p',
        MERGE,
        { metadata: { resourceVersion: '1' }, data: { a: 'YQ==' } },
        409,
        'Operation cannot be fulfilled on secrets "p": the object has been modified; please apply your changes to the latest version and try again',
      ],
      [
        'another name',
        'p',
        MERGE,
        { metadata: { name: 'q' } },
        400,
        'the name of the object (q) does not match the name on the URL (p)',
      ],
      [
        'another uid',
        'p',
        MERGE,
        { metadata: { uid: '1' } },
        422,
        'Secret "p" is invalid: metadata.uid: Invalid value: "1": field is immutable',
      ],
      [
        'a test that fails',
        'p',
        JSON_PATCH,
        [{ op: 'test', path: '/metadata/name', value: 'q' }],
        422,
        'the server rejected our request due to an error in our request',
      ],
      [
        'a path that leads nowhere',
        'p',
        JSON_PATCH,
        [{ op: 'remove', path: '/metadata/labels/x' }],
        422,
        'the server rejected our request due to an error in our request',
      ],
      [
        'force',
        'p?force=true',
        MERGE,
        {},
        422,
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
      ],
    ])('%s is refused', async ([, name, type, body, status, message]) => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('p') });
      const answer = await send('PATCH', `${secrets}/${name}`, { type, body });
      expect(answer.status).toBe(status);
      expect(answer.body.message).toBe(message);
    });

    test('a JSON patch adds, moves, copies, replaces and removes', async () => {
      const { secrets } = await place();
      const labels = { old: '1', gone: '1' };
      await send('POST', secrets, { body: secret('p', {}, { labels }) });
      const body = [
        { op: 'move', from: '/metadata/labels/old', path: '/metadata/labels/new' },
        { op: 'remove', path: '/metadata/labels/gone' },
        { op: 'add', path: '/metadata/annotations', value: {} },
        { op: 'add', path: '/metadata/annotations/a.test~1b', value: 'x' },
        { op: 'copy', from: '/metadata/labels/new', path: '/metadata/labels/copy' },
        { op: 'replace', path: '/metadata/labels/new', value: '2' },
      ];
      const patched = await send('PATCH', `${secrets}/p`, { type: JSON_PATCH, body });
      expect(patched.body.metadata).toMatchObject({
        labels: { new: '2', copy: '1' },
        annotations: { 'a.test/b': 'x' },
      });
    });
  });

  describe('Ingresses', () => {
    test('are stored with generation and status', async () => {
      const { ingresses } = await place();
      const spec = {
        ingressClassName: 'nginx',
        tls: [{ hosts: ['a.test'], secretName: 's' }],
        rules: [{ host: 'a.test', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      };
      const answer = await apply(`${ingresses}/a`, 'kubectl', ingress('a', spec));
      expect(answer.body).toMatchObject({
        metadata: { generation: 1 },
        spec,
        status: { loadBalancer: {} },
      });
      expect(owners(answer)).toEqual([
        ['Apply kubectl', { 'f:spec': { 'f:ingressClassName': {}, 'f:rules': {}, 'f:tls': {} } }],
      ]);
    });

    test('count a generation for each new spec, and for nothing else', async () => {
      const { ingresses } = await place();
      const spec = { ingressClassName: 'n', rules: [{ host: 'a.test' }] };
      await apply(`${ingresses}/a`, 'm', ingress('a', spec));
      const annotated = await apply(
        `${ingresses}/a`,
        'm',
        ingress('a', spec, { annotations: { b: 'c' } }),
      );
      expect(annotated.body.metadata.generation).toBe(1);
      const changed = { ...spec, rules: [{ host: 'b.test' }] };
      const second = await apply(`${ingresses}/a`, 'm', ingress('a', changed));
      expect(second.body.metadata.generation).toBe(2);
      expect(second.body.spec.rules).toEqual([{ host: 'b.test' }]);
    });

    test('have their status behind a path of its own', async () => {
      const { ingresses } = await place();
      const spec = { ingressClassName: 'n', rules: [{ host: 'a.test' }] };
      await apply(`${ingresses}/a`, 'm', ingress('a', spec));
      const entry = { ip: '127.0.0.1', ports: [{ port: 8443, protocol: 'TCP' }] };
      const status = { loadBalancer: { ingress: [entry] } };
      const written = await send('PATCH', `${ingresses}/a/status?fieldManager=front`, {
        type: MERGE,
        body: { status, spec: { ingressClassName: 'other' } },
      });
      expect(written.body).toMatchObject({ metadata: { generation: 1 }, spec, status });
      expect(owners(written)).toEqual([
        ['Apply m', { 'f:spec': { 'f:ingressClassName': {}, 'f:rules': {} } }],
        ['Update front status', { 'f:status': { 'f:loadBalancer': { 'f:ingress': {} } } }],
      ]);
      const ignored = await send('PATCH', `${ingresses}/a`, {
        type: MERGE,
        body: { status: { loadBalancer: null } },
      });
      expect(ignored.body.status).toEqual(status);
      const moved = await send('PATCH', `${ingresses}/a/status`, {
        type: JSON_PATCH,
        body: [{ op: 'replace', path: '/status/loadBalancer/ingress/0/ip', value: '127.0.0.2' }],
      });
      expect(moved.body.status.loadBalancer.ingress[0].ip).toBe('127.0.0.2');
      const contested = await apply(`${ingresses}/a/status`, 'other', {
        ...ingress('a', {}),
        spec: undefined,
        status: { loadBalancer: { ingress: [{ ip: '127.0.0.9' }] } },
      });
      expect(contested.body.message).toMatch(
        /^Apply failed with 1 conflict: conflict with "\w+" with subresource "status" using networking.k8s.io\/v1: .status.loadBalancer.ingress$/,
      );
      expect((await send('GET', `${ingresses}/a/status`)).body).toEqual(moved.body);
    });

    const wildcardRule = "a wildcard DNS-1123 subdomain must start with '*.'";
    const subdomainRule = 'a lowercase RFC 1123 subdomain must consist of';
    const fine = undefined;
    test.for<[string, string | undefined, string | undefined]>([
      ['a.test', fine, fine],
      ['*.a.test', fine, fine],
      ['localhost', fine, fine],
      ['*.com', fine, fine],
      [`${'a'.repeat(64)}.test`, fine, fine],
      ['999.1.1.1', fine, fine],
      ['1.2.3.4', fine, 'must be a DNS name, not an IP address'],
      ['', subdomainRule, fine],
      ['::1', subdomainRule, 'must be a DNS name, not an IP address'],
      ['a_b.test', subdomainRule, subdomainRule],
      ['A.test', subdomainRule, subdomainRule],
      ['a..test', subdomainRule, subdomainRule],
      ['a.test.', subdomainRule, subdomainRule],
      ['-a.test', subdomainRule, subdomainRule],
      ['bücher.test', subdomainRule, subdomainRule],
      [`${'a.'.repeat(127)}aa`, 'must be no more than 253', 'must be no more than 253'],
      ['*', wildcardRule, wildcardRule],
      ['*a.test', wildcardRule, wildcardRule],
      ['*.*.test', wildcardRule, wildcardRule],
      ['a.*.test', wildcardRule, wildcardRule],
    ])('host "%s" in spec.tls and in spec.rules', async ([host, inTls, inRule]) => {
      const { ingresses } = await place();
      const tried = async (spec: Json) => {
        const body = ingress('a', { ingressClassName: 'n', defaultBackend: backend, ...spec });
        return send('POST', `${ingresses}?dryRun=All`, { body });
      };
      const check = (answer: Answer, field: string, rule: string | undefined) => {
        const causes = rule && [
          {
            reason: 'FieldValueInvalid',
            field,
            message: expect.stringContaining(`Invalid value: "${host}": ${rule}`),
          },
        ];
        expect(answer.status).toBe(rule ? 422 : 201);
        if (causes) expect(answer.body.details.causes.slice(0, 1)).toEqual(causes);
      };
      check(await tried({ tls: [{ hosts: [host] }] }), 'spec.tls[0].hosts[0]', inTls);
      check(await tried({ rules: [{ host }] }), 'spec.rules[0].host', inRule);
    });

    const rule = (path: Json) => ({ rules: [{ host: 'a.test', http: { paths: [path] } }] });
    const at = 'spec.rules[0].http.paths[0]';
    const rooted = (service: Json) => rule({ path: '/', pathType: 'Prefix', backend: { service } });
    test.for<[string, Json, string | RegExp]>([
      [
        'nothing at all',
        {},
        'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
      ],
      [
        'a rule without paths',
        { rules: [{ http: { paths: [] } }] },
        'spec.rules[0].http.paths: Required value',
      ],
      [
        'no path type',
        rule({ path: '/', backend }),
        `${at}.pathType: Required value: pathType must be specified`,
      ],
      [
        'another path type',
        rule({ path: '/', pathType: 'Foo', backend }),
        `${at}.pathType: Unsupported value: "Foo": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
      ],
      [
        'a relative path',
        rule({ path: 'x', pathType: 'Prefix', backend }),
        `${at}.path: Invalid value: "x": must be an absolute path`,
      ],
      [
        'a path that climbs',
        rule({ path: '/a/..', pathType: 'Exact', backend }),
        `${at}.path: Invalid value: "/a/..": cannot end with '/..'`,
      ],
      [
        'no backend',
        rule({ path: '/', pathType: 'Prefix', backend: {} }),
        `${at}.backend: Invalid value: "": resource or service backend is required`,
      ],
      [
        'no service name',
        rooted({ port: { number: 80 } }),
        `${at}.backend.service.name: Required value`,
      ],
      [
        'no port',
        rooted({ name: 'w' }),
        `${at}.backend: Required value: port name or number is required`,
      ],
      [
        'a port out of range',
        rooted({ name: 'w', port: { number: 80_000 } }),
        `${at}.backend.service.port.number: Invalid value: 80000: must be between 1 and 65535, inclusive`,
      ],
      [
        'a bad Secret name',
        { defaultBackend: backend, tls: [{ secretName: 'S' }] },
        `spec.tls[0].secretName: Invalid value: "S": ${SUBDOMAIN_RULE}`,
      ],
    ])('with %s are invalid', async ([, spec, message]) => {
      const { ingresses } = await place();
      const body = ingress('a', { ingressClassName: 'n', ...spec });
      const answer = await send('POST', ingresses, { body });
      expect(answer.status).toBe(422);
      expect(answer.body.message).toBe(`Ingress.networking.k8s.io "a" is invalid: ${message}`);
    });

    test('need neither hosts nor a Secret name in a tls entry', async () => {
      const { ingresses } = await place();
      const spec = {
        ingressClassName: 'n',
        defaultBackend: backend,
        tls: [{}, { hosts: ['a.test'] }],
      };
      expect((await send('POST', ingresses, { body: ingress('a', spec) })).body.spec).toEqual(spec);
    });

    test('may name a class once only', async () => {
      const { ingresses } = await place();
      const annotations = { 'kubernetes.io/ingress.class': 'a' };
      const body = ingress(
        'a',
        { ingressClassName: 'b', defaultBackend: backend },
        { annotations },
      );
      expect((await send('POST', ingresses, { body })).body.details.causes).toEqual([
        {
          reason: 'FieldValueInvalid',
          message: 'Invalid value: "a": must match `ingressClassName` when both are specified',
          field: 'annotations.kubernetes.io/ingress.class',
        },
      ]);
    });

    test('get the default class where there is one', async () => {
      const { ingresses, namespace } = await place();
      const classes = '/apis/networking.k8s.io/v1/ingressclasses';
      const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
      const metadata = { name: namespace, annotations };
      const spec = { controller: 'example.test/front' };
      expect((await send('POST', classes, { body: { metadata, spec } })).status).toBe(201);
      const body = ingress('a', { defaultBackend: backend });
      // Admission in the real server hears of a class a moment later.
      const named = () => send('POST', `${ingresses}?dryRun=All`, { body });
      await expect
        .poll(async () => (await named()).body.spec.ingressClassName, { interval: 20 })
        .toBe(namespace);
      await send('DELETE', `${classes}/${namespace}`);
      await expect
        .poll(async () => (await named()).body.spec.ingressClassName, { interval: 20 })
        .toBeUndefined();
    });
  });

  describe('lists', () => {
    const fill = async (path: string, names: readonly string[], metadata: Json = {}) => {
      for (const name of names) await send('POST', path, { body: secret(name, {}, metadata) });
    };
    const names = ({ body }: Answer) =>
      body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);

    test('are in the order of their names, their items without kind', async () => {
      const { secrets } = await place();
      await fill(secrets, ['b', 'a.c', 'a-c', 'a']);
      const list = await send('GET', secrets);
      expect(list.body).toMatchObject({ kind: 'SecretList', apiVersion: 'v1' });
      expect(list.body.metadata).toEqual({ resourceVersion: expect.stringMatching(/^\d+$/) });
      expect(names(list)).toEqual(['a', 'a-c', 'a.c', 'b']);
      expect(list.body.items[0]).not.toHaveProperty('kind');
    });

    test('come in pages that all show the moment of the first', async () => {
      const { secrets } = await place();
      await fill(secrets, ['a', 'b', 'c', 'd', 'e']);
      const first = await send('GET', `${secrets}?limit=2`);
      expect(names(first)).toEqual(['a', 'b']);
      expect(first.body.metadata.remainingItemCount).toBe(3);
      await send('DELETE', `${secrets}/d`);
      await fill(secrets, ['bb']);
      const second = await send(
        'GET',
        `${secrets}?limit=2&continue=${first.body.metadata.continue}`,
      );
      expect(names(second)).toEqual(['c', 'd']);
      expect(second.body.metadata).toMatchObject({
        resourceVersion: first.body.metadata.resourceVersion,
        remainingItemCount: 1,
      });
      const third = await send(
        'GET',
        `${secrets}?limit=2&continue=${second.body.metadata.continue}`,
      );
      expect(names(third)).toEqual(['e']);
      expect(third.body.metadata).not.toHaveProperty('continue');
      expect(names(await send('GET', secrets))).toEqual(['a', 'b', 'bb', 'c', 'e']);
    });

    test('of all namespaces are pages of one list', async () => {
      const [one, two] = [await place(), await place()];
      await fill(one.secrets, ['z'], { labels: { of: one.namespace } });
      await fill(two.secrets, ['a'], { labels: { of: one.namespace } });
      const path = `/api/v1/secrets?labelSelector=of%3D${one.namespace}&limit=1`;
      const first = await send('GET', path);
      expect(names(first)).toEqual(['z']);
      expect(first.body.metadata).not.toHaveProperty('remainingItemCount');
      const rest = await send('GET', `${path}&continue=${first.body.metadata.continue}`);
      expect(names(rest)).toEqual(['a']);
    });

    test.for<[string, string, string[]]>([
      ['labelSelector', 'l=1', ['a']],
      ['labelSelector', 'l==1,m', []],
      ['labelSelector', 'l!=1', ['b', 'c']],
      ['labelSelector', 'l in (1,2)', ['a', 'b']],
      ['labelSelector', 'l notin (1,2)', ['c']],
      ['labelSelector', 'l', ['a', 'b']],
      ['labelSelector', '!l', ['c']],
      ['fieldSelector', 'metadata.name=b', ['b']],
      ['fieldSelector', 'metadata.name!=b', ['a', 'c']],
      ['fieldSelector', 'metadata.namespace=elsewhere', []],
      ['fieldSelector', 'type=Opaque,metadata.name=c', ['c']],
    ])('%s %s', async ([parameter, selector, expected]) => {
      const { secrets } = await place();
      await fill(secrets, ['a'], { labels: { l: '1' } });
      await fill(secrets, ['b'], { labels: { l: '2' } });
      await fill(secrets, ['c']);
      const path = `${secrets}?${parameter}=${encodeURIComponent(selector)}`;
      expect(names(await send('GET', path))).toEqual(expected);
    });

    test.for<[string, string, number, string]>([
      ['a limit in letters', 'limit=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
      [
        'a token that is none',
        'limit=1&continue=garbage',
        400,
        'invalid continue token: continue key is not valid',
      ],
      ['a version in letters', 'resourceVersion=x', 400, 'invalid resource version'],
      ['an unknown field', 'fieldSelector=data%3Dx', 400, 'field label not supported: data'],
      [
        'half a selector',
        'fieldSelector=foo',
        400,
        "invalid selector: 'foo'; can't understand 'foo'",
      ],
    ])('with %s are refused', async ([, query, status, message]) => {
      const { secrets } = await place();
      const answer = await send('GET', `${secrets}?${query}`);
      expect(answer.status).toBe(status);
      expect(answer.body).toMatchObject({ reason: 'BadRequest' });
      expect(answer.body.message).toContain(message);
    });

    test('a token goes with no version', async () => {
      const { secrets } = await place();
      await fill(secrets, ['a', 'b']);
      const token = (await send('GET', `${secrets}?limit=1`)).body.metadata.continue;
      const answer = await send('GET', `${secrets}?limit=1&continue=${token}&resourceVersion=5`);
      expect(answer.body).toEqual(
        failure(
          400,
          'BadRequest',
          'specifying resource version is not allowed when using continue',
        ),
      );
    });
  });

  describe('tables and metadata', () => {
    const columns = ({ body }: Answer) => body.columnDefinitions.map(({ name }: Json) => name);

    test('a Secret as a table shows its type and no data', async () => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: secret('a', pair('YQ==', 'YQ==')) });
      const table = await send('GET', `${secrets}/a?includeObject=Metadata`, { accept: TABLE });
      expect(columns(table)).toEqual(['Name', 'Type', 'Data', 'Age']);
      expect(table.body).toMatchObject({
        kind: 'Table',
        apiVersion: 'meta.k8s.io/v1',
        metadata: { resourceVersion: body.metadata.resourceVersion },
        rows: [
          {
            cells: ['a', 'kubernetes.io/tls', 2, expect.stringMatching(/^\ds$/)],
            object: {
              kind: 'PartialObjectMetadata',
              apiVersion: 'meta.k8s.io/v1',
              metadata: body.metadata,
            },
          },
        ],
      });
      expect(JSON.stringify(table.body)).not.toContain('YQ==');
    });

    test('an absent object is absent as a table too', async () => {
      const { secrets } = await place();
      expect((await send('GET', `${secrets}/a`, { accept: TABLE })).body).toEqual(
        failure(404, 'NotFound', 'secrets "a" not found', { name: 'a', kind: 'secrets' }),
      );
    });

    test('a list as a table has pages as well', async () => {
      const { secrets } = await place();
      for (const name of ['a', 'b']) await send('POST', secrets, { body: secret(name) });
      const first = await send('GET', `${secrets}?limit=1`, { accept: TABLE });
      expect(first.body.rows).toHaveLength(1);
      expect(first.body.metadata).toMatchObject({ remainingItemCount: 1 });
      const path = `${secrets}?limit=1&continue=${first.body.metadata.continue}`;
      expect((await send('GET', path, { accept: TABLE })).body.rows[0].cells[0]).toBe('b');
    });

    test('an Ingress as a table shows hosts, address and ports', async () => {
      const { ingresses } = await place();
      const hosts = ['a', 'b', 'c', 'd'].map((name) => ({ host: `${name}.test` }));
      const spec = { ingressClassName: 'n', rules: hosts, tls: [{ hosts: ['a.test'] }] };
      await send('POST', ingresses, { body: ingress('many', spec) });
      await send('POST', ingresses, { body: ingress('none', { defaultBackend: backend }) });
      await send('PATCH', `${ingresses}/many/status`, {
        type: MERGE,
        body: {
          status: { loadBalancer: { ingress: [{ ip: '10.0.0.1' }, { hostname: 'lb.test' }] } },
        },
      });
      const table = await send('GET', ingresses, { accept: TABLE });
      expect(columns(table)).toEqual(['Name', 'Class', 'Hosts', 'Address', 'Ports', 'Age']);
      const age = expect.stringMatching(/^\ds$/);
      expect(table.body.rows.map(({ cells }: Json) => cells)).toEqual([
        ['many', 'n', 'a.test,b.test,c.test + 1 more...', '10.0.0.1,lb.test', '80, 443', age],
        ['none', '<none>', '*', '', '80', age],
      ]);
    });

    test('metadata alone can be had, of one object and of a list', async () => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: secret('a', { data: { a: 'YQ==' } }) });
      const partial = {
        kind: 'PartialObjectMetadata',
        apiVersion: 'meta.k8s.io/v1',
        metadata: body.metadata,
      };
      expect((await send('GET', `${secrets}/a`, { accept: PARTIAL })).body).toEqual(partial);
      expect((await send('GET', secrets, { accept: PARTIAL_LIST })).body).toEqual({
        kind: 'PartialObjectMetadataList',
        apiVersion: 'meta.k8s.io/v1',
        metadata: { resourceVersion: expect.any(String) },
        items: [partial],
      });
    });

    test.for<[string, string, string, string]>([
      [
        'one for a list',
        '',
        PARTIAL,
        'you requested PartialObjectMetadata, but the requested object is a list (*core.SecretList)',
      ],
      [
        'a list for one',
        '/a',
        PARTIAL_LIST,
        'you requested PartialObjectMetadataList, but the requested object is not a list (*core.Secret)',
      ],
      [
        'an unknown form',
        '/a',
        'application/json;as=Foo;v=v1;g=meta.k8s.io',
        'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
      ],
    ])('%s is not acceptable', async ([, rest, accept, message]) => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('a') });
      const answer = await send('GET', secrets + rest, { accept });
      expect(answer.body).toEqual(failure(406, 'NotAcceptable', message));
    });

    test('the first form that is known is taken', async () => {
      const { secrets } = await place();
      const accept = 'application/json;as=Foo;v=v1;g=meta.k8s.io, application/json';
      expect((await send('GET', secrets, { accept })).body.kind).toBe('SecretList');
    });
  });

  describe('watches', () => {
    /** As many events as asked for, from a watch that goes on. */
    const taken = async (
      path: string,
      count: number,
      sent: Sent & { act?(): Promise<unknown> },
    ) => {
      const stop = new AbortController();
      const response = await open('GET', path, { ...sent, signal: stop.signal });
      await sent.act?.();
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        if (text.split('\n').length > count) break;
      }
      stop.abort();
      const lines = text.split('\n').slice(0, count);
      return lines.map((line) => JSON.parse(line) as Event);
    };
    type Event = { type: string; object: Json & { kind: string; metadata: { name: string } } };
    const short = ({ type, object }: Event) => `${type} ${object.kind} ${object.metadata.name}`;

    test('tell what is there and then what happens', async () => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('a') });
      const act = async () => {
        await send('POST', secrets, { body: secret('b') });
        await send('PUT', `${secrets}/b`, { body: secret('b', { data: { x: 'YQ==' } }) });
        await send('DELETE', `${secrets}/a`);
      };
      const seen = await taken(`${secrets}?watch=1`, 4, { act });
      expect(seen.map(short)).toEqual([
        'ADDED Secret a',
        'ADDED Secret b',
        'MODIFIED Secret b',
        'DELETED Secret a',
      ]);
    });

    test('from a version tell what happened after it', async () => {
      const { secrets } = await place();
      const { body } = await send('POST', secrets, { body: secret('a') });
      await send('POST', secrets, { body: secret('b') });
      const version = body.metadata.resourceVersion;
      const act = () => send('DELETE', `${secrets}/a`);
      const seen = await taken(`${secrets}?watch=true&resourceVersion=${version}`, 2, { act });
      expect(seen.map(short)).toEqual(['ADDED Secret b', 'DELETED Secret a']);
    });

    test('of a selection see an object come and go', async () => {
      const { secrets } = await place();
      const put = (l: string, x: string) =>
        send('PUT', `${secrets}/a`, {
          body: secret('a', { stringData: { x } }, { labels: { l } }),
        });
      const act = async () => {
        await send('POST', secrets, { body: secret('a') });
        await put('1', 'comes');
        await put('1', 'changes');
        await put('2', 'goes');
      };
      const seen = await taken(`${secrets}?watch=1&labelSelector=l%3D1`, 3, { act });
      expect(seen.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    });

    test('can show metadata alone', async () => {
      const { secrets } = await place();
      await send('POST', secrets, { body: secret('a', { data: { a: 'YQ==' } }) });
      const [event] = await taken(`${secrets}?watch=1`, 1, { accept: PARTIAL });
      expect(event).toMatchObject({ type: 'ADDED', object: { kind: 'PartialObjectMetadata' } });
      expect(event?.object).not.toHaveProperty('data');
    });

    test('with a version in letters are refused', async () => {
      const { secrets } = await place();
      expect((await send('GET', `${secrets}?watch=1&resourceVersion=x`)).body).toMatchObject({
        code: 500,
        message:
          'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
      });
    });
  });

  describe('clients that others wrote', () => {
    test('@kubernetes/client-node lists, applies, reads and understands a refusal', async () => {
      const { namespace } = await place();
      const config = new k8s.KubeConfig();
      const cluster = { name: 'c', server: api.server, skipTLSVerify: false };
      config.loadFromClusterAndUser(
        { ...cluster, caData: Buffer.from(api.ca).toString('base64') },
        { name: 'u', token: api.token },
      );
      const core = config.makeApiClient(k8s.CoreV1Api);
      const networking = config.makeApiClient(k8s.NetworkingV1Api);
      const applied = await core.patchNamespacedSecret(
        { name: 'a', namespace, body: secret('a'), fieldManager: 'me' },
        k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.ServerSideApply),
      );
      expect(applied.metadata?.creationTimestamp).toBeInstanceOf(Date);
      const list = await networking.listNamespacedIngress({ namespace, limit: 5 });
      expect(list.items).toEqual([]);
      await expect(core.readNamespacedSecret({ name: 'b', namespace })).rejects.toMatchObject({
        code: 404,
      });
    });

    test('manifests are applied, namespaces made, refusals named', async () => {
      const { namespace } = await place();
      const elsewhere = `${namespace}-new`;
      const { faults } = await applyManifests(
        [
          ingress(
            'a',
            { ingressClassName: 'n', rules: [{ host: 'a.test' }] },
            { namespace: elsewhere },
          ),
          ingress('bad', { ingressClassName: 'n', rules: [{ host: 'a_b.test' }] }, { namespace }),
          { apiVersion: 'example.test/v1', kind: 'Widget', metadata: { name: 'w', namespace } },
          secret('s', { stringData: { a: 'b' } }, { namespace }),
        ],
        api,
      );
      expect(faults).toEqual([
        {
          kind: 'Ingress',
          namespace,
          name: 'bad',
          message: `Ingress.networking.k8s.io "bad" is invalid: spec.rules[0].host: Invalid value: "a_b.test": ${SUBDOMAIN_RULE}`,
        },
        {
          kind: 'Widget',
          namespace,
          name: 'w',
          message: 'the server has no kind Widget in version example.test/v1',
        },
      ]);
      const applied = await send(
        'GET',
        `/apis/networking.k8s.io/v1/namespaces/${elsewhere}/ingresses/a`,
      );
      expect(owners(applied)).toEqual([
        ['Apply kubectl', { 'f:spec': { 'f:ingressClassName': {}, 'f:rules': {} } }],
      ]);
      expect((await send('GET', `/api/v1/namespaces/${namespace}/secrets/s`)).status).toBe(200);
    });
  });
}
