import { type Answer, type Client, documentOf } from '../client.ts';
import { type ExitCode, type Session, showDocument } from '../command.ts';
import { type Certificate, certificatesSchema, type Status, statusSchema } from '../documents.ts';
import { showCertificates } from '../render.ts';
import { painted, type Screen } from '../screen.ts';

/** What is. Exit 1 when a certificate failed or expired, or a part cannot be read. */
export async function status(session: Session): Promise<ExitCode> {
  const answer = await session.client.get('/v1/status');
  const inventory = await inventoryOf(answer, session.client);
  showDocument(session, inventory ? withInventory(answer, inventory) : answer);
  const document = documentOf(answer, statusSchema);
  const certificates = inventory && documentOf(inventory, certificatesSchema).certificates;
  const sentences = troublesOf(document);
  if (!session.json) {
    if (certificates) showAll(certificates, session.screen);
    showEngines(document, session.screen);
    for (const sentence of sentences) session.screen.out(painted(sentence, 'bad', session.screen));
  }
  return sentences.length > 0 ? 1 : 0;
}

/** Every certificate, unless the status says that they cannot be read or is none itself. */
async function inventoryOf(status: Answer, client: Client): Promise<Answer | undefined> {
  const { data } = statusSchema.safeParse(status.document);
  return data && !('error' in data.certificates) ? client.get('/v1/certificates') : undefined;
}

const withInventory = ({ status, document }: Answer, inventory: Answer): Answer => ({
  status,
  document: { ...Object(document), inventory: inventory.document },
});

function showAll(certificates: readonly Certificate[], screen: Screen): void {
  if (certificates.length > 0) showCertificates(certificates, screen);
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
