import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  clusterFindings,
  queueFindings,
  scheduleFinding,
  zoneFindings,
} from '../../../cli/doctor/checks.ts';
import { clockFinding } from '../../../cli/doctor/clocks.ts';
import { configurationFinding } from '../../../cli/doctor/configuration.ts';
import { doorFinding } from '../../../cli/doctor/doors.ts';
import { known } from '../../../cli/doctor/known.ts';
import { judged, replicationFinding } from '../../../cli/doctor/location-policy.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';
import { type Config, parseConfig } from '../../../shared/config.ts';

const DOCUMENT = {
  project: 'p',
  issuers: { test: { directory: 'https://ca.test/directory' } },
  clusters: [
    { name: 'prod', gke: 'projects/q/locations/l/clusters/c', allow: [] },
    { name: 'ovh', kubeconfigSecret: 'kubeconfig-ovh', allow: [] },
  ],
  runtime: {
    reconcileUrl: 'https://l-p.cloudfunctions.net/certherd-reconcile',
    issueUrl: 'https://l-p.cloudfunctions.net/certherd-issue',
    queues: { test: 'certherd-test' },
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
  test('is noted with the reason, and is no second fault', () => {
    const all = [
      scheduleFinding(away, config, NOW),
      ...queueFindings(away, config),
      ...zoneFindings(away, away, config),
      ...clusterFindings(away, config),
    ];
    expect(all.map(({ state }) => state)).toEqual(['note', 'note', 'note', 'note']);
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

test('a cluster is looked for where it is configured', () => {
  const plan = planOf([]);
  const faults = [{ resource: 'cluster prod', message: 'is away' }, ...plan.value.faults];
  const found = clusterFindings({ value: { ...plan.value, faults } }, config);
  expect(found.map(({ repair }) => repair)).toEqual([
    'gcloud container clusters describe c --location=l --project=q',
    'gcloud secrets versions add kubeconfig-ovh --data-file=KUBECONFIG --project=p',
  ]);
});

test.for<[string, number, true | string | undefined, string, RegExp]>([
  ['is closed and has worked', 403, true, 'ok', /^it works/],
  ['is closed and was asked nothing', 401, undefined, 'ok', /^it is there/],
  ['is closed and does not work', 403, 'gives no answer', 'fault', /^gives no answer$/],
  ['is not deployed', 404, undefined, 'fault', /^it is not deployed$/],
  ['lets in everybody', 200, true, 'fault', /^it lets in everybody$/],
  ['fails', 503, undefined, 'fault', /^it answers 503$/],
])('a function that %s', ([, code, works, state, message]) => {
  const door = { name: 'sync', status: code, date: undefined, at: NOW };
  const finding = doorFinding(door, config, works);
  expect(finding).toMatchObject({ state, message: expect.stringMatching(message) });
});

test('without a clock to compare with there is nothing to say', () => {
  expect(clockFinding([]).state).toBe('note');
  const late = new Date(NOW.getTime() + 30_000);
  expect(clockFinding([{ whose: 'api', theirs: late, ours: NOW }]).state).toBe('ok');
  const later = new Date(NOW.getTime() + 30_001);
  expect(clockFinding([{ whose: 'api', theirs: later, ours: NOW }]).state).toBe('fault');
});

test('what runs is compared with the file, whatever the order of keys', () => {
  const running = JSON.parse(JSON.stringify(config)) as Record<string, unknown>;
  const { project: first, ...others } = running;
  const finding = (wanted: Config | undefined, read = running) =>
    configurationFinding({ value: read }, wanted);
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
    expect(output(outputs)).toEqual({ config, url: 'https://api.test' });
    const whole = { certherd: { value: { config: DOCUMENT, api_url: 'https://api.test' } } };
    expect(output(whole)).toEqual({ config, url: 'https://api.test' });
    expect(known({ config: file('c.json', DOCUMENT), terraformOutput: undefined })).toEqual({
      config,
      url: undefined,
    });
    expect(() => output({})).toThrow('has no output "config"');
    expect(() => output({ config: { value: {} } })).toThrow('is no configuration: project: ');
    expect(() => known({ config: 'a', terraformOutput: 'b' })).toThrow('--config or --terraform');
    expect(() => known({ config: join(folder, 'none'), terraformOutput: undefined })).toThrow(
      'cannot be read',
    );
  });
});
