import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { apiFinding } from '../../../cli/doctor/api.ts';
import {
  queueFindings,
  scheduleFinding,
  storeFindings,
  zoneFindings,
} from '../../../cli/doctor/checks.ts';
import { clockFinding } from '../../../cli/doctor/clocks.ts';
import { clusterFindings, type Writing } from '../../../cli/doctor/clusters.ts';
import { configurationFinding } from '../../../cli/doctor/configuration.ts';
import { doorFinding } from '../../../cli/doctor/doors.ts';
import { unseen } from '../../../cli/doctor/finding.ts';
import { known } from '../../../cli/doctor/known.ts';
import { ledTo } from '../../../cli/doctor/led-to.ts';
import { judged, replicationFinding } from '../../../cli/doctor/location-policy.ts';
import { onThisMachine } from '../../../cli/doctor/this-machine.ts';
import { main } from '../../../cli/program.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import { type Config, parseConfig } from '../../../shared/config.ts';

const DOCUMENT = {
  project: 'p',
  issuers: { test: { directory: 'https://ca.test/directory' } },
  clusters: [
    { name: 'prod', gke: 'projects/q/locations/l/clusters/c', allow: [] },
    { name: 'ovh', kubeconfigSecret: { reader: 'kube-r', writer: 'kube-w' }, allow: [] },
  ],
  runtime: {
    reconcileUrl: 'https://l-p.cloudfunctions.net/certherd-reconcile',
    issueUrl: 'https://l-p.cloudfunctions.net/certherd-issue',
    queues: { test: 'certherd-queue-test' },
    topic: 'projects/p/topics/certherd-versions',
    schedulerJob: 'certherd-reconcile',
    audience: 'https://api.test',
    invoker: 'queue@p.iam.gserviceaccount.com',
  },
};

function configOf(differs: object = {}): Config {
  const parsed = parseConfig({ ...DOCUMENT, ...differs });
  if ('config' in parsed) return parsed.config;
  throw new Error(parsed.faults.join());
}

const config = configOf();
const NOW = new Date('2026-01-10T10:00:00Z');
const certificates = {
  ...{ total: 0, issued: 0, failed: 0, expired: 0, expiringWithin7Days: 0 },
  invalid: [],
};
const running = { state: 'ENABLED', lastRunAt: new Date('2026-01-10T09:00:00Z'), lastResult: 'ok' };
const status = (schedule: object) => ({
  value: { schedule: { ...running, ...schedule }, queues: [], certificates },
});

test.for<[string, object, string, string | undefined]>([
  ['ran fine an hour ago', {}, 'ok', undefined],
  ['never ran', { lastRunAt: undefined }, 'fault', 'npm run certherd -- run'],
  [
    'ran three hours and a second ago',
    { lastRunAt: new Date('2026-01-10T06:59:59Z') },
    'fault',
    'npm run certherd -- run',
  ],
  ['ran three hours ago', { lastRunAt: new Date('2026-01-10T07:00:00Z') }, 'ok', undefined],
  [
    'failed',
    { lastResult: 'failed with status 14' },
    'fault',
    'gcloud functions logs read certherd-reconcile --region=europe-west1 --project=p --limit=50',
  ],
  ['was not let in', { lastResult: 'failed with status 7' }, 'fault', 'terraform apply'],
  ['met nobody', { lastResult: 'failed with status 5: gone' }, 'fault', 'terraform apply'],
  [
    'is disabled',
    { state: 'DISABLED' },
    'fault',
    'gcloud scheduler jobs resume certherd-reconcile --location=europe-west1 --project=p',
  ],
])('a job that %s', ([, schedule, state, repair]) => {
  const finding = scheduleFinding(status(schedule), config, NOW);
  expect([finding.state, finding.repair]).toEqual([state, repair]);
});

describe('what cannot be asked', () => {
  const away = { problem: 'the api is away' };
  test('is unseen for that reason, and no second fault', () => {
    const all = [
      scheduleFinding(away, config, NOW),
      ...queueFindings(away, config),
      ...zoneFindings(away, away, config),
      ...clusterFindings(away, () => ({ state: 'works' }), config),
      ...storeFindings(away, away),
    ];
    expect(new Set(all.map(({ state }) => state))).toEqual(new Set(['unseen']));
    for (const { message } of all) expect(message).toContain('the api is away');
  });
});

