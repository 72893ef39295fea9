import { z } from 'zod';
import { temporaryFolder } from '../parts/folder.ts';
import { ran } from '../parts/terraform.ts';
import type { Planned } from './plan.ts';

/** A PromQL condition of an alert policy, as the plan has it. */
export type Condition = z.infer<typeof condition>;

const prometheus = z.object({
  query: z.string(),
  duration: z.string(),
  evaluation_interval: z.string(),
});
const condition = prometheus.extend({ display_name: z.string() });
const policy = z.object({
  conditions: z.array(
    z.object({
      display_name: z.string(),
      condition_prometheus_query_language: z.array(prometheus),
    }),
  ),
});

/** Every PromQL condition of a plan. */
export const promqlConditions = (plan: readonly Planned[]): readonly Condition[] =>
  plan
    .filter(({ type }) => type === 'google_monitoring_alert_policy')
    .flatMap(({ values }) => policy.parse(values).conditions)
    .flatMap(({ display_name, condition_prometheus_query_language: asked }) =>
      asked.map((one) => ({ ...one, display_name })),
    );

/** A metric's type as PromQL writes it (https://cloud.google.com/monitoring/promql/promql-mapping). */
const inPromql = (type: string): string => type.replace('/', ':').replaceAll(/[^a-zA-Z0-9:]/g, '_');

export type Labels = Readonly<Record<string, string>>;

/** A series with a sample every five minutes from the start; undefined where it has none. */
export type Series = Readonly<{
  type: string;
  labels: Labels;
  samples: readonly (number | undefined)[];
}>;

export const SAMPLE_MINUTES = 5;

/** What happens over so many hours; `fires` is absent when nothing must, else it must not before `after` and must be firing at `by` (hours). */
export type Story = Readonly<{
  hours: number;
  series: readonly Series[];
  fires?: Readonly<{ after: number; by: number; labels: Labels }>;
}>;

/** What `promtool test rules` says of a condition and a story; throws what it says when the alert behaves otherwise. */
export async function testRule(condition: Condition, story: Story): Promise<string> {
  const folder = temporaryFolder();
  try {
    folder.write('rules.yml', { groups: [group(condition)] });
    const file = folder.write('test.yml', testOf(condition, story));
    const { stdout } = await ran('promtool', ['test', 'rules', file], {
      cwd: folder.path,
      env: { PATH: process.env.PATH },
    });
    return stdout;
  } finally {
    folder.remove();
  }
}

const ALERT = 'alert';

const group = ({ query, duration, evaluation_interval: interval }: Condition) => ({
  name: 'planned',
  interval,
  rules: [{ alert: ALERT, expr: query, for: duration }],
});

/** https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/ */
function testOf({ evaluation_interval }: Condition, { hours, series, fires }: Story) {
  const quiet = fires ? fires.after : hours;
  return {
    rule_files: ['rules.yml'],
    evaluation_interval,
    tests: [
      {
        interval: `${SAMPLE_MINUTES}m`,
        input_series: series.map(({ type, labels, samples }) => ({
          series: `${inPromql(type)}${written(labels)}`,
          values: samples.map((sample) => sample ?? '_').join(' '),
        })),
        // Firing leaves a series behind, so that one question at the end is about every moment before it.
        promql_expr_test: [
          {
            expr: `count_over_time(ALERTS{alertstate="firing"}[${minutes(quiet)}])`,
            eval_time: minutes(quiet),
            exp_samples: [],
          },
        ],
        alert_rule_test: fires
          ? [
              {
                eval_time: minutes(fires.by),
                alertname: ALERT,
                exp_alerts: [{ exp_labels: fires.labels }],
              },
            ]
          : [],
      },
    ],
  };
}

const minutes = (hours: number) => `${Math.round(hours * 60)}m`;

const written = (labels: Labels) =>
  `{${Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}}`;
