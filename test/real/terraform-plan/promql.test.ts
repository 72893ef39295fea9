import { beforeAll, expect, test } from 'vitest';
import { type Planned, planOf } from './plan.ts';
import {
  type Condition,
  type Labels,
  promqlConditions,
  SAMPLE_MINUTES,
  type Series,
  type Story,
  testRule,
} from './promql.ts';

// What this does not prove, for promtool is Prometheus: that Cloud Monitoring has these metrics under these labels, and that what it keeps
// as counts of a minute (DELTA) becomes such a counter where a minute without a count has no point. docs/day-one.md tries both.

let conditions: ReadonlyMap<string, Condition> = new Map();
let plan: readonly Planned[] = [];

beforeAll(async () => {
  plan = await planOf('simple');
  conditions = new Map(promqlConditions(plan).map((one) => [one.display_name, one]));
});

const MONTH = 30 * 24;

/** A sample for each moment of so many hours. */
const over = <T>(hours: number, sample: (hour: number) => T): readonly T[] =>
  Array.from({ length: (hours * 60) / SAMPLE_MINUTES + 1 }, (_, index) =>
    sample((index * SAMPLE_MINUTES) / 60),
  );

/** One more at each of these hours, from nothing. */
function counted(hours: number, at: readonly number[]): readonly number[] {
  const sorted = at.toSorted((one, other) => one - other);
  let count = 0;
  return over(hours, (hour) => {
    while ((sorted[count] ?? Number.POSITIVE_INFINITY) <= hour) count += 1;
    return count;
  });
}

/** An hour in every so many. */
const every = (step: number, from: number, to: number): readonly number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step);

const REVISION: Labels = { monitored_resource: 'cloud_run_revision', revision_name: 'a' };
const QUEUE: Labels = {
  monitored_resource: 'cloud_tasks_queue',
  project_id: 'acme-tls',
  location: 'europe-west1',
  queue_id: 'certherd-queue-production',
};

const lines = (counter: string, samples: Series['samples'], labels: Labels = {}): Series => ({
  type: `logging.googleapis.com/user/certherd/${counter}`,
  labels: { ...REVISION, ...labels },
  samples,
});

const depth = (samples: Series['samples']): Series => ({
  type: 'cloudtasks.googleapis.com/queue/depth',
  labels: { ...QUEUE, target_type: 'HTTP' },
  samples,
});

const attempts = (code: string, samples: Series['samples']): Series => ({
  type: 'cloudtasks.googleapis.com/queue/task_attempt_count',
  labels: { ...QUEUE, response_code: code },
  samples,
});

/** The attempts at a task that is refused: an hour of them, ever more rarely. */
const refusals = (start: number): readonly number[] =>
  [0, 1, 2, 4, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57, 62].map((minute) => start + minute / 60);

const rounds = (from: number, to: number) => every(6, from, to).flatMap(refusals);

const NO_RUN = 'no run has come to its end for three hours';
const FAULT = 'the same fault in run after run';
const PAUSED = 'queue certherd-queue-production has tasks and makes no attempt';
const REFUSED = 'queue certherd-queue-production is refused by issue';

const ABSENT = undefined;

