import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../local/clock.ts';
import {
  ConfigurationFaults,
  checkClusters,
  type RawDocument,
  readDocument,
} from '../../../local/document.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import { createKeeper } from '../../../local/keeper.ts';
import { startKubernetes } from '../../../local/kubernetes/kubernetes.ts';
import { applyManifests, loadManifests } from '../../../local/kubernetes/manifests.ts';
import { parseOptions } from '../../../local/options.ts';
import { memoryStore, openStateFolder } from '../../../local/state.ts';
import { startSystem } from '../../../local/system.ts';
import { createLog } from '../../../shared/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'certherd-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of this test, by its path. */
function file(name: string, content: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const yes = file('yes.yaml', 'project: p\n');
const kubeconfig = file(
  'kubeconfig.json',
  JSON.stringify({
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
    users: [{ name: 'u', user: { token: 't' } }],
  }),
);
const root = file('root.pem', '-----BEGIN CERTIFICATE-----\n');
const manifests = join(file('manifests/none.yaml', ''), '..');

describe('the command line', () => {
  test.for<[string, string[], string]>([
    ['an unknown option', ['--bogus'], "error: unknown option '--bogus'"],
    ['a word too many', ['extra'], 'error: too many arguments'],
    ['--json without --once', ['--json'], 'error: --json needs --once'],
    ['--config without --zone', ['--config', yes], 'error: --config needs --zone'],
    ['--acme-ca without --acme-directory', ['--acme-ca', root], '--acme-ca needs --acme-directory'],
    ['a file that is not there', ['--config', '/no/such'], '/no/such cannot be used (ENOENT)'],
    ['a folder in place of a file', ['--config', folder], 'cannot be used (EISDIR)'],
    ['a port that is no number', ['--port', 'x'], 'Give a port from 0 to 65535'],
    ['a port that is too high', ['--dns-port', '65536'], 'Give a port from 0 to 65535'],
    ['a zone of one label', ['--zone', 'test'], 'It needs at least two labels'],
    ['a wildcard for a zone', ['--zone', '*.A.test'], 'It is a wildcard; name the zone, a.test.'],
    ['a zone with an underscore', ['--zone', '_a.test'], 'It has an underscore'],
    ['a pair without =', ['--manifests', 'prod'], 'Write NAME=PATH'],
    ['manifests that are no folder', ['--manifests', `a=${yes}`], 'cannot be used (ENOTDIR)'],
    [
      'a kubeconfig that is not there',
      ['--cluster', 'a=/no/such'],
      '/no/such cannot be used (ENOENT)',
    ],
    [
      "a writer's kubeconfig that is not there",
      ['--cluster', `a=${yes},/no/writer`],
      '/no/writer cannot be used (ENOENT)',
    ],
    [
      "no writer's kubeconfig after the comma",
      ['--cluster', `a=${yes},`],
      'cannot be used (ENOENT)',
    ],
    [
      'three kubeconfigs',
      ['--cluster', `a=${yes},${yes},${yes}`],
      'Write NAME=READER or NAME=READER,WRITER',
    ],
    [
      'manifests for a real cluster',
      ['--manifests', `a=${manifests}`, '--cluster', `a=${yes}`],
      '--manifests a=… and --cluster a=… exclude each other',
    ],
    ['an ACME server without TLS', ['--acme-directory', 'http://x'], 'Give an https:// URL'],
    [
      'a root of an ACME server that is none',
      ['--acme-directory', 'https://x', '--acme-ca', yes],
      `'--acme-ca <file>' argument '${yes}' is invalid. ${yes} holds no certificate in PEM text`,
    ],
    ['an unknown front', ['--front', 'apache'], 'Allowed choices are auto, nginx, node, none'],
    ['a state folder that is a file', ['--state', yes], 'cannot be used (EEXIST)'],
    ['a state folder below a file', ['--state', `${yes}/state`], 'cannot be used (EEXIST)'],
    ['a state folder where none can be', ['--state', '/proc/x/y'], 'cannot be used (ENOENT)'],
    ['a recording where none can be', ['--record', '/no/such'], 'cannot be used (ENOENT)'],
    ['an option without its value', ['--port'], "error: option '--port <n>' argument missing"],
  ])('refuses %s in one sentence with exit code 2', ([, argv, sentence]) => {
    const parsed = parseOptions(argv);
    expect(parsed).toMatchObject({ exitCode: 2, text: expect.stringContaining(sentence) });
    expect('text' in parsed && parsed.text.trim().split('\n').length).toBe(1);
  });

  test('--help names every option of the README with exit code 0', () => {
    const parsed = parseOptions(['--help']);
    const options = ['once', 'json', 'config', 'manifests', 'cluster', 'zone', 'acme-directory'];
    options.push('acme-ca', 'dns-port', 'port', 'state', 'front', 'record', 'help');
    expect(parsed).toMatchObject({ exitCode: 0 });
    for (const option of options)
      expect('text' in parsed && parsed.text).toMatch(new RegExp(`^  (-h, )?--${option}\\b`, 'm'));
  });

  test('without options everything has its default', () => {
    expect(parseOptions([])).toEqual({
      options: {
        once: false,
        json: false,
        manifests: [],
        cluster: [],
        zone: [],
        dnsPort: 0,
        port: 8080,
      },
    });
  });

  test('--state makes the folder and those above it, for nobody else to look into', () => {
    const path = join(folder, 'not', 'yet', 'there');
    expect(parseOptions(['--state', path])).toMatchObject({ options: { state: path } });
    for (const made of [path, join(path, '..')]) expect(statSync(made).mode & 0o777).toBe(0o700);
  });

  test.for<[string, string, object]>([
    ['one kubeconfig is for both', yes, { reader: yes, writer: yes }],
    ['of two the first is for the reader', `${yes},${root}`, { reader: yes, writer: root }],
  ])('%s', ([, paths, files]) => {
    expect(parseOptions(['--cluster', `prod=${paths}`])).toMatchObject({
      options: { cluster: [['prod', files]] },
    });
  });

  test('options that may be repeated keep their order, and zones are in their normal form', () => {
    const argv = ['--zone', 'B.test.', '--zone', 'a.test', '--manifests', `x=${manifests}`];
    expect(parseOptions(argv)).toMatchObject({
      options: { zone: ['b.test', 'a.test'], manifests: [['x', manifests]] },
    });
  });
});

describe('the configuration document', () => {
  test.for<[string, string, string]>([
    ['that is no YAML', 'project: p\nissuers: [\n', 'at line 3, column 1'],
    ['with a key twice', 'project: p\nproject: q\n', 'Map keys must be unique at line 2, column 1'],
    [
      'that is no mapping',
      'text\n',
      'must be a mapping with the keys project, issuers and clusters',
    ],
    ['that is empty', '', 'must be a mapping with the keys project, issuers and clusters'],
  ])('%s is a fault of the configuration with its file and place', ([, content, sentence]) => {
    const path = file('wrong.yaml', content);
    const faults = faultsOf(() => readDocument(path));
    expect(faults[0]).toContain(`${path}: `);
    expect(faults.join()).toContain(sentence);
  });

  test('has all its faults told at once, those of leaving this machine among them', async () => {
    expect(
      await started({
        issuers: { a: { directory: 'https://x.test', contact: 'nobody' } },
        clusters: [{ name: 'one' }, { name: 'one' }],
        surplus: 1,
        dns: { resolver: '8.8.8.8' },
        runtime: { issueUrl: 'https://issue.example.org' },
        endpoints: {
          secretManager: 'https://secretmanager.googleapis.com',
          metadata: 'http://127.0.0.1.example.org',
        },
      }),
    ).toEqual([
      'project: is missing; give a text',
      'issuers.a.contact: give an e-mail address',
      'surplus: there is no such key; correct its spelling or remove it',
      'clusters[0].allow: with several clusters each needs the list of names that its namespaces may have',
      'clusters[1].name: "one" is taken by another cluster',
      'clusters[1].allow: with several clusters each needs the list of names that its namespaces may have',
      'endpoints.secretManager: npm start stays on this machine; leave it out, or give a loopback URL',
      'endpoints.metadata: npm start stays on this machine; leave it out, or give a loopback URL',
      'runtime.issueUrl: npm start stays on this machine; leave it out, or give a loopback URL',
      'dns.resolver: npm start stays on this machine; leave it out, or give a loopback address',
    ]);
  });

  const IDS = 'give the id of a Secret Manager secret, or two as { reader: ID, writer: ID }';
  const realClusters = new Map([['one', { reader: kubeconfig, writer: kubeconfig }]]);

  test.for<[string, RawDocument, readonly string[]]>([
    [
      'the CA of an issuer',
      {
        issuers: { a: {}, b: { directory: 'htps:/oops', caCertificate: 'no' } },
        defaultIssuer: 'a',
      },
      [
        'issuers.a.directory: give an https:// URL',
        'issuers.b.directory: give an https:// URL',
        'issuers.b.caCertificate: give the PEM text of a certificate',
      ],
    ],
    [
      'the kubeconfig of a cluster',
      { clusters: [{ name: 'one', kubeconfigSecret: { reader: 'r' } }] },
      [`clusters[0].kubeconfigSecret: ${IDS}`],
    ],
    [
      'the GKE name of a cluster',
      { clusters: [{ name: 'one', gke: 'prod' }] },
      ['clusters[0].gke: give "projects/P/locations/L/clusters/C"'],
    ],
  ])('%s is replaced here, and a fault in it told all the same', async ([, differs, faults]) => {
    expect(await started({ ...GOOD, ...differs }, { realClusters })).toEqual(faults);
  });

  test('a metadata server that it names is the one that is asked', async () => {
    const endpoints = { metadata: 'http://127.0.0.1:1' };
    await expect(started({ ...GOOD, endpoints })).rejects.toThrow(
      'no token from the metadata server at http://127.0.0.1:1',
    );
  });

  test('names every cluster that an option may name', () => {
    const named = { '--cluster': ['one', 'two'], '--manifests': ['three', 'one'] };
    expect(faultsOf(() => checkClusters(GOOD, named))).toEqual([
      '--cluster two=…: the configuration has no cluster two',
      '--manifests three=…: the configuration has no cluster three',
    ]);
    expect(faultsOf(() => checkClusters({}, { '--cluster': ['one'] })).length).toBe(1);
  });

  test.for<[string, Partial<Parameters<typeof startSystem>[0]>, string]>([
    [
      'a kubeconfig that is none',
      { realClusters: new Map([['one', { reader: yes, writer: yes }]]) },
      `--cluster one=…: ${yes} cannot be used: current-context is missing`,
    ],
    [
      "a writer's kubeconfig that is none",
      { realClusters: new Map([['one', { reader: kubeconfig, writer: yes }]]) },
      `--cluster one=…: ${yes} cannot be used: current-context is missing`,
    ],
  ])('does not go with %s', async ([, differs, fault]) => {
    expect(await started(GOOD, differs)).toEqual([fault]);
  });
});

// Elsewhere nothing tells such a process from a living one.
test.runIf(process.platform === 'linux')(
  'a process that has ended, but that its parent has not looked after, keeps no state folder',
  async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 30']);
    onTestFinished(() => void parent.kill());
    const [pid] = await once(parent.stdout, 'data');
    const state = join(folder, 'ended');
    mkdirSync(state);
    writeFileSync(join(state, 'lock'), String(pid).trim());
    await expect
      .poll(() => readFileSync(`/proc/${String(pid).trim()}/stat`, 'utf8'))
      .toMatch(/\) Z /);
    expect(() => openStateFolder(state).release()).not.toThrow();
  },
);