const zone = (dnsName: string, problems: readonly string[] = []) => ({
  ...{ project: 'p', zone: dnsName.replaceAll('.', '-') },
  ...{ dnsName, problems },
});
const planOf = (names: readonly string[]) => ({
  value: {
    certificates: [
      {
        id: 'x',
        names: [...names],
        issuer: 'i',
        action: 'keep',
        reason: 'r',
        message: 'm',
        targets: [],
      },
    ],
    refused: [],
    faults: [{ resource: 'cluster ovh', message: 'refuses us' }],
  },
});

test.for<[string, readonly ReturnType<typeof zone>[], readonly string[], readonly string[]]>([
  ['that is good', [zone('a.test')], [], ['ok']],
  [
    'that nobody needs beside a good one',
    [zone('a.test'), zone('b.test', ['x'])],
    [],
    ['ok', 'note'],
  ],
  ['that a name lies in', [zone('a.test'), zone('b.test', ['x'])], ['www.b.test'], ['ok', 'fault']],
  ['that is a name', [zone('a.test'), zone('b.test', ['x'])], ['b.test'], ['ok', 'fault']],
  [
    'whose name only ends alike',
    [zone('a.test'), zone('b.test', ['x'])],
    ['ab.test'],
    ['ok', 'note'],
  ],
  ['that is the only one', [zone('b.test', ['x'])], [], ['fault']],
  ['that is not there', [], [], ['fault']],
])('a zone %s', ([, zones, names, states]) => {
  const found = zoneFindings({ value: { now: NOW, zones, faults: [] } }, planOf(names), config);
  expect(found.map(({ state }) => state)).toEqual(states);
});

test('a zone that is needed gets what mends it, by what is said of it', () => {
  const remedy = (...problems: string[]) => {
    const zones = [zone('a.test', problems)];
    const [found] = zoneFindings({ value: { now: NOW, zones, faults: [] } }, planOf([]), config);
    return found?.repair ?? found?.advice;
  };
  expect(remedy('zone a.test is delegated to ns.elsewhere.test, not to ns1.test')).toBe(
    "gcloud dns managed-zones describe a-test --project=p --format='value(nameServers)'",
  );
  expect(remedy('cannot write: permission denied; grant x')).toMatch(
    /^name p\/a-test under zones, then/,
  );
  expect(remedy('cannot look up NS a.test: ETIMEOUT; check the resolver')).toMatch(/dns\.resolver/);
  expect(remedy('cannot reach zone a-test of project p in Cloud DNS: no answer in time')).toBe(
    'run doctor again in a minute',
  );
});

const LATER = { repair: undefined, advice: 'run doctor again in a minute' };
const BY_APPLYING = { repair: 'terraform apply', advice: undefined };
test.for<[string, { repair: string | undefined; advice: string | undefined }]>([
  ['gives no answer in time; look again in a minute', LATER],
  ['cannot read jobs/j: too many requests; wait, or raise the quota', LATER],
  ['cannot read jobs/j: permission denied; grant cloudscheduler.jobs.get', BY_APPLYING],
  ['cannot read jobs/j: it does not exist', BY_APPLYING],
])('%s: what mends it, whoever says so', ([error, remedy]) => {
  const broken = { value: { schedule: { error }, queues: { error }, certificates: { error } } };
  const faults = [{ resource: 'zones of project p', message: error }];
  const plan = { value: { ...planOf([]).value, faults } };
  const found = [
    scheduleFinding(broken, config, NOW),
    ...queueFindings(broken, config),
    ...storeFindings(broken, plan),
  ];
  expect(found.map(({ check }) => check)).toEqual([
    'schedule',
    'queues',
    'store',
    'reconcile, zones of project p',
  ]);
  for (const { state, repair, advice } of found)
    expect({ state, repair, advice }).toEqual({ state: 'fault', ...remedy });
});

const readBy = (message: string) => {
  const faults = [
    { resource: 'cluster prod', message },
    { resource: 'cluster ovh', message },
  ];
  const plan = { value: { ...planOf([]).value, faults } };
  return clusterFindings(plan, () => ({ state: 'works' }), config).map(
    ({ repair, advice }) => repair ?? advice,
  );
};

