import type { Row } from './bench.ts';
import { median, repeated, seconds } from './figures.ts';
import { missing } from './parts.ts';
import { secondsOf } from './process.ts';

const LIMIT_MS = 300_000;

type CommandRow = Readonly<{
  name: string;
  args: readonly string[];
  runs: number;
  mostSeconds: number;
  note: () => string;
}>;

const commandRow = ({ name, args, runs, mostSeconds, note }: CommandRow): Row => {
  const what = `\`npm ${args.join(' ')}\`, whole process${note()}`;
  return {
    name,
    what,
    reach: `${mostSeconds} s`,
    needs: [],
    async measure() {
      const figures = await repeated(runs, () =>
        secondsOf({ command: 'npm', args, limitMs: LIMIT_MS }),
      );
      const isReached = median(figures) <= mostSeconds;
      return [{ what, measured: seconds(figures), isReached, peers: '', samples: { figures } }];
    },
  };
};

export const startRow: Row = commandRow({
  name: 'start',
  args: ['start', '--silent', '--', '--once', '--port', '0'],
  runs: 5,
  mostSeconds: 6,
  note: () => `, served by ${missing(['nginx']).length > 0 ? 'the Node front' : 'nginx'}`,
});

export const testRow: Row = commandRow({
  name: 'test',
  args: ['test'],
  runs: 1,
  mostSeconds: 30,
  note: () => '',
});
