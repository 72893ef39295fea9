import { systemClock } from '../../local/clock.ts';
import { startCloudDns } from '../../local/cloud-dns/cloud-dns.ts';
import { memoryStore } from '../../local/state.ts';
import { createNameLookup } from '../../shared/adapters/dns-lookup.ts';
import { nameLookupContract } from './name-lookup.ts';

nameLookupContract('the DNS of the embedded Cloud DNS', async () => {
  const dns = await startCloudDns({ store: memoryStore(), clock: systemClock });
  for (const dnsName of ['a.test', 'b.test', 'test']) dns.addZone({ project: 'p', dnsName });
  dns.addZone({ project: 'p', dnsName: 'lame.test', delegated: false });
  dns.addRecords([{ name: 'broken.test', type: 'NS', rrdatas: ['ns.out-of-reach.example.'] }]);
  for (const [name, ns] of [
    ['away.a.test', 'ns.provider.example'],
    ['beside.a.test', 'ns-cloud-a1.googledomains.com'],
  ] as const) {
    dns.addRecords([{ name, type: 'NS', rrdatas: [`${ns}.`] }]);
    dns.addZone({
      ...{ project: 'other', dnsName: name, delegated: false },
      nameServers: [ns],
    });
  }
  const zone = await fetch(`${dns.url}/dns/v1/projects/p/managedZones/a-test`);
  const { nameServers } = (await zone.json()) as { nameServers: string[] };
  return {
    lookup: createNameLookup({
      resolver: `127.0.0.1:${dns.dnsPort}`,
      port: dns.dnsPort,
      timeoutMs: 500,
    }),
    nameServers: nameServers.map((server) => server.replace(/\.$/, '')),
    put: async (set) => dns.addRecords([set]),
    close: () => dns.close(),
  };
});
