import type { Config } from '../../shared/config.ts';
import type { Session } from '../command.ts';
import { type Certificate, certificateSchema, certificatesSchema } from '../documents.ts';
import type { Writing } from './clusters.ts';
import { APPLY, mend, readLog } from './commands.ts';
import { type Finding, fault, note, ok, unseen } from './finding.ts';
import { part } from './part.ts';

const CHECK = 'topic';
const POLL_MS = 500;
const POLLS = 60;
const PATIENCE = `${(POLLS * POLL_MS) / 1000} s`;

/** What messages to sync showed: of the way to it, and of each cluster. */
export type Deliveries = Readonly<{ topic: Finding; writing: (cluster: string) => Writing }>;

/**
 * Messages through the whole way: api, reconcile, topic, subscription, sync. They ask for certificates to be delivered once more, at least
 * one for each cluster that has one, which writes nothing but the moment of it into the record; that moment is the proof. One that is
 * issued and nowhere delivered is delivered by it, which is due anyhow.
 */
export async function deliveries(session: Session, config: Config): Promise<Deliveries> {
  const inventory = await part(session.client.get('/v1/certificates'), certificatesSchema);
  if ('problem' in inventory) return nothingKnown(unseen(CHECK, inventory.problem));
  const chosen = chosenFor(config, inventory.value.certificates);
  if (chosen.length === 0) return { topic: NONE_YET, writing: () => ({ state: 'untried' }) };
  const asked = await Promise.all(chosen.map((certificate) => ask(certificate, session)));
  const refusal = asked.find((each) => 'problem' in each);
  if (refusal && 'problem' in refusal) return nothingKnown(refused(refusal.problem));
  const outcomes = await awaited(
    asked.flatMap((each) => ('value' in each ? [each.value] : [])),
    session,
  );
  const [through] = outcomes.filter(({ after }) => after);
  return {
    topic: through
      ? ok(CHECK, `a message came through to sync, which delivered ${through.before.id} again`)
      : lost(outcomes, config),
    writing: (cluster) => writingOf(cluster, outcomes),
  };
}

const NONE_YET = note(
  CHECK,
  'not checked: no certificate is issued yet that could be delivered; the first one proves the same',
  'npm run certherd -- issue NAME --target CLUSTER/NAMESPACE/SECRET --wait',
);

const nothingKnown = (topic: Finding): Deliveries => ({
  topic,
  writing: () => ({ state: 'unseen', message: 'no certificate can be asked for' }),
});

const clustersOf = ({ askers, targets }: Certificate): ReadonlySet<string> =>
  new Set([...askers, ...targets].map(({ cluster }) => cluster));

const isDelivered = ({ version, delivered }: Certificate) =>
  delivered?.version === version && delivered?.failed.length === 0;

/** For each cluster the certificate that says most of it: one that was delivered before, and goes to few others. */
function chosenFor(config: Config, all: readonly Certificate[]): readonly Certificate[] {
  const sorted = all
    .filter(({ version }) => version !== null)
    .toSorted(
      (one, other) =>
        Number(isDelivered(other)) - Number(isDelivered(one)) ||
        clustersOf(one).size - clustersOf(other).size,
    );
  const chosen = config.clusters.flatMap(
    ({ name }) => sorted.find((certificate) => clustersOf(certificate).has(name)) ?? [],
  );
  return [...new Set(chosen)];
}

const pathOf = ({ id }: Certificate) => `/v1/certificates/${encodeURIComponent(id)}`;

const ask = (certificate: Certificate, { client }: Session) =>
  part(client.post(`${pathOf(certificate)}:deliver`), certificateSchema);

/** A certificate as it was when it was asked for, and once it was delivered again. */
type Outcome = Readonly<{ before: Certificate; after: Certificate | undefined }>;

async function awaited(
  asked: readonly Certificate[],
  session: Session,
): Promise<readonly Outcome[]> {
  let outcomes: readonly Outcome[] = asked.map((before) => ({ before, after: undefined }));
  const until = session.now().getTime() + POLLS * POLL_MS;
  const isOver = (poll: number) => poll > POLLS || session.now().getTime() >= until;
  for (let poll = 1; !isOver(poll) && outcomes.some(({ after }) => !after); poll += 1) {
    await session.sleep(POLL_MS);
    outcomes = await Promise.all(outcomes.map((outcome) => looked(outcome, session)));
  }
  return outcomes;
}

async function looked(outcome: Outcome, { client }: Session): Promise<Outcome> {
  const { before, after } = outcome;
  if (after) return outcome;
  const now = await part(client.get(pathOf(before)), certificateSchema);
  const isMoved =
    'value' in now && now.value.delivered?.at.getTime() !== before.delivered?.at.getTime();
  return { before, after: isMoved ? now.value : undefined };
}

function writingOf(cluster: string, outcomes: readonly Outcome[]): Writing {
  const own = outcomes.filter(({ before }) => clustersOf(before).has(cluster));
  const [first] = own;
  if (!first) return { state: 'untried' };
  const through = own.flatMap(({ after }) => after ?? []);
  const refusals = through.flatMap(({ delivered }) => delivered?.failed ?? []);
  const message = refusals.find((sentence) => sentence.startsWith(`Secret ${cluster}/`));
  if (message) return { state: 'refused', message };
  if (through.length > 0) return { state: 'works' };
  if (outcomes.every(({ after }) => !after))
    return { state: 'lost', message: 'nothing came through to any cluster' };
  const others = [...clustersOf(first.before)].filter((name) => name !== cluster);
  const also = others.length > 0 ? `, which goes to ${others.join(' and ')} too,` : '';
  return {
    state: 'fails',
    message: `${first.before.id}${also} was not delivered within ${PATIENCE}, while others were`,
  };
}

const refused = (problem: string): Finding =>
  problem.startsWith('Your role ')
    ? unseen(CHECK, problem)
    : fault(CHECK, `no message could be sent: ${problem}`, mend(problem));

// Applying brings back a subscription that is gone or leads elsewhere; when it changes nothing, the log has the reason.
const lost = (outcomes: readonly Outcome[], config: Config): Finding =>
  fault(
    CHECK,
    `a message was published, and sync has not delivered ${outcomes.map(({ before }) => before.id).join(' or ')} within ${PATIENCE}: the subscription ${config.installation}-sync is gone or leads elsewhere, or sync fails, as its log then says`,
    `${APPLY} && ${readLog('sync', config)}`,
  );
