import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { type Client, createClient } from '../../../cli/client.ts';
import { doctor } from '../../../cli/commands/doctor.ts';
import type { Finding } from '../../../cli/doctor/finding.ts';
import { main } from '../../../cli/program.ts';
import { GoogleFault, LegacyGoogleFault } from '../../../local/google-api.ts';
import { on, refusing, weather } from '../../integration/system/faults.ts';
import { delivered, google, secretManager } from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

const forbidden = () => new LegacyGoogleFault(403, 'forbidden', 'Forbidden');
const JOB = '/v1/projects/p/locations/europe-west1/jobs/certherd';
const CHANGES = '/dns/v1/projects/p/managedZones/a-test/changes';
const QUEUE = '/v2/projects/p/locations/europe-west1/queues/certherd-queue-test';

/** As a project answers: where the stand-ins are is left out of the configuration. */
function asInProject({ get, post }: Client): Client {
  return {
    post,
    async get(path) {
      const { status, document } = await get(path);
      if (path !== '/v1/configuration') return { status, document };
      const { endpoints: _, ...configuration } = document as Record<string, unknown>;
      return { status, document: configuration };
    },
  };
}

/** What doctor finds, with its pauses shortened; `aheadMs` is by how much the clock at the workstation is wrong. */
async function examined({ system }: Running, { aheadMs = 0, isLocal = false } = {}) {
  const { url } = system.door;
  const client = createClient({ url, tokenCommand: undefined });
  const { exitCode, document } = await doctor(
    {
      ...{ url, tokenCommand: undefined, wanted: undefined },
      policy: { url: 'http://127.0.0.1:9', accessTokenCommand: 'false' },
    },
    {
      client: isLocal ? client : asInProject(client),
      sleep: () => new Promise((resolve) => setTimeout(resolve, 10)),
      now: () => new Date(Date.now() + aheadMs),
    },
  );
  const { ok, findings } = document as { ok: boolean; findings: readonly Finding[] };
  expect(ok).toBe(exitCode === 0);
  return { code: exitCode, findings, faults: findings.filter(({ state }) => state === 'fault') };
}

test('a good deployment is ok in every line, and nothing is left behind', async () => {
  const one = await delivered();
  const before = await google(one, 'secretManager', ['GET', '/v1/projects/p/secrets']);
  const changes = await google(one, 'dns', ['GET', CHANGES]);
  const out: string[] = [];
  const screen = { out: (text: string) => void out.push(text), err: () => {}, colors: false };
  expect(await main(['--url', one.system.door.url, 'doctor'], screen)).toBe(0);
  expect(out.map((line) => line.replace(/(last run, at) \S+/, '$1 …'))).toEqual([
    `ok     api: ${one.system.door.url} answers, and knows you`,
    'ok     configuration: the api has one that this version understands',
    'ok     function reconcile: it works, and is closed to strangers',
    'ok     function issue: it works, and is closed to strangers',
    'ok     function sync: it works, and is closed to strangers',
    'ok     schedule: the job is enabled, and the last run, at … was fine',
    'ok     queue of test: it runs',
    'ok     store: the api can read the records, 1 of certificates',
    `ok     topic: a message came through to sync, which delivered ${one.id} again`,
    'ok     zone a.test: it is public, delegated to Cloud DNS, and writable',
    'ok     cluster one: its Ingresses can be read, and sync can deliver to it',
    'ok     clocks: 5 agree with ours within 30 s',
    'note   replication: not checked: this Secret Manager stands in for the real one and knows no organisation',
  ]);
  const after = await google(one, 'secretManager', ['GET', '/v1/projects/p/secrets']);
  expect(withoutMoments(after)).toEqual(withoutMoments(before));
  expect(await google(one, 'dns', ['GET', CHANGES])).toEqual(changes);
});

/** Names and annotations, but for the moment of the last delivery. */
const withoutMoments = ({ secrets }: Readonly<Record<string, unknown>>) =>
  (secrets as { name: string; annotations?: Record<string, string> }[]).map(
    ({ name, annotations: { delivered = '', ...others } = {} }) => ({
      ...{ name, others },
      delivered: delivered.replace(/"at":"[^"]+"/, ''),
    }),
  );

