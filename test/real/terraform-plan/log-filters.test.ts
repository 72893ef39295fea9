import { beforeAll, expect, test } from 'vitest';
import { AcmeProblem } from '../../../local/acme-ca/problem.ts';
import { GoogleFault } from '../../../local/google-api.ts';
import type { LogEntry } from '../../../shared/log.ts';
import { on, refusing, weather } from '../../integration/system/faults.ts';
import { ingress, type Running, started } from '../../integration/system/running.ts';
import { type Entry, parseFilter } from './log-filter.ts';
import { type Planned, PROJECT, planOf } from './plan.ts';

const DAY_MS = 86_400_000;
const LOCATION = 'europe-west1';

/** As Cloud Logging takes in a line of a container: what it knows is moved out, and a message that is left alone becomes text. */
function takenIn(by: string, { severity, time: _, ...line }: LogEntry): Entry {
  const { 'logging.googleapis.com/trace': __, ...payload } = line;
  const isText = Object.keys(payload).join() === 'message';
  return {
    logName: `projects/${PROJECT}/logs/run.googleapis.com%2Fstdout`,
    severity,
    resource: {
      type: 'cloud_run_revision',
      labels: { service_name: `certherd-${by}`, location: LOCATION, project_id: PROJECT },
    },
    // What is printed is JSON: moments are texts, and what is undefined is left out.
    ...(isText
      ? { textPayload: line.message }
      : { jsonPayload: JSON.parse(JSON.stringify(payload)) }),
  };
}

type Faults = Readonly<{ refuse: () => void; cloud: () => void }>;

/** A certificate is issued to a host that nobody serves; later the CA refuses its renewal until it has nearly run out, and what a run reads is away. */
async function badMonths(one: Running, { refuse, cloud }: Faults): Promise<void> {
  await one.tick();
  refuse();
  one.clock.advance(74 * DAY_MS);
  await one.tick();
  one.clock.advance(10 * DAY_MS);
  await one.tick();
  cloud();
  await one.tick();
}

const away = () => new GoogleFault('UNAVAILABLE', 'away');

let lines: readonly Entry[] = [];
let plan: readonly Planned[] = [];

beforeAll(async () => {
  const sky = weather();
  const manifests = { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] };
  const one = await started({ trouble: sky.trouble, manifests });
  try {
    await badMonths(one, {
      refuse: () =>
        sky.set('ca', ({ url }) => {
          if (/new-?order/i.test(url ?? '')) throw new AcmeProblem('rejectedIdentifier', 'no');
        }),
      cloud: () => {
        sky.set('secret-manager', on(/GET .*-cert-.*versions\?/, refusing(away)));
        sky.set('cloud-dns', on(/GET .*managedZones/, refusing(away)));
      },
    });
    lines = one.lines.map(({ by, entry }) => takenIn(by, entry));
  } finally {
    await one.stop();
  }
  plan = await planOf('simple');
});

/** Every log filter of the plan: counters by their name, alerts by the end of theirs. */
function filters(): Readonly<Record<string, string>> {
  const metrics = plan
    .filter(({ type }) => type === 'google_logging_metric')
    .map(({ values }) => [`counter ${values.name}`, String(values.filter)] as const);
  const alerts = plan
    .filter(({ type }) => type === 'google_monitoring_alert_policy')
    .flatMap(({ values }) => {
      const { display_name, conditions } = values as {
        display_name: string;
        conditions: readonly { condition_matched_log?: readonly { filter: string }[] }[];
      };
      return conditions.flatMap(({ condition_matched_log }) =>
        (condition_matched_log ?? []).map(({ filter }) => [display_name, filter] as const),
      );
    });
  return Object.fromEntries([...metrics, ...alerts]);
}

const told = ({ resource, severity, jsonPayload = {} }: Entry) => {
  const { message, code, lifeLeft } = jsonPayload;
  const function_ = resource.labels.service_name?.replace('certherd-', '');
  return [function_, severity, message, code ?? lifeLeft]
    .filter((it) => it !== undefined)
    .join(' ');
};

const firedBy = (filter: string) => [...new Set(lines.filter(parseFilter(filter)).map(told))];