test('a cluster that reconcile does not read is looked for where it is configured', () => {
  expect(readBy('is away')).toEqual([
    'gcloud container clusters describe c --location=l --project=q',
    'gcloud secrets versions add kube-r --data-file=KUBECONFIG --project=p',
  ]);
  const admitted = expect.stringMatching(/modules\/cluster-access .* its reader is reconcile/);
  expect(readBy('cluster c does not let us list ingresses')).toEqual([admitted, admitted]);
  expect(readBy('the Container API refuses us; grant container.clusters.get')).toEqual([
    'terraform apply',
    'terraform apply',
  ]);
});

const readable = { value: { ...planOf([]).value, faults: [] } };
const KUBECONFIG = 'gcloud secrets versions add kube-w --data-file=KUBECONFIG --project=p';
const ADMITTED = expect.stringMatching(/cluster-access to cluster prod; its writer is sync of/);

test.for<[Writing, string, string, unknown]>([
  [{ state: 'works' }, 'ok', 'and sync can deliver to it', [undefined, undefined]],
  [
    { state: 'untried' },
    'note',
    'there is no certificate for it yet',
    ['prod', 'ovh'].map((name) => expect.stringContaining(`--target ${name}/NAMESPACE/SECRET`)),
  ],
  [{ state: 'fails', message: 'm' }, 'fault', 'does not get there: m', [ADMITTED, KUBECONFIG]],
  [{ state: 'lost', message: 'm' }, 'unseen', ': m; if', [ADMITTED, KUBECONFIG]],
  [{ state: 'unseen', message: 'm' }, 'unseen', ': m', [undefined, undefined]],
  [
    { state: 'refused', message: 'Secret a/b/c cluster a does not let us patch secrets' },
    'fault',
    'does not let us',
    [ADMITTED, expect.stringMatching(/cluster-access to cluster ovh; its writer/)],
  ],
  [
    { state: 'refused', message: 'Secret a/b/c exists and belongs to a person' },
    'fault',
    'belongs to a person',
    [expect.stringMatching(/see to that Secret/), expect.stringMatching(/see to that Secret/)],
  ],
])('a cluster whose writer is seen so: %j', ([writing, state, says, remedies]) => {
  const found = clusterFindings(readable, () => writing, config);
  expect(found.map((each) => each.state)).toEqual([state, state]);
  for (const { message } of found) expect(message).toContain(says);
  expect(found.map(({ repair, advice }) => repair ?? advice)).toEqual(remedies);
  if (['fails', 'lost', 'untried'].includes(writing.state))
    expect(found[1]?.message).toContain("sync's kubeconfig in secret kube-w");
});

test.for<[string, string, string | undefined, string | RegExp]>([
  ['http://127.0.0.1:8080', 'nothing answers at x', undefined, 'npm start'],
  ['https://127.0.0.1:8443', 'nothing answers at x', 'print', 'terraform output api_url'],
  ['https://a.test', 'the token command ends with exit code 1', 'false', 'false'],
  ['https://a.test', 'the token command gives something that is no ID token', 'echo x', 'echo x'],
  ['https://a.test', 'Nobody is known by this token: x', 'print', /made out to https:\/\/a\.test/],
  ['https://a.test', 'https://a.test answers 404 and no JSON', 'print', 'terraform output api_url'],
  [
    'https://a.test',
    'Something went wrong here: the log has it',
    'print',
    'gcloud run services logs read certherd-api --region=europe-west1 --project=p --limit=50',
  ],
])('an api at %s, of which is said "%s"', ([url, problem, tokenCommand, remedy]) => {
  const { state, repair, advice } = apiFinding({ url, tokenCommand, config }, { problem });
  expect(state).toBe('fault');
  if (typeof remedy === 'string') expect(repair).toBe(remedy);
  else expect(advice).toMatch(remedy);
});

test.for<[string, string, unknown]>([
  ['schedule', 'gcloud scheduler jobs resume j', /^stop npm start and start it again, without/],
  ['zone a.test', 'terraform apply', /--zone DOMAIN/],
  ['cluster one', 'gcloud secrets versions add k', /--cluster NAME=READER,WRITER/],
])('on one machine there is no gcloud for %s', ([check, repair, says]) => {
  const found = onThisMachine({ check, state: 'fault', message: 'm', repair });
  expect(found).toEqual({
    check,
    state: 'fault',
    message: 'm',
    advice: expect.stringMatching(says as RegExp),
  });
});

test('what can be done on one machine stays', () => {
  for (const repair of ['npm run certherd -- run', 'sudo timedatectl set-ntp true', undefined]) {
    const found = { check: 'schedule', state: 'fault', message: 'm', repair } as const;
    expect(onThisMachine(found)).toEqual(found);
  }
});