const DELIVERED = { manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] } };

test.for<[string, (one: Running) => Promise<unknown>, readonly Partial<Finding>[]]>([
  [
    'a paused job and a paused queue',
    async (one) => {
      await google(one, 'scheduler', ['POST', `${JOB}:pause`], {});
      await google(one, 'tasks', ['POST', `${QUEUE}:pause`], {});
    },
    [
      {
        check: 'schedule',
        message: 'the job is PAUSED, so nothing is looked at',
        repair: 'gcloud scheduler jobs resume certherd --location=europe-west1 --project=p',
      },
      {
        check: 'queue of test',
        message: 'it is PAUSED, so nothing is issued',
        repair:
          'gcloud tasks queues resume certherd-queue-test --location=europe-west1 --project=p',
      },
    ],
  ],
  [
    'a job, a queue and a topic that are gone',
    async (one) => {
      await google(one, 'scheduler', ['DELETE', JOB]);
      await google(one, 'tasks', ['DELETE', QUEUE]);
      await google(one, 'pubsub', ['DELETE', '/v1/projects/p/topics/certherd-versions']);
    },
    [
      {
        check: 'schedule',
        message: 'cannot read projects/p/locations/europe-west1/jobs/certherd: it does not exist',
        repair: 'terraform apply',
      },
      {
        check: 'queue of test',
        message:
          'cannot read projects/p/locations/europe-west1/queues/certherd-queue-test: it does not exist',
        repair: 'terraform apply',
      },
      {
        check: 'topic',
        message: expect.stringContaining(
          'cannot publish to projects/p/topics/certherd-versions: there is no such topic',
        ),
        repair: 'terraform apply',
      },
    ],
  ],
  [
    'a subscription that is gone',
    (one) => google(one, 'pubsub', ['DELETE', '/v1/projects/p/subscriptions/certherd-sync']),
    [
      {
        check: 'topic',
        message: expect.stringMatching(
          /^a message was published, and sync has not delivered shop-a-test-\w+ within 30 s: the subscription certherd-sync is gone/,
        ),
        repair:
          'terraform apply && gcloud functions logs read certherd-sync --region=europe-west1 --project=p --limit=50',
      },
    ],
  ],
])('%s: each is named, with its command', async ([, happen, expected]) => {
  const one = await running(DELIVERED);
  await one.tick();
  await happen(one);
  const { code, faults } = await examined(one);
  expect(faults).toEqual(expected.map((each) => expect.objectContaining(each)));
  expect(code).toBe(1);
});

test('a zone that the world does not ask is named, with the servers that it should', async () => {
  const one = await running({ zones: [] });
  one.system.services.dns.addZone({ project: 'p', dnsName: 'b.test', delegated: false });
  const { faults } = await examined(one);
  expect(faults).toEqual([
    expect.objectContaining({
      check: 'schedule',
      repair: `npm run certherd -- --url ${one.system.door.url} run`,
    }),
    {
      check: 'zone b.test',
      state: 'fault',
      message: expect.stringMatching(
        /^zone b\.test is delegated to no server at all, not to .+; set its NS records at the parent zone$/,
      ),
      repair: "gcloud dns managed-zones describe b-test --project=p --format='value(nameServers)'",
    },
  ]);
});

test('a zone that nobody needs is only noted, and one that cannot be written says what to grant', async () => {
  const refused = on(/^POST .*\/b-test\/changes/, refusing(forbidden));
  const sky = weather();
  sky.set('cloud-dns', refused);
  const one = await running({ ...DELIVERED, zones: ['a.test', 'b.test'], trouble: sky.trouble });
  await one.tick();
  const found = (await examined(one)).findings.find(({ check }) => check === 'zone b.test');
  expect(found).toMatchObject({
    state: 'note',
    message: expect.stringMatching(/permission denied/),
  });
  sky.set('cloud-dns', on(/^POST .*\/a-test\/changes/, refusing(forbidden)));
  const { faults } = await examined(one);
  expect(faults).toEqual([
    expect.objectContaining({
      check: 'zone a.test',
      advice: 'name p/a-test under zones, then apply the deployment',
    }),
  ]);
});

