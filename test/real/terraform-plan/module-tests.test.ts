import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { workplace } from '../parts/terraform.ts';

const place = workplace();
afterAll(() => place.remove());

/** `terraform test`, each run of each file by its name, and how it ended. */
async function testRuns(folder: string): Promise<readonly string[]> {
  const said = await place.terraform(folder, 'test', '-json');
  return said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .flatMap(({ type, test_run: run }) =>
      type === 'test_run' && run.progress === 'complete' ? [`${run.run} ${run.status}`] : [],
    );
}

const hclIn = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.hcl'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');

const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

test('the module and cluster-access are valid and pass their own tests', async () => {
  for (const folder of [place.module, join(place.module, 'modules/cluster-access')]) {
    await place.terraform(folder, 'init', '-no-color');
    const verdict = JSON.parse(await place.terraform(folder, 'validate', '-json'));
    expect(verdict.diagnostics).toEqual([]);
    const runs = await testRuns(folder);
    expect(runs.filter((run) => !run.endsWith(' pass'))).toEqual([]);
    expect(runs).toHaveLength(count(hclIn(join(folder, 'tests')), /^run "/gm));
  }
});

test('each validation of a variable has a run that it refuses', () => {
  const variables = readFileSync(join(place.module, 'variables.tf'), 'utf8');
  const validations = variables.split(/^variable /m).flatMap((block) => {
    const [, name] = /^"(\w+)"/.exec(block) ?? [];
    return Array.from({ length: count(block, /^ {2}validation \{/gm) }, () => `var.${name}`);
  });
  const runs = readFileSync(join(place.module, 'tests/variables.tftest.hcl'), 'utf8');
  const refused = [...runs.matchAll(/expect_failures = \[(var\.\w+)\]/g)].map(([, name]) => name);
  expect(refused.sort()).toEqual(validations.sort());
});

test('every file is formatted', async () => {
  expect(await place.terraform(place.module, 'fmt', '-check', '-recursive')).toBe('');
});
