import type { Config } from '../../shared/config.ts';
import type { Session } from '../command.ts';
import { type Certificate, certificateSchema, certificatesSchema } from '../documents.ts';
import { APPLY, describeSubscription, readLog } from './commands.ts';
import { type Finding, fault, note, ok } from './finding.ts';
import { part } from './part.ts';

const CHECK = 'topic';
const POLL_MS = 500;
const POLLS = 60;

/**
 * A message through the whole way: api, reconcile, topic, subscription, sync. It asks for a certificate that is delivered to be delivered
 * once more, which writes nothing but the moment of it into the record; that moment is the proof.
 */
export async function deliveryFinding(session: Session, config: Config): Promise<Finding> {
  const { client } = session;
  const inventory = await part(client.get('/v1/certificates'), certificatesSchema);
  if ('problem' in inventory) return note(CHECK, `not checked: ${inventory.problem}`);
  const certificate = inventory.value.certificates.find(isDelivered);
  if (!certificate)
    return note(
      CHECK,
      'not checked: no certificate is delivered yet that could be delivered again; the first one proves the same',
      'npm run certherd -- issue NAME --target CLUSTER/NAMESPACE/SECRET --wait',
    );
  const path = `/v1/certificates/${encodeURIComponent(certificate.id)}`;
  const asked = await part(client.post(`${path}:deliver`), certificateSchema);
  if ('problem' in asked) return refused(asked.problem);
  const before = asked.value.delivered?.at.getTime();
  for (let poll = 1; poll <= POLLS; poll += 1) {
    await session.sleep(POLL_MS);
    const now = await part(client.get(path), certificateSchema);
    if ('value' in now && now.value.delivered?.at.getTime() !== before)
      return ok(CHECK, `a message came through to sync, which delivered ${certificate.id} again`);
  }
  return lost(certificate, config);
}

const isDelivered = ({ version, delivered, askers, targets }: Certificate) =>
  version !== null &&
  delivered?.version === version &&
  delivered.failed.length === 0 &&
  askers.length + targets.length > 0;

const refused = (problem: string): Finding =>
  /^Your role/.test(problem)
    ? note(CHECK, `not checked: ${problem}`)
    : fault(CHECK, `no message could be sent: ${problem}`, APPLY);

const lost = ({ id }: Certificate, config: Config): Finding =>
  fault(
    CHECK,
    `a message was published, and sync has not delivered ${id} within ${(POLLS * POLL_MS) / 1000} s: the subscription ${config.installation}-sync is gone or leads elsewhere, or sync fails`,
    `${describeSubscription(config)} || ${APPLY}; ${readLog('sync', config)}`,
  );