const OURS = 'npm run certherd --';
const TOKEN = "gcloud auth print-identity-token --audiences='a b'";
test.for<[string, string, string | undefined, string]>([
  ['the default address', 'http://127.0.0.1:8080', undefined, `${OURS} run`],
  ['another', 'http://127.0.0.1:9', undefined, `${OURS} --url http://127.0.0.1:9 run`],
  [
    'a deployment',
    'https://a.test',
    TOKEN,
    `${OURS} --url https://a.test --token-command 'gcloud auth print-identity-token --audiences='\\''a b'\\''' run`,
  ],
  ['a tunnel', 'http://127.0.0.1:8080', 'print', `${OURS} --token-command print run`],
  [
    'an odd path',
    'https://a.test/x;y',
    'print',
    `${OURS} --url 'https://a.test/x;y' --token-command print run`,
  ],
])('our own command goes where doctor went: %s', ([, url, tokenCommand, command]) => {
  const found = { check: 'schedule', state: 'fault', message: 'm' } as const;
  const door = { url, tokenCommand };
  const { repair } = ledTo(door, { ...found, repair: `${OURS} run` });
  expect(repair).toBe(command);
  const words = execFileSync('sh', ['-c', repair?.replace('npm', 'printf "%s\\n"') ?? '']);
  if (tokenCommand) expect(words.toString().split('\n')).toContain(tokenCommand);
  for (const repair of ['terraform apply', undefined])
    expect(ledTo(door, { ...found, repair })).toEqual({ ...found, repair });
});

test('a role that is missing hides the rest, and says who has one', () => {
  expect(unseen('zones', 'Your role does not allow this: only operators may')).toMatchObject({
    state: 'unseen',
    advice: 'have an operator or an admin run doctor',
  });
});

test.for<[string, number, true | string | undefined, string, RegExp]>([
  ['is closed and has worked', 403, true, 'ok', /^it works/],
  ['is closed and was asked nothing', 401, undefined, 'ok', /^it is there/],
  ['is closed and does not work', 403, 'gives no answer', 'fault', /^gives no answer$/],
  ['is not deployed', 404, undefined, 'fault', /^it is not deployed$/],
  ['lets in everybody', 200, true, 'fault', /^it lets in everybody$/],
  ['leads elsewhere', 302, true, 'fault', /^it answers 302 and leads elsewhere/],
  ['fails', 503, undefined, 'fault', /^it answers 503$/],
])('a function that %s', ([, code, works, state, message]) => {
  const door = { name: 'sync', status: code, date: undefined, at: NOW };
  const finding = doorFinding(door, config, works);
  expect(finding).toMatchObject({ state, message: expect.stringMatching(message) });
});

test('without a clock to compare with there is nothing to say', () => {
  expect(clockFinding([]).state).toBe('unseen');
  const late = new Date(NOW.getTime() + 30_000);
  expect(clockFinding([{ whose: 'api', theirs: late, ours: NOW }]).state).toBe('ok');
  const later = new Date(NOW.getTime() + 30_001);
  expect(clockFinding([{ whose: 'api', theirs: later, ours: NOW }]).state).toBe('fault');
});

test('what runs is compared with the file, whatever the order of keys', () => {
  const running = JSON.parse(JSON.stringify(config)) as Record<string, unknown>;
  const { project: first, ...others } = running;
  const finding = (wanted: Config | undefined, read = running) =>
    configurationFinding({ value: read }, wanted && { config: wanted, isWhole: true });
  expect(finding(undefined).state).toBe('ok');
  expect(finding(config, { ...others, project: first }).state).toBe('ok');
  expect(finding(configOf({ keepVersions: 5 }))).toMatchObject({
    state: 'fault',
    message: 'what runs differs from the file in keepVersions',
  });
  expect(finding(config, { ...running, future: 1 }).message).toMatch(/another version of Certherd/);
});

type Rule = Parameters<typeof judged>[0];
const values = (allowedValues: string[], deniedValues: string[] = []) => ({
  condition: undefined,
  values: { allowedValues, deniedValues },
});

