import { certificateSecretPrefix } from '../../shared/domain/certificate.ts';
import { recordAnnotations } from '../../shared/domain/record-annotations.ts';
import { requireRole } from './access.ts';
import type { ApiCall, ApiReply } from './router.ts';
import type { InvalidRecord } from './status.ts';

/** The form of the backup's own document. */
const FORMAT = 1;

/** GET /v1/backup: what is known about certificates, as their secrets' annotations hold it, and the configuration. No key is read for it. */
export async function backup({ caller, ports, settings }: ApiCall): Promise<ApiReply> {
  requireRole(caller, 'admin', 'back up');
  const invalid: InvalidRecord[] = [];
  const stored = await ports.records.list((id, problem) => invalid.push({ id, problem }));
  const { config } = settings;
  const records = stored
    .map(({ id, record }) => ({
      secret: `${certificateSecretPrefix(config.installation)}${id}`,
      annotations: recordAnnotations(record),
    }))
    .sort((a, b) => (a.secret < b.secret ? -1 : 1));
  return {
    status: 200,
    body: { format: FORMAT, at: ports.time.now(), configuration: config, records, invalid },
  };
}