test.for<[string, string, Story]>([
  [
    NO_RUN,
    'fires when none ever ended, and not in the first hour of a deployment',
    { hours: 2, series: [], fires: { after: 1.1, by: 1.5, labels: {} } },
  ],
  [
    NO_RUN,
    'fires when none has ended since the second hour',
    {
      hours: 6,
      series: [lines('runs', counted(6, [1, 2]))],
      fires: { after: 4.75, by: 5.2, labels: {} },
    },
  ],
  [
    NO_RUN,
    'fires when none has ended since the second hour, and the counter ends with it',
    {
      hours: 6,
      series: [lines('runs', counted(2, [1, 2]))],
      fires: { after: 4.5, by: 5.2, labels: {} },
    },
  ],
  [
    NO_RUN,
    'is silent in any month of a run each hour',
    { hours: MONTH, series: [lines('runs', counted(MONTH, every(1, 0.5, MONTH)))] },
  ],
  [
    NO_RUN,
    'is silent when a new revision counts from nothing',
    {
      hours: 48,
      series: [
        lines('runs', counted(24, every(1, 0.5, 24))),
        lines(
          'runs',
          over(48, (hour) => (hour < 24 ? ABSENT : Math.floor(hour - 23.5))),
          {
            revision_name: 'b',
          },
        ),
      ],
    },
  ],

  [
    FAULT,
    'fires when a cluster cannot be read in run after run, whatever revision says so',
    {
      hours: 12,
      series: [
        lines('faults', counted(6, [5.5]), { message: 'cluster unreadable', cluster: 'ovh' }),
        lines(
          'faults',
          over(12, (hour) => (hour < 6 ? ABSENT : Math.floor(hour - 5.5))),
          {
            ...{ message: 'cluster unreadable', cluster: 'ovh', revision_name: 'b' },
          },
        ),
      ],
      fires: { after: 8.4, by: 8.8, labels: { message: 'cluster unreadable', cluster: 'ovh' } },
    },
  ],
  [
    FAULT,
    'fires when the zones of a project cannot be read in three runs',
    {
      hours: 12,
      series: [
        lines('faults', counted(12, [5, 6, 7]), { message: 'zones unreadable', project: 'names' }),
      ],
      fires: { after: 7.9, by: 8.2, labels: { message: 'zones unreadable', project: 'names' } },
    },
  ],
  [
    FAULT,
    'is silent when it is away in two runs, however often',
    {
      hours: MONTH,
      series: [
        lines('faults', counted(MONTH, [...every(5, 1, MONTH), ...every(5, 2, MONTH)]), {
          message: 'cluster unreadable',
          cluster: 'ovh',
        }),
      ],
    },
  ],
  [
    FAULT,
    'is silent when one cluster after the other is away for a run',
    {
      hours: 48,
      series: ['a', 'b', 'c'].map((cluster, index) =>
        lines('faults', counted(48, every(3, 1 + index, 48)), {
          message: 'cluster unreadable',
          cluster,
        }),
      ),
    },
  ],
  [
    FAULT,
    'is silent when somebody asks for run after run while it is away',
    {
      hours: 12,
      series: [
        lines('faults', counted(12, every(1 / 12, 5, 6)), {
          message: 'cluster unreadable',
          cluster: 'ovh',
        }),
      ],
    },
  ],
  [FAULT, 'is silent when nothing was ever away', { hours: MONTH, series: [] }],

  [
    PAUSED,
    'fires when tasks are there and none is attempted any more',
    {
      hours: 40,
      series: [
        depth(over(40, (hour) => (hour < 2 ? 0 : 3))),
        attempts('ok', counted(40, [0.5, 1, 1.5])),
      ],
      fires: { after: 27, by: 28.5, labels: { ...QUEUE, target_type: 'HTTP' } },
    },
  ],
  [
    PAUSED,
    'fires when it was paused before its first attempt',
    {
      hours: 40,
      series: [depth(over(40, (hour) => (hour < 2 ? ABSENT : 1)))],
      fires: { after: 27, by: 28.5, labels: { ...QUEUE, target_type: 'HTTP' } },
    },
  ],
  [
    PAUSED,
    'is silent when each task waits for a whole day',
    {
      hours: MONTH,
      series: [depth(over(MONTH, () => 1)), attempts('ok', counted(MONTH, every(24, 1, MONTH)))],
    },
  ],
  [
    PAUSED,
    'is silent when its first task in weeks waits for a day, where an empty queue has no depth',
    {
      hours: MONTH,
      series: [
        depth(over(MONTH, (hour) => (hour < 600 || hour > 624 ? ABSENT : 1))),
        attempts('ok', counted(MONTH, [1, 624])),
      ],
    },
  ],
  [
    PAUSED,
    'is silent when nothing is to do for weeks',
    {
      hours: MONTH,
      series: [depth(over(MONTH, () => 0)), attempts('ok', counted(MONTH, [1]))],
    },
  ],
  [PAUSED, 'is silent before anything was ever to do', { hours: MONTH, series: [] }],

  [
    REFUSED,
    'fires when issue may not be called any more, though tasks are gone within the hour',
    {
      hours: 30,
      series: [
        attempts('ok', counted(30, [0.5, 1, 1.5])),
        attempts('permission_denied', counted(30, rounds(2, 30))),
      ],
      fires: { after: 16, by: 20, labels: { queue_id: QUEUE.queue_id ?? '' } },
    },
  ],
  [
    REFUSED,
    'fires when its address was wrong from the first day',
    {
      hours: 24,
      series: [attempts('not_found', counted(24, rounds(0.5, 24)))],
      fires: { after: 10, by: 11, labels: { queue_id: QUEUE.queue_id ?? '' } },
    },
  ],
  [
    REFUSED,
    'is silent in the hour of a deployment, whose grants take minutes to hold',
    {
      hours: 72,
      series: [
        attempts('permission_denied', counted(72, refusals(0.1).slice(0, 6))),
        attempts(
          'ok',
          over(72, (hour) => (hour < 0.5 ? ABSENT : 1)),
        ),
      ],
    },
  ],
  [
    REFUSED,
    'is silent for one task of a person that was refused and given up',
    {
      hours: 72,
      series: [attempts('permission_denied', counted(72, refusals(1)))],
    },
  ],
  [
    REFUSED,
    'is silent when a certificate is worked on by another and comes again, in any month',
    {
      hours: MONTH,
      series: [
        attempts('unavailable', counted(MONTH, every(6, 1, MONTH))),
        attempts('ok', counted(MONTH, every(6, 1.1, MONTH))),
      ],
    },
  ],
  [
    REFUSED,
    'is silent when one certificate is issued a month',
    { hours: MONTH, series: [attempts('ok', counted(MONTH, [300]))] },
  ],
])('"%s" %s', async ([name, , story]) => {
  const condition = conditions.get(name);
  if (!condition) throw new Error(`no alert of the plan has a condition "${name}"`);
  tried.add(`${name}: ${story.fires ? 'fires' : 'quiet'}`);
  expect(await testRule(condition, story)).toContain('SUCCESS');
});

const tried = new Set<string>();

test('every PromQL condition of the module was seen to fire, and not to', () => {
  const all = [...conditions.keys()].flatMap((name) => [`${name}: fires`, `${name}: quiet`]);
  expect([...tried].sort()).toEqual(all.sort());
});

test('every log line that PromQL counts has a counter', () => {
  const made = plan
    .filter(({ type }) => type === 'google_logging_metric')
    .map(({ values }) => values.name);
  expect(made).toEqual(expect.arrayContaining(['certherd/runs', 'certherd/faults']));
});
