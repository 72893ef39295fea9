import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import { ingress } from '../../integration/system/running.ts';

const folder = mkdtempSync(join(tmpdir(), 'certherd-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of this test, by its path. */
function file(name: string, content: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const GOOD = {
  project: 'p',
  issuers: { a: { directory: 'https://acme-v02.api.letsencrypt.org/directory' } },
  clusters: [{ name: 'one' }],
};

type Ended = Readonly<{ code: number | null; stdout: string; stderr: string }>;

// A proxy that leads nowhere, as a person may have one that leads away from this machine.
const { NO_PROXY: _, ...environment } = process.env;
const PROXY = 'http://127.0.0.1:9';

/** `npm start -- …` as a process of its own. */
function npmStart(...argv: readonly string[]) {
  const child = spawn(process.execPath, ['local/main.ts', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, HTTPS_PROXY: PROXY, https_proxy: PROXY, HTTP_PROXY: PROXY },
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

  test.for<[string, object]>([
    [
      'tasks',
      {
        ok: false,
        certificates: [
          {
            names: ['shop.a.test'],
            state: 'failed',
            reason: 'queue-unavailable',
            message: expect.stringMatching(
              /^cannot add a task to \S+certherd-queue-a: connect ECONNREFUSED .*; tried again at the next tick$/,
            ),
          },
        ],
      },
    ],
    [
      'secretManager',
      {
        ok: false,
        certificates: [],
        faults: [
          {
            resource: 'npm start',
            message: expect.stringMatching(/^cannot list the secrets of project p: connect ECONN/),
          },
        ],
      },
    ],
  ])(
    '--once --json says why nothing came of it where %s is dead',
    async ([service, document], { expect }) => {
      const dead = file(
        `${service}.json`,
        JSON.stringify({ ...GOOD, endpoints: { [service]: 'http://127.0.0.1:1' } }),
      );
      const shop = file(
        'shop/shop.json',
        JSON.stringify(ingress('shop', ['shop.a.test'], 'shop-tls')),
      );
      const { code, stdout } = await npmStart(
        ...['--once', '--json', '--front', 'none', '--port', '0', '--zone', 'a.test'],
        ...['--config', dead, '--manifests', `one=${join(shop, '..')}`],
      ).ended;
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject(document);
    },
  );

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

  test('manifests for a cluster that there is not end it before anything starts', async ({
    expect,
  }) => {
    const { code, stdout, stderr } = await npmStart('--once', '--manifests', `nope=${folder}`)
      .ended;
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: 'certherd: --manifests nope=…: the configuration has no cluster nope\n',
    });
  });

  test('a port that is taken ends it with a sentence', async ({ expect, onTestFinished }) => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const { code, stderr } = await npmStart('--once', '--front', 'none', '--port', String(port))
      .ended;
    expect(code).toBe(2);
    expect(stderr.trim()).toBe(
      `certherd: port ${port} is taken; end what listens there, or give another one (0 takes a free one)`,
    );
  });

  test('shows a table and stays up until Ctrl-C, then ends with exit code 0 and leaves no front behind', async ({
    expect,
  }) => {
    const shop = file(
      'all/shop.json',
      JSON.stringify(ingress('shop', ['shop.a.test'], 'shop-tls')),
    );
    const { child, ended } = npmStart(
      ...['--port', '0', '--zone', 'a.test', '--config', config],
      ...['--manifests', `y=${join(shop, '..')}`],
    );
    const said = await new Promise<string>((resolve) => {
      let all = '';
      child.stdout.on('data', (chunk) => {
        all += chunk;
        if (all.includes('Ctrl-C ends')) resolve(all);
      });
    });
    expect(said).toMatch(/shop\.a\.test +y +shop-tls +shop-a-test-\S+ +\S+ +yes/);
    expect(said).toContain('Everything asked for is served: 1 certificates (1 new), 1 orders');
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
