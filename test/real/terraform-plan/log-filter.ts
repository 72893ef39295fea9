/** A log entry as Cloud Logging has it, as far as filters of the module look at it. */
export type Entry = Readonly<{
  logName: string;
  severity: string;
  resource: Readonly<{ type: string; labels: Readonly<Record<string, string>> }>;
  jsonPayload?: Readonly<Record<string, unknown>> | undefined;
  textPayload?: string;
}>;

type Test = (entry: Entry) => boolean;

// NOT, a path, an operator, and a value or a list of them in parentheses.
const COMPARISON =
  /^(NOT )?([a-zA-Z]+(?:\.[a-zA-Z_]+)*) (=|!=|<|<=|>|>=) ("[^"]*"|[\w.]+|\("[^"]*"(?: OR "[^"]*")*\))$/;

/**
 * A filter of the Logging query language as far as the module writes it: comparisons joined by AND. Throws for anything else, so that no
 * filter is taken for one that was tried. https://cloud.google.com/logging/docs/view/logging-query-language
 */
export function parseFilter(filter: string): Test {
  const tests = filter.split(' AND ').map(parseComparison);
  return (entry) => tests.every((holds) => holds(entry));
}

function parseComparison(text: string): Test {
  const [, not, path = '', operator = '', right = ''] = COMPARISON.exec(text) ?? [];
  if (path === '') throw new Error(`a filter that this does not know: ${text}`);
  const values = right.replace(/^\(|\)$/g, '').split(' OR ');
  const any: Test = (entry) =>
    values.some((value) => compared(at(entry, path), operator, unquoted(value), path));
  return not ? (entry) => !any(entry) : any;
}

const unquoted = (value: string) => value.replace(/^"|"$/g, '');

const at = (entry: Entry, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null
          ? (value as Record<string, unknown>)[key]
          : undefined,
      entry,
    );

const SEVERITIES = ['DEFAULT', 'DEBUG', 'INFO', 'NOTICE', 'WARNING', 'ERROR', 'CRITICAL'];

/** A comparison with a field that is not there is false, whatever the operator. Text is compared without regard to case. */
function compared(left: unknown, operator: string, right: string, path: string): boolean {
  if (left === undefined) return false;
  const difference = path === 'severity' ? rank(left) - rank(right) : distance(left, right);
  switch (operator) {
    case '=':
      return difference === 0;
    case '!=':
      return difference !== 0;
    case '<':
      return difference < 0;
    case '<=':
      return difference <= 0;
    case '>':
      return difference > 0;
    default:
      return difference >= 0;
  }
}

function rank(severity: unknown): number {
  const found = SEVERITIES.indexOf(String(severity));
  if (found < 0) throw new Error(`${severity} is no severity`);
  return found;
}

const distance = (left: unknown, right: string): number =>
  typeof left === 'number'
    ? left - Number(right)
    : String(left).toLowerCase().localeCompare(right.toLowerCase(), 'en');
