import { emptyState, type SecretManagerState } from '../../../local/secret-manager/state.ts';
import { recordAnnotations } from '../../../shared/domain/record-annotations.ts';
import { fleetMember } from './certificate.ts';

const PROJECT = 'projects/123456789012';
const CREATED = '2026-01-01T00:00:00.000000Z';

/** What Secret Manager holds when that many certificates were issued and delivered. */
export function storedFleet(project: string, certificates: number): SecretManagerState {
  const state = emptyState();
  state.projects.push(project);
  for (let number = 0; number < certificates; number += 1) {
    const { id, record } = fleetMember(number);
    const name = `${PROJECT}/secrets/certherd-cert-${id}`;
    state.changes += 1;
    state.secrets[name] = {
      born: state.changes,
      secret: {
        name,
        createTime: CREATED,
        replication: { automatic: {} },
        labels: { 'certherd-certificate': 'certherd' },
        annotations: recordAnnotations(record),
        topics: [{ name: `projects/${project}/topics/certherd-versions` }],
        versionAliases: { current: '1' },
        etag: `"${(0x16_0000_0000_0000 + number).toString(16)}"`,
      },
      versions: [
        {
          version: {
            name: `${name}/versions/1`,
            createTime: CREATED,
            state: 'ENABLED',
            replicationStatus: { automatic: {} },
            etag: `"${(0x17_0000_0000_0000 + number).toString(16)}"`,
          },
          data: Buffer.from('no run reads it').toString('base64'),
        },
      ],
    };
  }
  return state;
}