describe('the state folder', () => {
  const faultOf = (path: string) => faultsOf(() => openStateFolder(path).release());

  test('of a living process is a fault of how it was started, and stays with that process', () => {
    const state = join(folder, 'living');
    const lock = file('living/lock', String(process.ppid));
    expect(faultOf(state)).toEqual([
      `${state} is in use by process ${process.ppid}; stop it first, or name another --state folder`,
    ]);
    expect(readFileSync(lock, 'utf8')).toBe(String(process.ppid));
  });

  test('that cannot be one is named with the reason', () => {
    expect(faultOf('/proc/x/y')).toEqual(['--state /proc/x/y cannot be used (ENOENT)']);
    expect(faultOf(yes)).toEqual([`--state ${yes} cannot be used (EEXIST)`]);
  });

  test('with a file that was cut is named with that file', () => {
    const path = file('cut/part.json', '{"a');
    const state = openStateFolder(join(path, '..'));
    expect(faultsOf(() => state.store('part').load())).toEqual([
      `${path} is not as it was saved; put it back, or begin with an empty --state folder`,
    ]);
    expect(state.store('other').load()).toBeUndefined();
  });
});

test('a manifest that is a link is read, and one that leads nowhere keeps the others from nothing', () => {
  const path = file(
    'linked/elsewhere.txt',
    'kind: Secret\napiVersion: v1\nmetadata: { name: s }\n',
  );
  symlinkSync(path, join(path, '..', 'a.yaml'));
  symlinkSync('/no/such', join(path, '..', 'b.yaml'));
  const { objects, faults } = loadManifests(join(path, '..'));
  expect(objects.map(({ metadata }) => metadata.name)).toEqual(['s']);
  expect(faults).toEqual([
    { file: join(path, '..', 'b.yaml'), line: 1, message: 'cannot be read (ENOENT)' },
  ]);
});