test.for<[string, readonly string[]]>([
  ['counter certherd/runs', ['reconcile INFO reconciled']],
  ['counter certherd/issued', ['issue INFO certificate issued']],
  [
    'counter certherd/failures',
    ['issue ERROR certificate failed ca-rejected', 'issue WARNING certificate failed ca-rejected'],
  ],
  ['counter certherd/errors', ['issue ERROR certificate failed ca-rejected']],
  [
    'counter certherd/faults',
    [
      'reconcile WARNING zones unreadable dns-unavailable',
      'reconcile WARNING versions unreadable store-unavailable',
    ],
  ],
  ['counter certherd/unproven', ['sync WARNING host not proven']],
  [
    'Certherd certherd: a certificate has less than a fifth of its life left',
    ['reconcile WARNING certificate running out 0.177'],
  ],
  [
    'Certherd certherd: a certificate has less than a tenth of its life left',
    ['reconcile ERROR certificate running out 0.066'],
  ],
  [
    'Certherd certherd: a failure that waiting does not mend',
    ['issue ERROR certificate failed ca-rejected'],
  ],
])('%s is fired by its lines of a running system, and by no other', ([name, fired]) => {
  expect(firedBy(filters()[name] ?? '')).toEqual(fired);
});

test('every log filter of the module was tried', () => {
  expect(Object.keys(filters())).toHaveLength(9);
});

const unreadable = (severity: string, message: string, by = 'reconcile') =>
  takenIn(by, { severity, message, time: '', code: 'x', reason: 'y' });

test.for<[string, Entry, boolean]>([
  ['a cluster that is away is counted', unreadable('WARNING', 'cluster unreadable'), true],
  ['zones that are away are counted', unreadable('WARNING', 'zones unreadable'), true],
  [
    'a queue that takes no task is counted',
    unreadable('WARNING', 'certificate not handed on'),
    true,
  ],
  [
    'a cluster that a person must mend calls at once, and is not counted',
    unreadable('ERROR', 'cluster unreadable'),
    false,
  ],
  ['what is no fault is not counted', unreadable('WARNING', 'request refused'), false],
  [
    'what another function says is not counted',
    unreadable('WARNING', 'zones unreadable', 'issue'),
    false,
  ],
])('%s', ([, entry, isCounted]) => {
  expect(parseFilter(filters()['counter certherd/faults'] ?? '')(entry)).toBe(isCounted);
});

test('what is counted of faults is told apart by what, cluster and project', () => {
  const counter = plan.find(({ values }) => values.name === 'certherd/faults');
  expect(counter?.values.label_extractors).toEqual({
    message: 'EXTRACT(jsonPayload.message)',
    cluster: 'EXTRACT(jsonPayload.cluster)',
    project: 'EXTRACT(jsonPayload.project)',
  });
});

const of = (differs: Partial<Entry>, labels: Record<string, string> = {}): Entry => {
  const base = takenIn('sync', { severity: 'ERROR', message: 'given up', time: '', code: 'x' });
  return {
    ...base,
    ...differs,
    resource: { ...base.resource, labels: { ...base.resource.labels, ...labels } },
  };
};

test.for<[string, Entry, boolean]>([
  ['what a function gives up calls a person', of({}), true],
  [
    'a container that is killed calls a person',
    of({
      logName: `projects/${PROJECT}/logs/run.googleapis.com%2Fvarlog%2Fsystem`,
      jsonPayload: undefined,
      textPayload: 'Memory limit of 512 MiB exceeded',
    }),
    true,
  ],
  [
    'the line about a request that ended with 500 calls nobody, for the function has said why',
    of({
      logName: `projects/${PROJECT}/logs/run.googleapis.com%2Frequests`,
      jsonPayload: undefined,
    }),
    false,
  ],
  ['another installation calls nobody here', of({}, { service_name: 'herd-sync' }), false],
  ['another region calls nobody here', of({}, { location: 'us-central1' }), false],
  ['what is no error calls nobody', of({ severity: 'WARNING' }), false],
])('%s', ([, entry, isFired]) => {
  const filter = filters()['Certherd certherd: a failure that waiting does not mend'] ?? '';
  expect(parseFilter(filter)(entry)).toBe(isFired);
});

test('absence, dead letters, queues and the api are alerts as well, each with a way to somebody and words for them', () => {
  const alerts = plan.filter(({ type }) => type === 'google_monitoring_alert_policy');
  expect(alerts.map(({ address }) => address.split('.').at(-1))).toEqual([
    'api_down[0]',
    'dead_letters',
    'lasting_fault',
    'line["below_10_percent"]',
    'line["below_20_percent"]',
    'line["failure"]',
    'no_run',
    'queue_stands_still["production"]',
  ]);
  for (const { values } of alerts) {
    const { notification_channels, documentation } = values as {
      notification_channels: readonly string[];
      documentation: readonly { content: string }[];
    };
    expect(notification_channels).toHaveLength(1);
    expect(documentation[0]?.content.length).toBeGreaterThan(100);
  }
});
