/** What a condition may look at (https://cloud.google.com/iam/docs/conditions-attribute-reference). */
export type Attributes = Readonly<{ service: string; type: string; name: string }>;

type Value = string | boolean;

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|\|\||&&|==|!=|[A-Za-z_]\w*|[().,!])/y;

/**
 * Whether a condition holds for a resource: the part of CEL that the module writes, with IAM's own `extract`. Throws for all else, so
 * that nothing is granted by what was not understood.
 */
export function holds(expression: string, resource: Attributes): boolean {
  const tokens = tokensOf(expression);
  let at = 0;
  const take = (expected: string) => {
    if (tokens[at] !== expected) throw new Error(`${expected} is missing in ${expression}`);
    at += 1;
  };
  const isNext = (token: string) => {
    if (tokens[at] !== token) return false;
    at += 1;
    return true;
  };
  const either = (): Value => {
    let value = both();
    while (isNext('||')) value = [truth(value), truth(both())].some(Boolean);
    return value;
  };
  const both = (): Value => {
    let value = equality();
    while (isNext('&&')) value = [truth(value), truth(equality())].every(Boolean);
    return value;
  };
  const equality = (): Value => {
    const left = member();
    if (isNext('==')) return left === member();
    return isNext('!=') ? left !== member() : left;
  };
  const member = (): Value => {
    if (isNext('!')) return !truth(member());
    let value = primary();
    while (isNext('.')) {
      const name = tokens[at] ?? '';
      at += 1;
      take('(');
      const argument = either();
      take(')');
      value = called(name, text(value), text(argument));
    }
    return value;
  };
  const primary = (): Value => {
    if (isNext('(')) {
      const value = either();
      take(')');
      return value;
    }
    const token = tokens[at] ?? '';
    at += 1;
    if (token.startsWith('"')) return JSON.parse(token) as string;
    if (token !== 'resource') throw new Error(`${token} is not understood in ${expression}`);
    take('.');
    const field = tokens[at] ?? '';
    at += 1;
    if (field === 'service' || field === 'type' || field === 'name') return resource[field];
    throw new Error(`resource.${field} is not understood`);
  };
  const value = truth(either());
  if (at < tokens.length) throw new Error(`${tokens[at]} is not understood in ${expression}`);
  return value;
}

function tokensOf(expression: string): readonly string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < expression.trimEnd().length) {
    const from = TOKEN.lastIndex;
    const [, token] = TOKEN.exec(expression) ?? [];
    if (token === undefined)
      throw new Error(`${expression.slice(from)} is not understood in ${expression}`);
    tokens.push(token);
  }
  return tokens;
}

function truth(value: Value): boolean {
  if (typeof value === 'boolean') return value;
  throw new Error(`"${value}" is no truth value`);
}

function text(value: Value): string {
  if (typeof value === 'string') return value;
  throw new Error(`${value} is no text`);
}

function called(method: string, subject: string, argument: string): Value {
  switch (method) {
    case 'startsWith':
      return subject.startsWith(argument);
    case 'endsWith':
      return subject.endsWith(argument);
    case 'extract':
      return extract(subject, argument);
    default:
      throw new Error(`${method}() is not understood`);
  }
}

/** What stands in place of the template's `{name}`; empty where the template does not fit. */
function extract(subject: string, template: string): string {
  const [, before = '', after = ''] = /^(.*)\{\w+\}(.*)$/.exec(template) ?? [];
  const from = subject.indexOf(before);
  if (from < 0) return '';
  const rest = subject.slice(from + before.length);
  if (after === '') return rest;
  const to = rest.indexOf(after);
  return to < 0 ? '' : rest.slice(0, to);
}