test('of manifests it is told how many were tried, those that are refused among them', async () => {
  const { server, ca, close } = await startKubernetes({
    ...{ store: memoryStore(), clock: systemClock, authenticate: () => 'admin' },
  });
  onTestFinished(close);
  const manifest = (kind: string) => ({ apiVersion: 'v1', kind, metadata: { name: 'x' } });
  const counts: number[] = [];
  const objects = ['Secret', 'Pod', 'Namespace'].map(manifest);
  const { faults } = await applyManifests(objects, { server, ca, token: 't' }, (count) =>
    counts.push(count),
  );
  expect(faults.map(({ kind }) => kind)).toEqual(['Pod']);
  expect(counts).toEqual([1, 2, 3]);
});

test('a port of an earlier start that is taken now is a fault that says so', async () => {
  const state = join(folder, 'ports');
  const { port, close } = await listenOnLoopback(createHttpServer(), 0);
  onTestFinished(close);
  mkdirSync(state);
  writeFileSync(join(state, 'ports.json'), JSON.stringify({ part: port }));
  const keeper = createKeeper(state);
  onTestFinished(() => keeper.close());
  const starting = keeper.start('part', (kept) => listenOnLoopback(createHttpServer(), kept.port));
  await expect(starting).rejects.toThrow(ConfigurationFaults);
  await expect(starting).rejects.toThrow(`port ${port}, where part listened when the state`);
});

const GOOD = {
  project: 'p',
  issuers: { a: { directory: 'https://acme-v02.api.letsencrypt.org/directory' } },
  clusters: [{ name: 'one' }],
};

function faultsOf(work: () => unknown): readonly string[] {
  try {
    work();
    return [];
  } catch (error) {
    if (error instanceof ConfigurationFaults) return error.faults;
    throw error;
  }
}

/** The faults with which the system does not start. */
async function started(
  document: RawDocument,
  differs: Partial<Parameters<typeof startSystem>[0]> = {},
): Promise<readonly string[]> {
  const keeper = createKeeper(undefined);
  onTestFinished(() => keeper.close());
  const nothing = { record: undefined, acme: undefined, dnsPort: 0, port: 0, records: [] };
  const options = { ...nothing, realClusters: new Map(), zones: ['a.test'], clock: systemClock };
  const surroundings = { log: createLog(() => {}) };
  try {
    await startSystem({ ...options, surroundings, keeper, document, ...differs });
    return [];
  } catch (error) {
    if (error instanceof ConfigurationFaults) return error.faults;
    throw error;
  }
}
