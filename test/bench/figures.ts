/** Measured times in seconds, or counts. */
export type Figures = readonly number[];

export function median(figures: Figures): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new Error('no figures, no median');
  return (lower + upper) / 2;
}

export const seconds = (figures: Figures): string => spread(figures, 's', 2);

export const milliseconds = (figures: Figures): string =>
  spread(
    figures.map((figure) => figure * 1000),
    'ms',
    0,
  );

function spread(figures: Figures, unit: string, digits: number): string {
  const [middle, least, most] = [median(figures), Math.min(...figures), Math.max(...figures)].map(
    (figure) => figure.toFixed(digits),
  );
  return `${middle} ${unit} (${least}-${most}), ${figures.length} runs`;
}

/** Runs `measure` that many times, one after the other. */
export const repeated = <T>(times: number, measure: (run: number) => Promise<T>) =>
  inTurn([...Array(times).keys()], measure);

/** Runs `measure` for each, one after the other. */
export async function inTurn<Each, T>(
  all: readonly Each[],
  measure: (one: Each) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = [];
  for (const one of all) results.push(await measure(one));
  return results;
}

/** Seconds that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
