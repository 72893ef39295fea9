import { OAuth2Client, PassThroughClient } from 'google-auth-library';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../local/clock.ts';
import { startCloudDns } from '../../local/cloud-dns/cloud-dns.ts';
import { quotaExceeded } from '../../local/cloud-dns/faults.ts';
import { LegacyGoogleFault } from '../../local/google-api.ts';
import { memoryStore } from '../../local/state.ts';
import { createZones } from '../../shared/adapters/cloud-dns.ts';
import { CertificateError } from '../../shared/errors.ts';
import { type RecordSet, type ZonesUnderTest, zonesContract } from './zones.ts';

zonesContract('Cloud DNS in this process', create);

async function create(): Promise<ZonesUnderTest> {
  let turns: (() => Promise<void>)[] = [];
  const dns = await startCloudDns({
    store: memoryStore(),
    clock: systemClock,
    pendingMs: 10,
    propagationMs: 10,
    before: async ({ method, url, headers }) => {
      if (method !== 'POST' || !url?.includes('/a-test/changes') || headers['x-rival']) return;
      await turns.shift()?.();
    },
  });
  dns.addZone({ project: 'p', dnsName: 'a.test' });
  dns.addZone({ project: 'p', dnsName: 'b.test' });
  dns.addZone({ project: 'p', dnsName: 'a.test', name: 'inner', visibility: 'private' });
  const zone = `${dns.url}/dns/v1/projects/p/managedZones/a-test`;
  const call = async (path: string) => (await fetch(`${zone}/${path}`)).json();
  const at = async (owner: string): Promise<RecordSet[]> => {
    const { rrsets } = (await call(`rrsets?name=${owner}.`)) as { rrsets: RecordSet[] };
    return rrsets.map(({ name, type, ttl, rrdatas }) => ({ name, type, ttl, rrdatas }));
  };
  return {
    zones: createZones({ endpoint: dns.url, authClient: new PassThroughClient() }),
    at,
    put: async (set) => {
      const there = await at(set.name.replace(/\.$/, ''));
      const body = {
        additions: [set],
        deletions: there.filter(({ type }) => type === set.type),
      };
      const headers = { 'content-type': 'application/json', 'x-rival': 'yes' };
      const response = await fetch(`${zone}/changes`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(await response.text());
    },
    changes: async () => ((await call('changes')) as { changes: unknown[] }).changes.length,
    interfere: (next) => {
      turns = [...next];
    },
    close: () => dns.close(),
  };
}

describe('Cloud DNS', () => {
  let fault: LegacyGoogleFault | undefined;
  let dns: Awaited<ReturnType<typeof startCloudDns>>;
  const zones = (differs: Partial<Parameters<typeof createZones>[0]> = {}) =>
    createZones({ endpoint: dns.url, authClient: new PassThroughClient(), ...differs });
  const challenge = { project: 'p', zone: 'a-test', owner: 'www.a.test', value: 'x' };
  beforeAll(async () => {
    dns = await startCloudDns({
      store: memoryStore(),
      clock: systemClock,
      before: () => {
        if (fault) throw fault;
      },
    });
    dns.addZone({ project: 'p', dnsName: 'a.test' });
  });
  afterEach(() => {
    fault = undefined;
  });
  afterAll(() => dns.close());

  test('is unavailable within our own limit when nobody answers', async () => {
    await expect(
      zones({ endpoint: 'http://127.0.0.1:1', deadlineMs: 100 }).list('p'),
    ).rejects.toMatchObject({
      code: 'dns-unavailable',
      message:
        'cannot reach the zones of project p in Cloud DNS: no answer within 100 ms; if it lasts, check the network here and https://status.cloud.google.com',
    });
  });

  test('is not asked without a token, and what is said of that is not covered up', async () => {
    const authClient = new OAuth2Client();
    const failure = new CertificateError('identity-unavailable', 'no token');
    authClient.refreshHandler = () => Promise.reject(failure);
    await expect(zones({ authClient }).list('p')).rejects.toBe(failure);
  });

  test.for<[string, LegacyGoogleFault, string, string]>([
    [
      'says which right is missing',
      new LegacyGoogleFault(403, 'forbidden', 'Forbidden'),
      'not-permitted',
      'permission denied (Forbidden); grant dns.changes.create, dns.changes.get, dns.managedZones.get, dns.resourceRecordSets.list and, for the TXT sets of challenges, dns.resourceRecordSets.create, .delete, .get and .update on zone a-test of project p',
    ],
    [
      'has a quota that is used up',
      quotaExceeded('resource record sets per managed zone'),
      'dns-unavailable',
      'The change would exceed quota for resource record sets per managed zone; remove what is not needed there, or raise the quota',
    ],
    [
      'is asked too often',
      new LegacyGoogleFault(403, 'rateLimitExceeded', 'Rate Limit Exceeded'),
      'dns-unavailable',
      'Rate Limit Exceeded; wait, or raise the quota',
    ],
    [
      'is not switched on',
      new LegacyGoogleFault(403, 'accessNotConfigured', 'Cloud DNS API is disabled.'),
      'dns-unavailable',
      'Cloud DNS API is disabled; enable dns.googleapis.com in that project',
    ],
    [
      'is not paid for',
      new LegacyGoogleFault(403, 'inactiveBillingState', 'Billing is inactive'),
      'dns-unavailable',
      'Billing is inactive; enable the billing of that project',
    ],
    [
      'is unavailable at once when it says so',
      new LegacyGoogleFault(503, 'backendError', 'Backend error'),
      'dns-unavailable',
      'Backend error; if it lasts, check the network here and https://status.cloud.google.com',
    ],
    [
      'does not understand us',
      new LegacyGoogleFault(400, 'invalid', 'Invalid value'),
      'dns-unavailable',
      'Invalid value',
    ],
  ])('%s', async ([, scripted, code, words]) => {
    fault = scripted;
    const owner = '_acme-challenge.a.test';
    await expect(zones().present([{ ...challenge, owner }])).rejects.toMatchObject({
      code,
      message: `cannot reach zone a-test of project p in Cloud DNS: ${words}`,
    });
  });
});