test.for<[string, Rule, string]>([
  ['without rules', { spec: { rules: [] } }, 'ok'],
  ['without a spec', {}, 'ok'],
  ['that allows all', { spec: { rules: [{ condition: undefined, allowAll: true }] } }, 'ok'],
  ['that allows global too', { spec: { rules: [values(['in:eu-locations', 'global'])] } }, 'ok'],
  ['that allows Europe alone', { spec: { rules: [values(['in:eu-locations'])] } }, 'fault'],
  ['that denies global', { spec: { rules: [values([], ['global'])] } }, 'fault'],
  ['that denies all', { spec: { rules: [{ condition: undefined, denyAll: true }] } }, 'fault'],
  ['with a condition', { spec: { rules: [{ ...values(['global']), condition: {} }] } }, 'note'],
])('a location policy %s', ([, policy, state]) => {
  expect(judged(policy, config).state).toBe(state);
});

test('a location policy is for a person to compare with the places that secrets are kept in', () => {
  const replicas = [{ location: 'europe-west4' }];
  const { state, message } = judged(
    { spec: { rules: [values([], ['global'])] } },
    { ...config, replicas },
  );
  expect([state, message]).toEqual(['note', expect.stringContaining('allows europe-west4')]);
});

test.for<[string, number, unknown, string, RegExp]>([
  ['allows it', 200, { name: 'n', spec: { rules: [{ allowAll: true }] } }, 'ok', /replicate/],
  ['is not for this person', 403, {}, 'note', /HTTP 403.*orgpolicy\.policy\.get/],
  ['is none', 200, [], 'note', /it is no policy/],
])('the policy is read with a token of the person, and %s', async ([, code, body, state, says]) => {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    asked.push([request.url, request.headers.authorization]);
    response.writeHead(code).end(JSON.stringify(body));
  });
  const { url, close } = await listenOnLoopback(server, 0);
  onTestFinished(close);
  const finding = await replicationFinding(config, { url, accessTokenCommand: 'echo token' });
  expect(finding).toMatchObject({ state, message: expect.stringMatching(says) });
  expect(asked).toEqual([
    ['/v2/projects/p/policies/gcp.resourceLocations:getEffectivePolicy', 'Bearer token'],
  ]);
});

test('without a token the policy is not read', async () => {
  const access = { url: 'http://127.0.0.1:9', accessTokenCommand: 'exit 3' };
  expect(await replicationFinding(config, access)).toMatchObject({
    state: 'note',
    message: expect.stringContaining('ends with exit code 3'),
  });
});

describe('what a person knows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  const file = (name: string, content: unknown) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const output = (content: unknown) =>
    known({ config: undefined, terraformOutput: file('out.json', content) });
  test('is in the outputs of the module, or of a root that hands it on', () => {
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const outputs = { config: { value: DOCUMENT }, api_url: { value: 'https://api.test' } };
    expect(output(outputs)).toEqual({ config, isWhole: true, url: 'https://api.test' });
    const whole = { certherd: { value: { config: DOCUMENT, api_url: 'https://api.test' } } };
    expect(output(whole)).toEqual({ config, isWhole: true, url: 'https://api.test' });
    expect(known({ config: file('c.json', DOCUMENT), terraformOutput: undefined })).toEqual({
      config,
      isWhole: true,
      url: undefined,
    });
    expect(() => output({})).toThrow('has no output "config"');
    expect(() => output({ config: { value: {} } })).toThrow('is no configuration: project: ');
    expect(() => known({ config: 'a', terraformOutput: 'b' })).toThrow('--config or --terraform');
    expect(() => known({ config: join(folder, 'none'), terraformOutput: undefined })).toThrow(
      'cannot be read',
    );
  });
  test.for<[string, string]>([
    ['of a Terraform that failed', ''],
    ['without -json', 'api_url = "https://api.test"\nconfig = <sensitive>\n'],
    ['of one output alone', '"https://api.test"'],
    ['that is a list', '[]'],
    ['of nothing', 'null'],
  ])('is not in the output %s', ([, content]) => {
    const own = mkdtempSync(join(tmpdir(), 'doctor-'));
    onTestFinished(() => rmSync(own, { recursive: true }));
    const terraformOutput = join(own, 'out.json');
    writeFileSync(terraformOutput, content);
    expect(() => known({ config: undefined, terraformOutput })).toThrow(
      `${terraformOutput} is not what terraform output -json prints`,
    );
  });
  test('may lack what the deployment fills in, which then is compared with nothing', () => {
    const { runtime: _, ...document } = { ...DOCUMENT, keepVersions: 5 };
    const more = { ...DOCUMENT.issuers, more: { directory: 'https://more.test/directory' } };
    const wanted = (differs: object = {}) => {
      const own = mkdtempSync(join(tmpdir(), 'doctor-'));
      onTestFinished(() => rmSync(own, { recursive: true }));
      const path = join(own, 'c.json');
      writeFileSync(path, JSON.stringify({ ...document, ...differs }));
      const { config: found, ...rest } = known({ config: path, terraformOutput: undefined });
      expect(rest).toEqual({ isWhole: false, url: undefined });
      return found && { config: found, isWhole: false };
    };
    const read = (differs: object) => ({
      value: JSON.parse(JSON.stringify(configOf(differs))) as Record<string, unknown>,
    });
    expect(configurationFinding(read({ keepVersions: 5 }), wanted()).state).toBe('ok');
    expect(configurationFinding(read({}), wanted()).message).toMatch(/in keepVersions$/);
    const grown = wanted({ issuers: more, defaultIssuer: 'test' });
    expect(configurationFinding(read({ keepVersions: 5 }), grown).message).toMatch(/in issuers$/);
    const endpoints = { secretManager: 'http://127.0.0.1:1' };
    const local = read({
      endpoints,
      issuers: more,
      defaultIssuer: 'test',
      keepVersions: 5,
      runtime: { ...DOCUMENT.runtime, queues: { test: 'q', more: 'q' } },
    });
    expect(configurationFinding(local, wanted({ defaultIssuer: 'test' })).state).toBe('ok');
  });
});

