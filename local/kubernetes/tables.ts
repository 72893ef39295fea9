import { type Json, type KubernetesObject, listAt, recordAt } from './object.ts';

export type Column = Readonly<{ name: string; format?: string; description: string }>;
export type Row = readonly (string | number)[];

const NAME: Column = { name: 'Name', format: 'name', description: 'The name of the object' };
const AGE: Column = { name: 'Age', description: 'Time since the object was created' };

export const namespaceColumns: readonly Column[] = [
  NAME,
  { name: 'Status', description: 'The phase of the namespace' },
  AGE,
];
export const secretColumns: readonly Column[] = [
  NAME,
  { name: 'Type', description: 'The type of the Secret' },
  { name: 'Data', description: 'How many keys the Secret holds' },
  AGE,
];
export const classColumns: readonly Column[] = [
  NAME,
  { name: 'Controller', description: 'The controller of this class' },
  { name: 'Parameters', description: 'The object with further parameters' },
  AGE,
];
export const ingressColumns: readonly Column[] = [
  NAME,
  { name: 'Class', description: 'The name of the IngressClass' },
  { name: 'Hosts', description: 'The hosts of the rules' },
  { name: 'Address', description: 'Where the load balancer is reached' },
  { name: 'Ports', description: 'The ports that are open' },
  AGE,
];

type Cells = (object: KubernetesObject, age: string) => Row;

export const namespaceCells: Cells = (object, age) => [
  object.metadata.name,
  String(recordAt(object, 'status').phase ?? ''),
  age,
];

export const secretCells: Cells = (object, age) => [
  object.metadata.name,
  String(object.type),
  Object.keys(recordAt(object, 'data')).length,
  age,
];

export const classCells: Cells = (object, age) => {
  const spec = recordAt(object, 'spec');
  const { kind, name, apiGroup } = recordAt(spec, 'parameters');
  const parameters = name ? `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name}` : '<none>';
  return [object.metadata.name, String(spec.controller), parameters, age];
};

export const ingressCells: Cells = (object, age) => {
  const spec = recordAt(object, 'spec');
  const balancer = recordAt(recordAt(object, 'status'), 'loadBalancer');
  return [
    object.metadata.name,
    String(spec.ingressClassName ?? '<none>'),
    shownHosts(spec),
    listAt(balancer, 'ingress')
      .map((entry) => (entry as Json).ip ?? (entry as Json).hostname)
      .join(','),
    listAt(spec, 'tls').length > 0 ? '80, 443' : '80',
    age,
  ];
};

function shownHosts(spec: Json): string {
  const rules = listAt(spec, 'rules');
  const hosts = rules.flatMap((rule) => (rule as Json).host ?? []);
  if (hosts.length === 0) return '*';
  const more = rules.length - 3;
  return more > 0 && hosts.length >= 3
    ? `${hosts.slice(0, 3).join(',')} + ${more} more...`
    : hosts.join(',');
}

/** An age as kubectl prints it: `59s`, `3m5s`, `12m`, `2d3h`. */
export function shownAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ];
  const pair = (whole: string, rest: number, unit: string) => whole + (rest ? rest + unit : '');
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return pair(`${minutes}m`, seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return pair(`${hours}h`, minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return pair(`${days}d`, hours % 24, 'h');
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return days < 2920 ? pair(`${years}y`, days % 365, 'd') : `${years}y`;
}