test('no zone at all is a fault', async () => {
  const { faults } = await examined(await running({ zones: [] }));
  expect(faults.find(({ check }) => check === 'zones of project p')).toMatchObject({
    message: 'there is no public zone in it',
  });
});

test('a cluster that is away is named, and how to look for it', async () => {
  let isAway = false;
  const kubernetes = () => {
    if (isAway) throw new Error('away');
  };
  const one = await running({ ...DELIVERED, trouble: { kubernetes } });
  await one.tick();
  isAway = true;
  const { faults } = await examined(one);
  expect(faults.map(({ check }) => check)).toEqual(['topic', 'cluster one']);
  expect(faults[1]?.repair).toMatch(/^gcloud (container clusters describe|secrets versions add) /);
});

test('a clock that is wrong here differs from all others, one that is wrong there is named alone', async () => {
  const one = await delivered();
  const clocks = (message: RegExp, remedy: object) => [
    expect.objectContaining({
      ...{ check: 'clocks', message: expect.stringMatching(message) },
      ...remedy,
    }),
  ];
  const here = await examined(one, { aheadMs: 120_000 });
  expect(here.faults).toEqual(
    clocks(/that of api is 1(19|20|21) s behind ours/, { repair: 'sudo timedatectl set-ntp true' }),
  );
  one.clock.advance(600_000);
  const there = await examined(one);
  expect(there.faults).toEqual(
    clocks(/^that of issue is (599|600|601) s ahead of ours; ours agrees with the others$/, {
      advice: expect.stringContaining('status page'),
    }),
  );
});

test('an api that is down leaves nothing to ask, and says so', async () => {
  const one = await running({});
  await one.system.door.close();
  const { code, findings } = await examined(one);
  expect(code).toBe(1);
  expect(findings.map(({ check, state, repair }) => [check, state, repair])).toEqual([
    ['api', 'fault', 'npm start'],
    ['configuration', 'unseen', undefined],
    ['all else', 'unseen', undefined],
  ]);
});

const EVERYTHING = [{ namespaces: ['*'], names: ['*'] }];
const SECOND = {
  name: 'two',
  kubeconfigSecret: { reader: 'kube-r', writer: 'kube-w' },
  allow: EVERYTHING,
};
const INTO_WRITER = 'gcloud secrets versions add kube-w --data-file=KUBECONFIG --project=p';
const withoutWriter = (one: Running) =>
  secretManager(one, 'POST', '/kube-w/versions/1:disable', {});

test('a cluster whose writer fails is named with the secret of that, while the others are fine', async () => {
  const one = await running({
    document: { clusters: [{ name: 'one', allow: EVERYTHING }, SECOND] },
    manifests: {
      one: [ingress('a', ['a.a.test'], 'a-tls')],
      two: [ingress('b', ['b.a.test'], 'b-tls')],
    },
  });
  await one.tick();
  expect((await examined(one)).faults).toEqual([]);
  await withoutWriter(one);
  forgetClusters(one);
  const { code, findings, faults } = await examined(one);
  expect(code).toBe(1);
  expect(findings.filter(({ check }) => /^(topic|cluster one)$/.test(check))).toEqual([
    expect.objectContaining({ check: 'topic', state: 'ok' }),
    expect.objectContaining({ check: 'cluster one', state: 'ok' }),
  ]);
  expect(faults.filter(({ check }) => check !== 'clocks')).toEqual([
    {
      check: 'cluster two',
      state: 'fault',
      message: expect.stringMatching(
        /^its Ingresses can be read, but sync's kubeconfig in secret kube-w does not get there: b-a-test-\w+ was not delivered within 30 s, while others were$/,
      ),
      repair: INTO_WRITER,
    },
  ]);
});

