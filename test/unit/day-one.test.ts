import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/day-one.md'), 'utf8');

const sorted = (names: readonly (string | undefined)[]) => [...new Set(names)].sort();

// Without the grant the answer is the refusal that is looked for, of another permission.
test('whoever tries docs/day-one.md is let act as each account that it acts as', () => {
  const rows = PAGE.split('\n').filter((line) => /^\| (9|10|12) /.test(line));
  const acted = rows.flatMap((row) => [
    ...row.matchAll(/(?:--impersonate-service-account=| as )certherd-(\w+)/g),
  ]);
  const [, granted = ''] =
    /^ {4}for f in ([a-z ]+); do gcloud iam service-accounts add-iam-policy-binding certherd-\$f@/m.exec(
      PAGE,
    ) ?? [];
  expect(sorted(acted.map(([, name]) => name))).toEqual(sorted(granted.split(' ')));
});
