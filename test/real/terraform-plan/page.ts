import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Grant } from './grants.ts';
import { type Facts, PROJECT, PROJECT_NUMBER } from './plan.ts';

/** A row of the page: everybody named holds every permission named, on every thing that the third column stands for. */
export type Row = Readonly<{
  permissions: readonly string[];
  who: readonly string[];
  on: string;
  why: string;
  without: string;
}>;

type Page = Readonly<{ rows: readonly Row[]; conditions: Readonly<Record<string, string>> }>;

const PAGE = join(import.meta.dirname, '../../../docs/permissions.md');

/** The two tables of docs/permissions.md. */
export function permissionsPage(): Page {
  const tables = readFileSync(PAGE, 'utf8')
    .split(/^## /m)
    .map((section) =>
      section
        .split('\n')
        .filter((line) => line.startsWith('| '))
        .map(cells),
    )
    .filter((table) => table.length > 0);
  const [rows = [], conditions = []] = tables.map(([, ...body]) => body);
  return {
    rows: rows.map(([permission = '', who = '', on = '', why = '', without = '']) => ({
      permissions: permission.split(', '),
      who: who.split(', '),
      ...{ on, why, without },
    })),
    conditions: Object.fromEntries(
      conditions.map(([on = '', condition = '']) => [on, condition.replaceAll('`', '')]),
    ),
  };
}

/** The cells of one line; `\|` is no border. */
const cells = (line: string): readonly string[] =>
  line
    .replace(/^\| | \|$/g, '')
    .split(/ (?<!\\)\| /)
    .map((cell) => cell.replaceAll('\\|', '|'));

/** What the page promises for a plan of these facts. Throws for words of the third column that mean nothing. */
export function promised({ rows, conditions }: Page, facts: Facts): readonly Grant[] {
  return rows.flatMap(({ permissions, who, on }) =>
    who.flatMap((one) =>
      targets(on, { who: one, facts, conditions }).flatMap((target) =>
        permissions.map((permission) => ({ permission, who: one, on: target })),
      ),
    ),
  );
}

type Reading = Readonly<{ who: string; facts: Facts; conditions: Page['conditions'] }>;

function targets(on: string, reading: Reading): readonly string[] {
  const { facts, who } = reading;
  const { installation } = facts;
  const [, kind, name] = /^the (topic|subscription|function|account) (\w+)$/.exec(on) ?? [];
  if (kind === 'account')
    return [`account ${installation}-${name}@${PROJECT}.iam.gserviceaccount.com`];
  if (kind) return [`${kind === 'function' ? 'service' : kind} ${installation}-${name}`];
  const own: Readonly<Record<string, readonly string[]>> = {
    'the project': [`project ${PROJECT}`],
    'the api': [`service ${installation}-api`],
    'the api, with iap': facts.iap ? [`service ${installation}-api`] : [],
    'the api, without iap': facts.iap ? [] : [`service ${installation}-api`],
    'each queue': facts.issuers.map((issuer) => `queue ${installation}-queue-${issuer}`),
    'each zone': facts.zones.map((zone) => `zone ${zone}`),
    'challenges in each zone': facts.zones.map(
      (zone) => `zone ${zone} if ${condition('challenges in each zone', reading)}`,
    ),
    'projects of the zones': projects(facts.zones),
    'projects of the GKE clusters': facts.gkeProjects.map((project) => `project ${project}`),
    'its own kubeconfigs': (facts.kubeconfigs[who] ?? []).map((id) => `secret ${id}`),
  };
  const found = own[on];
  return found ?? [`project ${PROJECT} if ${condition(on, reading)}`];
}

const projects = (zones: readonly string[]) => [
  ...new Set(zones.map((zone) => `project ${zone.split('/')[0]}`)),
];

function condition(on: string, { conditions, facts }: Reading): string {
  const shape =
    on === 'certificates and keys'
      ? `${conditions.certificates} || ${conditions.keys}`
      : conditions[on];
  if (!shape) throw new Error(`docs/permissions.md does not say what "${on}" is`);
  return shape
    .replaceAll('NUMBER', PROJECT_NUMBER)
    .replaceAll('INSTALLATION', facts.installation)
    .replaceAll('PROJECT', PROJECT)
    .replaceAll('LOCATION', facts.location);
}