/** Runs doctor with these outputs of Terraform, as lines of stdout and stderr. */
async function examinedBy(outputs: object, args: readonly string[], more: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'out.json');
  writeFileSync(file, JSON.stringify(outputs));
  const [out, err]: [string[], string[]] = [[], []];
  const code = await main([...args, 'doctor', '--terraform-output', file, ...more], {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    colors: false,
  });
  return { code, out, err, file };
}

test('outputs that do not say where the api is examine nothing', async () => {
  const { code, out, err, file } = await examinedBy({ config: { value: DOCUMENT } }, []);
  expect([code, out]).toEqual([2, []]);
  expect(err).toEqual([`${file} has no output api_url; hand it on, or give --url`]);
});

test('an api whose answers break off hides no function', async () => {
  const server = createServer(({ url: path = '' }, response) => {
    if (path.endsWith('/health')) response.writeHead(403).end('<h1>No</h1>');
    else response.writeHead(200, { 'content-length': 9 }).write('{', () => response.destroy());
  });
  const { url, close } = await listenOnLoopback(server, 0);
  onTestFinished(close);
  const runtime = { ...DOCUMENT.runtime, reconcileUrl: `${url}/r`, issueUrl: `${url}/i` };
  const outputs = { config: { value: { ...DOCUMENT, runtime } }, api_url: { value: url } };
  const token = ['--token-command', 'echo x.y.z'];
  const policy = ['--access-token-command', 'false'];
  const { code, out, err } = await examinedBy(outputs, token, policy);
  expect([code, err]).toEqual([1, []]);
  const states = out.filter((line) => !line.startsWith(' ')).map((line) => line.split(':')[0]);
  expect(states).toEqual([
    'fault  api',
    'unseen configuration',
    ...['reconcile', 'issue', 'sync'].map((name) => `ok     function ${name}`),
    ...['schedule', 'queues', 'store', 'topic', 'zones', 'cluster prod', 'cluster ovh'].map(
      (check) => `unseen ${check}`,
    ),
    'ok     clocks',
    'note   replication',
  ]);
  expect(out[0]).toBe(`fault  api: the answer of ${url} breaks off; try again`);
});

test('where nothing answers at all, that is said once, and the network comes first', async () => {
  const gone = await listenOnLoopback(createServer(), 0);
  await gone.close();
  const { url } = gone;
  const runtime = { ...DOCUMENT.runtime, reconcileUrl: `${url}/r`, issueUrl: `${url}/i` };
  const config = { value: { ...DOCUMENT, runtime } };
  const token = ['--token-command', 'exit 1'];
  const { code, out } = await examinedBy({ config, api_url: { value: url } }, token);
  expect([code, out]).toEqual([
    1,
    [
      `fault  api: nothing answers, neither ${url} nor any function`,
      expect.stringMatching(/^ {9}do: look at this machine's network first: /),
      'unseen configuration: not checked: the token command ends with exit code 1',
      'unseen all else: not checked: it takes an answer',
    ],
  ]);
});
