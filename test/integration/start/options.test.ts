import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../local/clock.ts';
import { ConfigurationFaults, type RawDocument, readDocument } from '../../../local/document.ts';
import { createKeeper } from '../../../local/keeper.ts';
import { parseOptions } from '../../../local/options.ts';
import { startSystem } from '../../../local/system.ts';
import { createLog } from '../../../shared/log.ts';
import { ingress } from '../system/running.ts';

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
const manifests = join(file('manifests/none.yaml', ''), '..');

describe('the command line', () => {
  test.for<[string, string[], string]>([
    ['an unknown option', ['--bogus'], "error: unknown option '--bogus'"],
    ['a word too many', ['extra'], 'error: too many arguments'],
    ['--json without --once', ['--json'], 'error: --json needs --once'],
    ['--config without --zone', ['--config', yes], 'error: --config needs --zone'],
    ['--acme-ca without --acme-directory', ['--acme-ca', yes], '--acme-ca needs --acme-directory'],
    ['a file that is not there', ['--config', '/no/such'], '/no/such cannot be used (ENOENT)'],
    ['a folder in place of a file', ['--config', folder], 'cannot be used (EISDIR)'],
    ['a port that is no number', ['--port', 'x'], 'Give a port from 0 to 65535'],
    ['a port that is too high', ['--dns-port', '65536'], 'Give a port from 0 to 65535'],
    ['a zone of one label', ['--zone', 'test'], 'It needs at least two labels'],
    ['a zone with an underscore', ['--zone', '_a.test'], 'It has an underscore'],
    ['a pair without =', ['--manifests', 'prod'], 'Write NAME=PATH'],
    ['manifests that are no folder', ['--manifests', `a=${yes}`], 'cannot be used (ENOTDIR)'],
    ['a kubeconfig that is not there', ['--cluster', 'a=/no/such'], 'cannot be used (ENOENT)'],
    [
      'manifests for a real cluster',
      ['--manifests', `a=${manifests}`, '--cluster', `a=${yes}`],
      '--manifests a=… and --cluster a=… exclude each other',
    ],
    ['an ACME server without TLS', ['--acme-directory', 'http://x'], 'Give an https:// URL'],
    ['an unknown front', ['--front', 'apache'], 'Allowed choices are auto, nginx, node, none'],
    ['a state folder that is a file', ['--state', yes], 'cannot be used (EEXIST)'],
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

  test.for<[string, Partial<Parameters<typeof startSystem>[0]>, string]>([
    [
      'a kubeconfig for a cluster that it does not have',
      { realClusters: new Map([['two', yes]]) },
      '--cluster two=…: the configuration has no cluster two',
    ],
    [
      'a kubeconfig that is none',
      { realClusters: new Map([['one', yes]]) },
      `--cluster one=…: ${yes} cannot be used: current-context is missing`,
    ],
    [
      'a root of an ACME server that is none',
      { acme: { directory: 'https://127.0.0.1:1/directory', caFile: yes } },
      'issuers.a.caCertificate: give the PEM text of a certificate',
    ],
  ])('does not go with %s', async ([, differs, fault]) => {
    expect(await started(GOOD, differs)).toEqual([fault]);
  });
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

type Ended = Readonly<{ code: number | null; stdout: string; stderr: string }>;

/** `npm start -- …` as a process of its own. */
function npmStart(...argv: readonly string[]) {
  const child = spawn(process.execPath, ['local/main.ts', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const outputs = Promise.all([text(child.stdout), text(child.stderr)]);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const ended = Promise.all([closed, outputs]).then(
    ([code, [stdout, stderr]]): Ended => ({ code, stdout, stderr }),
  );
  return { child, ended };
}

const allow = [{ namespaces: ['*'], names: ['*'] }];
const config = file(
  'config.json',
  JSON.stringify({ ...GOOD, clusters: ['x', 'y'].map((name) => ({ name, allow })) }),
);

describe.concurrent('npm start', () => {
  test('--once --json ends with one document on stdout and exit code 1 when something is refused or does not parse', async ({
    expect,
  }) => {
    const aside = ingress('aside', ['aside.a.test'], 'shop-tls', { annotations: {} });
    const outside = ingress('outside', ['www.example.org'], 'outside-tls');
    file(
      'some/good.yaml',
      [ingress('shop', ['shop.a.test'], 'shop-tls'), aside]
        .map((object) => JSON.stringify(object))
        .join('\n---\n'),
    );
    file('some/outside.json', JSON.stringify(outside));
    const broken = file('some/broken.yaml', 'kind: Ingress\nmetadata:\n  name: [\n');
    const { code, stdout, stderr } = await npmStart(
      ...['--once', '--json', '--front', 'none', '--port', '0', '--zone', 'a.test'],
      ...['--config', config, '--manifests', `x=${join(folder, 'some')}`],
    ).ended;

    expect(code).toBe(1);
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => typeof JSON.parse(line).message),
    ).not.toContain('undefined');
    const target = { cluster: 'x', namespace: 'web', secret: 'shop-tls' };
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      seconds: expect.any(Number),
      certificates: [
        {
          id: expect.stringMatching(/^shop-a-test-[0-9a-f]{32}$/),
          names: ['shop.a.test'],
          issuer: 'a',
          serial: expect.stringMatching(/^[0-9a-f]+$/),
          notAfter: expect.stringMatching(/^\d{4}-.*Z$/),
          state: 'issued',
          reason: 'fresh',
          message: expect.any(String),
          targets: [{ ...target, state: 'written', reason: null }],
        },
      ],
      refused: [
        {
          ...{ cluster: 'x', kind: 'Ingress', namespace: 'web', name: 'outside' },
          reason: 'host-outside-zones',
          message: expect.stringContaining('www.example.org'),
        },
      ],
      served: ['aside.a.test', 'shop.a.test'].map((host) =>
        expect.objectContaining({ cluster: 'x', host, serial: expect.any(String), proven: false }),
      ),
      acme: { orders: 1, signedRequests: expect.any(Number), requests: expect.any(Number) },
      faults: [{ resource: `${broken}:4`, message: expect.any(String) }],
    });
  });

  test('--once without --json prints a table and ends with exit code 0 when all is well', async ({
    expect,
  }) => {
    const all = join(
      file('all/shop.json', JSON.stringify(ingress('shop', ['shop.a.test'], 'shop-tls'))),
      '..',
    );
    const { code, stdout } = await npmStart(
      ...['--once', '--front', 'none', '--port', '0', '--zone', 'a.test'],
      ...['--config', config, '--manifests', `y=${all}`],
    ).ended;
    expect(stdout).toContain('shop.a.test');
    expect(code).toBe(0);
  });

  test('a wrong configuration ends with exit code 2, each fault in a line on stderr', async ({
    expect,
  }) => {
    const wrong = file('faults.yaml', 'project: p\nissuers: {}\nclusters: []\n');
    const { code, stdout, stderr } = await npmStart('--config', wrong, '--zone', 'a.test').ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([
      'certherd: issuers: configure at least one issuer',
      'certherd: clusters: configure at least one cluster',
    ]);
  });

  test('a port that is taken ends it with a sentence', async ({ expect, onTestFinished }) => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const { code, stderr } = await npmStart('--once', '--front', 'none', '--port', String(port))
      .ended;
    expect(code).toBe(1);
    expect(stderr.trim()).toBe(
      `certherd: port ${port} is taken; end what listens there, or give another one (0 takes a free one)`,
    );
  });

  test('stays up until Ctrl-C, then ends with exit code 0 and leaves no front behind', async ({
    expect,
  }) => {
    const { child, ended } = npmStart(...['--port', '0', '--zone', 'a.test', '--config', config]);
    const said = await new Promise<string>((resolve) => {
      let all = '';
      child.stdout.on('data', (chunk) => {
        all += chunk;
        if (all.includes('Ctrl-C ends')) resolve(all);
      });
    });
    const fronts = [...said.matchAll(/serves cluster \w+ at https:\/\/127\.0\.0\.1:(\d+)/g)];
    const ports = fronts.map(([, port]) => Number(port));
    expect(await Promise.all(ports.map(isListening))).toEqual([true, true]);
    const interruptedAt = performance.now();
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
    expect(performance.now() - interruptedAt).toBeLessThan(5000);
    expect(await Promise.all(ports.map(isListening))).toEqual([false, false]);
  });
});

/** Whether something accepts connections there. */
const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
