import { documentOf } from '../client.ts';
import type { Outcome, Session } from '../command.ts';
import { type Plan, planSchema } from '../documents.ts';
import { listed } from '../render.ts';
import { type Cell, type Mood, painted, type Screen, table } from '../screen.ts';

/** What the next run would do. Exit 1 when anything is refused or could not be read. */
export async function plan({ client }: Session): Promise<Outcome> {
  const answer = await client.get('/v1/plan');
  const document = documentOf(answer, planSchema);
  const isFine =
    document.refused.length === 0 &&
    document.faults.length === 0 &&
    document.certificates.every(({ action }) => action !== 'refuse');
  return {
    exitCode: isFine ? 0 : 1,
    document: answer.document,
    show: (screen) => show(document, screen),
  };
}

const MOODS: Readonly<Record<string, Mood>> = {
  issue: 'good',
  sync: 'good',
  refuse: 'bad',
  keep: 'soft',
};

function show({ certificates, refused, faults }: Plan, screen: Screen): void {
  const rows = certificates.map(({ names, id, issuer, action, message, at }): readonly Cell[] => [
    { text: action, mood: MOODS[action] ?? 'plain' },
    names.length > 0 ? listed(names) : id,
    issuer,
    action === 'wait' && at ? `${message}; waits until ${at.toISOString()}` : message,
  ]);
  const columns = [
    ['ACTION', 9],
    ['NAMES', 34],
    ['ISSUER', 13],
    ['WHY', 44],
  ] as const;
  screen.out(rows.length > 0 ? table(columns, rows, screen) : 'There is no certificate to plan.');
  for (const { kind, cluster, namespace, name, message } of refused)
    screen.out(
      painted(`refused: ${kind} ${cluster}/${namespace}/${name}: ${message}`, 'bad', screen),
    );
  for (const { resource, message } of faults)
    screen.out(painted(`not read: ${resource}: ${message}`, 'bad', screen));
}