test('the writer of the only cluster is as suspect as the topic, and its line has the command too', async () => {
  const one = await running({
    document: { clusters: [SECOND] },
    manifests: { two: [ingress('b', ['b.a.test'], 'b-tls')] },
  });
  await one.tick();
  await withoutWriter(one);
  forgetClusters(one);
  const { findings } = await examined(one);
  expect(findings.find(({ check }) => check === 'topic')?.state).toBe('fault');
  expect(findings.find(({ check }) => check === 'cluster two')).toMatchObject({
    state: 'unseen',
    message: expect.stringContaining("sync's kubeconfig in secret kube-w"),
    repair: INTO_WRITER,
  });
});

test('a cluster without a certificate says so, and is no fault', async () => {
  const one = await running({
    document: { clusters: [{ name: 'one', allow: EVERYTHING }, SECOND] },
    ...DELIVERED,
  });
  await one.tick();
  const { code, findings } = await examined(one);
  expect(code).toBe(0);
  expect(findings.find(({ check }) => check === 'cluster two')).toMatchObject({
    state: 'note',
    message: expect.stringContaining('there is no certificate for it yet'),
    repair: `npm run certherd -- --url ${one.system.door.url} issue NAME --target two/NAMESPACE/SECRET --wait`,
  });
});

// The functions look up a cluster again after five minutes.
const forgetClusters = ({ clock }: Running) => clock.advance(6 * 60_000);

test('an api that cannot read the records is a fault of the store', async () => {
  const sky = weather();
  const one = await running({ ...DELIVERED, trouble: sky.trouble });
  await one.tick();
  const { accessToken } = one.system.services.metadata;
  const ours = `Bearer ${accessToken('certherd-api@p.iam.gserviceaccount.com')}`;
  sky.set('secret-manager', (request) => {
    if (request.headers.authorization === ours) throw new GoogleFault('PERMISSION_DENIED', 'who?');
  });
  const { code, faults } = await examined(one);
  expect(code).toBe(1);
  expect(faults).toEqual([
    {
      check: 'store',
      state: 'fault',
      message: expect.stringContaining('grant secretmanager.secrets.list on project p'),
      repair: 'terraform apply',
    },
  ]);
});

test('a viewer sees little, is told who sees more, and does not get 0', async () => {
  const document = { access: { viewers: ['user:v@x.test'] } };
  const one = await running({ ...DELIVERED, document });
  const token = await one.system.services.metadata.identityToken('v@x.test', 'certherd-api');
  const out: string[] = [];
  const screen = { out: (text: string) => void out.push(text), err: () => {}, colors: false };
  const args = ['--url', one.system.door.url, '--token-command', `echo ${token}`, 'doctor'];
  expect(await main(args, screen)).toBe(1);
  expect(out.map((line) => line.split(':')[0])).toEqual([
    'ok     api',
    'unseen configuration',
    '         do',
    'unseen all else',
  ]);
});

test('on one machine no line speaks of gcloud or Terraform', async () => {
  const one = await running(DELIVERED);
  await one.tick();
  await google(one, 'scheduler', ['POST', `${JOB}:pause`], {});
  await google(one, 'pubsub', ['DELETE', '/v1/projects/p/subscriptions/certherd-sync']);
  const { faults, findings } = await examined(one, { isLocal: true });
  expect(faults.map(({ check, advice }) => [check, advice])).toEqual(
    ['schedule', 'topic'].map((check) => [
      check,
      expect.stringMatching(/^stop npm start and start it again, /),
    ]),
  );
  for (const { repair = '', advice = '' } of findings)
    expect(repair + advice).not.toMatch(/gcloud|terraform/);
});

test('a token command that takes its time is named once, on stderr', async () => {
  const main = join(import.meta.dirname, '../../../cli/main.ts');
  const args = ['--url', 'http://127.0.0.1:9', '--token-command', 'sleep 11; echo x.y.z', 'status'];
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  await once(child, 'close');
  expect(await said).toEqual([
    '',
    'the token command is still running\nnothing answers at http://127.0.0.1:9; is npm start running?\n',
  ]);
});
