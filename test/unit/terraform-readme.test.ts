import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = join(import.meta.dirname, '../../terraform');
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8');

type Block = Readonly<{ name: string; text: string }>;

const blocks = (kind: string, file: string): readonly Block[] =>
  read(file)
    .split(new RegExp(`^${kind} "`, 'm'))
    .slice(1)
    .map((text) => ({ name: text.slice(0, text.indexOf('"')), text }));

const described = ({ text }: Block) =>
  (/^ {2}description = "(.*)"$/m.exec(text)?.[1] ?? '').replaceAll('\\"', '"');

/** What stands for a default in the table: a dash means that a value must be given. */
const defaultOf = ({ text }: Block) => {
  const [, value] =
    /^ {2}default +?= (.*)$/m.exec(text.replace(/^ {2}default +=/m, '  default =')) ?? [];
  return value === undefined ? '–' : `\`${value}\``;
};

const rows = (heading: string) => {
  const [, section = ''] = read('README.md').split(`## ${heading}\n`);
  const [table = ''] = section.split('\n## ');
  return table.split('\n').filter((line) => line.startsWith('| `'));
};

test('the table of inputs says what variables.tf says', () => {
  const inputs = blocks('variable', 'variables.tf').map(
    (block) => `| \`${block.name}\` | ${described(block)} | ${defaultOf(block)} |`,
  );
  expect(rows('Inputs')).toEqual(inputs);
});

test('the table of outputs says what outputs.tf says', () => {
  const outputs = blocks('output', 'outputs.tf').map(
    (block) => `| \`${block.name}\` | ${described(block)} |`,
  );
  expect(rows('Outputs')).toEqual(outputs);
});
