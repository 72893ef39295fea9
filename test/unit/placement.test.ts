import { expect, test } from 'vitest';
import { CertificateError } from '../../shared/errors.ts';
import type { Attempt } from '../../shared/jobs/attempt.ts';
import { placements } from '../../shared/jobs/placement.ts';

const SERVERS = ['ns1.test', 'ns2.test'];
const zone = { project: 'p', zone: 'a-test', dnsName: 'a.test', nameServers: SERVERS };

/** A name below sub.a.test, which our zone a.test is cut at, with the projects p, whose zone that is, and q. */
const attempt = (zonesOfQ: () => readonly (typeof zone)[]): Attempt =>
  ({
    identity: { names: ['www.sub.a.test'] },
    settings: { zoneProjects: ['p', 'q'] },
    ports: {
      zones: { list: async (project: string) => (project === 'p' ? [zone] : zonesOfQ()) },
      lookup: {
        canonicalName: async (name: string) => name,
        delegation: async () => SERVERS,
        cutBelow: async () => 'sub.a.test',
      },
    },
  }) as unknown as Attempt;

test.for<[string, () => readonly (typeof zone)[], string]>([
  ['is delegated away when all zones are known', () => [], 'dns-not-delegated'],
  [
    'is waited for while the zone may be one that cannot be read',
    () => {
      throw new CertificateError('dns-unavailable', 'HTTP 503');
    },
    'dns-unavailable',
  ],
])('a name below a cut of a zone %s', async ([, zonesOfQ, code]) => {
  await expect(placements(attempt(zonesOfQ))).rejects.toMatchObject({ code });
});
