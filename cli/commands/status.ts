import { type Answer, documentOf } from '../client.ts';
import type { Outcome, Session } from '../command.ts';
import { type Certificate, certificatesSchema, type Status, statusSchema } from '../documents.ts';
import { showCertificates, troubles } from '../render.ts';
import { painted, type Screen } from '../screen.ts';

/** What is. Exit 1 when a certificate failed, expired or is not in each of its Secrets, or a part cannot be read. */
export async function status({ client, now }: Session): Promise<Outcome> {
  const answer = await client.get('/v1/status');
  const found = documentOf(answer, statusSchema);
  const inventory =
    'error' in found.certificates ? undefined : await client.get('/v1/certificates');
  const document = inventory ? withInventory(answer, inventory) : answer.document;
  const certificates =
    inventory && documentOf(inventory, certificatesSchema, document).certificates;
  const sentences = troublesOf(found);
  const isFine = !certificates?.some((each) => troubles(each, now()).length > 0);
  return {
    exitCode: sentences.length === 0 && isFine ? 0 : 1,
    document,
    show: (screen) => {
      if (certificates) showAll(certificates, screen, now());
      showEngines(found, screen);
      for (const sentence of sentences) screen.out(painted(sentence, 'bad', screen));
    },
  };
}

const withInventory = ({ document }: Answer, inventory: Answer): unknown => ({
  ...Object(document),
  inventory: inventory.document,
});

function showAll(certificates: readonly Certificate[], screen: Screen, now: Date): void {
  if (certificates.length > 0) showCertificates(certificates, screen, now);
  else screen.out('There is no certificate yet.');
}

function showEngines({ schedule, queues }: Status, screen: Screen): void {
  const line = (text: string) => screen.out(painted(text, 'plain', screen));
  if (!('error' in schedule)) {
    const { state, lastRunAt, lastResult, nextRunAt } = schedule;
    const last = lastRunAt ? `last run ${minute(lastRunAt)} ${lastResult}` : 'never ran';
    line(`schedule: ${state}, ${last}, next run ${nextRunAt ? minute(nextRunAt) : 'not planned'}`);
  }
  if (!('error' in queues))
    for (const { issuer, state } of queues) line(`queue of ${issuer}: ${state}`);
}

const minute = (moment: Date) => `${moment.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

function troublesOf({ schedule, queues, certificates }: Status): readonly string[] {
  const unread = Object.entries({ schedule, queues, certificates }).flatMap(([part, of]) =>
    'error' in of ? [`${part}: ${of.error}`] : [],
  );
  const queueTroubles = 'error' in queues ? [] : queues.flatMap(queueTrouble);
  if ('error' in certificates) return [...unread, ...queueTroubles];
  const { failed, expired, invalid } = certificates;
  return [
    ...unread,
    ...queueTroubles,
    ...(failed > 0 ? [`certificates that failed: ${failed}`] : []),
    ...(expired > 0 ? [`certificates that expired: ${expired}`] : []),
    ...invalid.map(({ id, problem }) => `the record of ${id} ${problem}`),
  ];
}

const queueTrouble = ({
  issuer,
  problem,
}: Readonly<{ issuer: string; problem?: string | undefined }>) =>
  problem ? [`queue of ${issuer}: ${problem}`] : [];
