import { styleText } from 'node:util';
import Table from 'cli-table3';

/** Where a command writes. Results go out, sentences about faults go to `err`; each call is one line or more. */
export type Screen = Readonly<{
  out: (text: string) => void;
  err: (text: string) => void;
  colors: boolean;
}>;

/** What a text says about its matter. */
export type Mood = 'good' | 'bad' | 'soft' | 'plain';

const COLORS = { good: 'green', bad: 'red', soft: 'dim' } as const;

/** A text on one line, its times in whole seconds, without what would steer the terminal; coloured where colours are wanted. */
export function painted(text: string, mood: Mood, { colors }: Pick<Screen, 'colors'>): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').replace(/(T\d\d:\d\d:\d\d)\.\d{3}Z/g, '$1Z');
  return colors && mood !== 'plain'
    ? styleText(COLORS[mood], plain, { validateStream: false })
    : plain;
}

/** A column's title and its width with the gap behind it; those of a table may add up to 100. */
export type Column = readonly [title: string, width: number];

const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((edge) => [
      edge,
      `${edge}-mid`,
      `${edge}-left`,
      `${edge}-right`,
      `left-${edge}`,
      `right-${edge}`,
    ])
    .concat('middle', 'mid-mid')
    .map((name) => [name, '']),
);

/** A text and its mood, or a plain text. */
export type Cell = string | Readonly<{ text: string; mood: Mood }>;

const GAP = 2;

/** Rows below titles, without lines. A cell that is too long goes on below itself; one that is alone has the whole row. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  screen: Pick<Screen, 'colors'>,
): string {
  const drawn = new Table({
    head: columns.map(([title]) => painted(title, 'soft', screen)),
    colWidths: columns.map(([, width]) => width),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    wordWrap: true,
  });
  drawn.push(
    ...rows.map(([first = '', ...others]) =>
      others.length === 0
        ? [{ content: drawnCell(first, widthOf(columns), screen), colSpan: columns.length }]
        : [first, ...others].map((cell, index) =>
            drawnCell(cell, widthOf(columns.slice(index, index + 1)), screen),
          ),
    ),
  );
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const widthOf = (columns: readonly Column[]) => columns.reduce((sum, [, width]) => sum + width, 0);

function drawnCell(cell: Cell, width: number, screen: Pick<Screen, 'colors'>): string {
  const { text, mood } = typeof cell === 'string' ? { text: cell, mood: 'plain' as const } : cell;
  // Lines end between words, so a word that is longer than its line is cut into several.
  const longest = new RegExp(`\\S{${width - GAP}}(?=\\S)`, 'g');
  return painted(text.replace(longest, '$& '), mood, screen);
}
