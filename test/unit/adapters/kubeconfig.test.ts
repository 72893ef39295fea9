import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { loopbackIdentity, type ServerIdentity } from '../../../local/tls.ts';
import { parseKubeconfig } from '../../../shared/adapters/kubernetes/kubeconfig.ts';
import { CertificateError } from '../../../shared/errors.ts';

const ORIGIN = 'secret projects/p/secrets/kubeconfig-ovh';

type Differs = Readonly<{ cluster?: object; user?: object; document?: object }>;

/** A healthy kubeconfig with a token; each case states only what differs. It is JSON, which is YAML. */
const kubeconfig = ({ cluster, user, document }: Differs = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    'current-context': 'admin@ovh',
    contexts: [{ name: 'admin@ovh', context: { cluster: 'ovh', user: 'admin' } }],
    clusters: [{ name: 'ovh', cluster: { server: 'https://ovh.test:6443', ...cluster } }],
    users: [{ name: 'admin', user: { token: 'a-token', ...user } }],
    ...document,
  });

const thrownBy = (text: string): CertificateError => {
  try {
    parseKubeconfig(text, ORIGIN);
  } catch (error) {
    if (error instanceof CertificateError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

const base64 = (text: string) => Buffer.from(text).toString('base64');

let identity: ServerIdentity;
beforeAll(async () => {
  identity = await loopbackIdentity('kubeconfig');
});

describe('accepts', () => {
  test('a token', () => {
    const access = parseKubeconfig(kubeconfig(), ORIGIN);
    expect(access).toMatchObject({ server: 'https://ovh.test:6443', ca: undefined });
    expect(access.credentials.kind === 'token' && access.credentials.token.reveal()).toBe(
      'a-token',
    );
  });

  test('a client certificate and an authority, inline', () => {
    const access = parseKubeconfig(
      kubeconfig({
        cluster: { 'certificate-authority-data': base64(identity.ca) },
        user: {
          token: '',
          'client-certificate-data': base64(identity.certificate),
          'client-key-data': base64(identity.key),
        },
      }),
      ORIGIN,
    );
    expect(access).toMatchObject({
      ca: identity.ca,
      credentials: { kind: 'certificate', certificate: identity.certificate },
    });
    expect(access.credentials.kind === 'certificate' && access.credentials.key.reveal()).toBe(
      identity.key,
    );
  });

  test('plain YAML, a path in the server, and what other contexts hold', () => {
    const text = `
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: one, user: me, namespace: web}}
- {name: there, context: {cluster: two, user: other}}
clusters:
- {name: one, cluster: {server: 'https://rancher.test/k8s/clusters/c-1/', insecure-skip-tls-verify: false}}
- {name: two, cluster: {server: 'http://plain.test'}}
users:
- {name: me, user: {token: abc}}
- {name: other, user: {exec: {command: sh}}}
`;
    expect(parseKubeconfig(text, ORIGIN).server).toBe('https://rancher.test/k8s/clusters/c-1');
  });
});

test('nothing that prints the result shows the token', () => {
  expect(JSON.stringify(parseKubeconfig(kubeconfig(), ORIGIN))).not.toContain('a-token');
});

test.for<[string, Differs, string]>([
  [
    'a program that gets a token',
    { user: { exec: { command: 'sh' } } },
    'user.exec is refused; it would start a program',
  ],
  [
    'an auth provider',
    { user: { 'auth-provider': { name: 'gcp' } } },
    'user.auth-provider is refused; it can start a program',
  ],
  [
    'an authority in a file',
    { cluster: { 'certificate-authority': '/ca' } },
    'cluster.certificate-authority names a file; put the data itself in certificate-authority-data',
  ],
  [
    'a client certificate in a file',
    { user: { 'client-certificate': '/c' } },
    'user.client-certificate names a file; put the data itself in client-certificate-data',
  ],
  [
    'a client key in a file',
    { user: { 'client-key': '/k' } },
    'user.client-key names a file; put the data itself in client-key-data',
  ],
  [
    'a token in a file',
    { user: { tokenFile: '/t' } },
    'user.tokenFile names a file; put the data itself in token',
  ],
  [
    'a user name',
    { user: { username: 'u' } },
    'user.username is refused; use a token or a client certificate',
  ],
  [
    'a password',
    { user: { password: 'p' } },
    'user.password is refused; use a token or a client certificate',
  ],
  [
    'impersonation of a user',
    { user: { as: 'root' } },
    'user.as is refused; give the credentials of the user that is meant',
  ],
  [
    'impersonation of groups',
    { user: { 'as-groups': ['system:masters'] } },
    'user.as-groups is refused; give the credentials of the user that is meant',
  ],
  [
    'an unchecked certificate',
    { cluster: { 'insecure-skip-tls-verify': true } },
    'cluster.insecure-skip-tls-verify is refused; put the authority in certificate-authority-data',
  ],
  [
    'an unchecked certificate in quotes',
    { cluster: { 'insecure-skip-tls-verify': 'true' } },
    'cluster.insecure-skip-tls-verify is refused; put the authority in certificate-authority-data',
  ],
  [
    'a proxy',
    { cluster: { 'proxy-url': 'socks5://p' } },
    'cluster.proxy-url is refused; the API server must be reachable directly',
  ],
  [
    'another name for the server',
    { cluster: { 'tls-server-name': 'x' } },
    "cluster.tls-server-name is refused; the server's certificate must hold the name in server",
  ],
  [
    'a field that nobody knows',
    { user: { 'exec-v2': {} } },
    'user.exec-v2 is not known; remove it',
  ],
  ['http', { cluster: { server: 'http://ovh.test' } }, 'cluster.server must be an https:// URL'],
  ['no URL', { cluster: { server: 'ovh.test:6443' } }, 'cluster.server must be an https:// URL'],
  [
    'a password in the URL',
    { cluster: { server: 'https://u:p@ovh.test' } },
    'cluster.server may have a host, a port and a path only',
  ],
  ['no server', { cluster: { server: '' } }, 'cluster.server is missing'],
  [
    'no credentials',
    { user: { token: undefined } },
    'user has neither a token nor a client certificate',
  ],
  [
    'a token of two lines',
    { user: { token: 'a\nb' } },
    'user.token must be one line of text without blanks',
  ],
  [
    'a token that is a number',
    { user: { token: 7 } },
    'user.token must be one line of text without blanks',
  ],
  [
    'two kinds of credentials',
    { user: { 'client-key-data': 'eA==' } },
    'user has a token and a client certificate; leave only one of them',
  ],
  [
    'an authority that is none',
    { cluster: { 'certificate-authority-data': 'eA==' } },
    'cluster.certificate-authority-data must be a PEM certificate in base64',
  ],
  ['no current context', { document: { 'current-context': '' } }, 'current-context is missing'],
  [
    'a current context that is not there',
    { document: { 'current-context': 'x' } },
    'context "x" is missing',
  ],
  ['a cluster that is not there', { document: { clusters: [] } }, 'cluster "ovh" is missing'],
  ['a user that is not there', { document: { users: null } }, 'user "admin" is missing'],
  [
    'a user that is there twice',
    {
      document: {
        users: [
          { name: 'admin', user: {} },
          { name: 'admin', user: {} },
        ],
      },
    },
    'user "admin" is there 2 times',
  ],
  [
    'a context without a user',
    { document: { contexts: [{ name: 'admin@ovh', context: { cluster: 'ovh' } }] } },
    'the current context names no user',
  ],
])('refuses %s', ([, differs, fault]) => {
  expect(thrownBy(kubeconfig(differs))).toMatchObject({
    code: 'kubeconfig-invalid',
    message: `${ORIGIN} cannot be used: ${fault}`,
  });
});

test.for<[string, string, string]>([
  ['no mapping', 'just text', 'it is not a mapping with clusters, users and contexts'],
  [
    'broken YAML, without quoting it',
    'users:\n- token: "s3cret\n',
    'line 3 is not plain YAML (MISSING_CHAR)',
  ],
  ['a tag', 'users: !!js/function s3cret', 'line 1 is not plain YAML (TAG_RESOLVE_FAILED)'],
  ['a field that is there twice', 'a: 1\na: s3cret', 'line 2 is not plain YAML (DUPLICATE_KEY)'],
])('refuses %s', ([, text, fault]) => {
  const { message, cause } = thrownBy(text);
  expect(message).toBe(`${ORIGIN} cannot be used: ${fault}`);
  expect(cause).toBeUndefined();
});

test('refuses a key of another certificate, without saying the key', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const key = base64(other.export({ type: 'pkcs8', format: 'pem' }).toString());
  const user = {
    token: undefined,
    'client-certificate-data': base64(identity.certificate),
    'client-key-data': key,
  };
  expect(thrownBy(kubeconfig({ user })).message).toBe(
    `${ORIGIN} cannot be used: user.client-key-data is not the key of client-certificate-data`,
  );
});

test('names every fault at once', () => {
  const { message } = thrownBy(
    kubeconfig({
      cluster: { server: 'http://x.test', 'proxy-url': 'http://p' },
      user: { token: undefined, exec: {}, tokenFile: '/t' },
    }),
  );
  for (const fault of ['proxy-url', 'https://', 'user.exec', 'tokenFile', 'neither a token'])
    expect(message).toContain(fault);
});
