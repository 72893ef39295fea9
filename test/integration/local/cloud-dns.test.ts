import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../../local/clock.ts';
import type { CloudDns, CloudDnsState } from '../../../local/cloud-dns/cloud-dns.ts';
import type { Store } from '../../../local/state.ts';
import {
  APEX_NS,
  api,
  ask,
  change,
  clientOf,
  closeStarted,
  lines,
  many,
  NAME,
  recursively,
  rrsets,
  set,
  start,
  startWithZone,
  txt,
} from './cloud-dns/service.ts';

afterEach(closeStarted);

const OWN = `?name=${NAME}&type=TXT`;

describe('the API through @google-cloud/dns', () => {
  test('adds a TXT set that the name servers answer at once', async () => {
    const { zone, resolver } = await startWithZone();
    const [made] = await zone.createChange({ add: txt(zone, ['"one"', '"two"']) });
    expect(made.metadata).toMatchObject({ id: '1', status: 'done' });
    const [records] = await zone.getRecords({ name: NAME, type: 'TXT' });
    expect(records.map(({ data }) => data)).toEqual([['"one"', '"two"']]);
    expect(await resolver.resolveTxt(NAME)).toEqual([['one'], ['two']]);
  });

  test('replaces a set in one change and shows both sides of it', async () => {
    const { zone, resolver } = await startWithZone();
    await zone.createChange({ add: txt(zone, ['"one"']) });
    const [old] = await zone.getRecords({ name: NAME, type: 'TXT' });
    await zone.createChange({ delete: old, add: txt(zone, ['"one"', '"two"']) });
    expect(await resolver.resolveTxt(NAME)).toEqual([['one'], ['two']]);
    const [changes] = await zone.getChanges();
    expect(changes.map(({ id }) => id)).toEqual(['0', '1', '2']);
    expect(changes[2]?.metadata).toMatchObject({
      deletions: [{ rrdatas: ['"one"'] }],
      additions: [{ rrdatas: ['"one"', '"two"'] }],
    });
  });

  test('reports a refusal with its code and reason', async () => {
    const { zone } = await startWithZone();
    await zone.createChange({ add: txt(zone, ['"one"']) });
    await expect(zone.createChange({ add: txt(zone, ['"two"']) })).rejects.toMatchObject({
      code: 409,
      errors: [{ reason: 'alreadyExists', domain: 'global' }],
    });
  });

  test('pages a long list without losing or doubling a set', async () => {
    const { service, zone } = await startWithZone();
    const additions = many(230, (n) => set(`h${n}.a.test.`, 'A', ['127.0.0.1']));
    await change(service, { additions });
    const [records] = await zone.getRecords();
    expect(records).toHaveLength(232);
    expect(new Set(records.map(({ metadata, type }) => `${metadata.name} ${type}`)).size).toBe(232);
    expect(await rrsets(service)).toHaveLength(100);
    expect(await rrsets(service, '?maxResults=7')).toHaveLength(7);
  });

  test('a page begins after the last one, though its last item is gone', async () => {
    const { service } = await startWithZone();
    const list = '/managedZones/a-test/rrsets?maxResults=2';
    const [first, second, third] = hosts(3);
    await change(service, { additions: [third, second, first] });
    // The apex sets come first by their name.
    const apex = (await api(service, list)).body;
    const one = (await api(service, `${list}&pageToken=${apex.nextPageToken}`)).body;
    expect(one.rrsets).toMatchObject([first, second]);
    await change(service, { deletions: [second] });
    const two = (await api(service, `${list}&pageToken=${one.nextPageToken}`)).body;
    expect(two.rrsets).toMatchObject([third]);
    expect(two.nextPageToken).toBe(undefined);
  });

  test('lists changes from either end', async () => {
    const { service } = await startWithZone();
    for (const host of hosts(11)) await change(service, { additions: [host] });
    const idsOf = async (order: string) => {
      const query = `?sortBy=changeSequence&sortOrder=${order}&maxResults=3`;
      const { changes } = (await api(service, `/managedZones/a-test/changes${query}`)).body;
      return changes.map(({ id }) => id);
    };
    expect(await idsOf('descending')).toEqual(['11', '10', '9']);
    expect(await idsOf('ascending')).toEqual(['0', '1', '2']);
  });

  test('lists a private and a public zone of one name, found by it', async () => {
    const { service } = await startWithZone();
    service.addZone({ project: 'p', dnsName: 'a.test', visibility: 'private' });
    service.addZone({ project: 'p', dnsName: 'b.test' });
    // The library hands the query on, but its types leave this filter out.
    const [zones] = await clientOf(service).getZones({ dnsName: 'a.test.' } as object);
    expect(zones.map(({ metadata }) => `${metadata.name} ${metadata.visibility}`)).toEqual([
      'a-test public',
      'private-a-test private',
    ]);
  });
});

const kept = set('kept.a.test.', 'TXT', ['"v"']);
const adding = (...additions: ReturnType<typeof set>[]) => ({ additions });
const deleting = (...deletions: ReturnType<typeof set>[]) => ({ deletions });
const txtOf = (...values: string[]) => set('x.a.test.', 'TXT', values);
const hosts = (count: number, value = '127.0.0.1', type = 'A') =>
  many(count, (n) => set(`h${n}.a.test.`, type, [value]));

const CODES: Readonly<Record<string, number>> = {
  required: 400,
  invalid: 400,
  invalidRecordCount: 400,
  invalidZoneApex: 400,
  cnameResourceRecordSetConflict: 400,
  quotaExceeded: 403,
  notFound: 404,
  alreadyExists: 409,
  conditionNotMet: 412,
  notImplemented: 501,
};

const ADDED = 'entity.change.additions[0]';
const DELETED = 'entity.change.deletions[0]';
const eitherCname = (name: string) =>
  `The resource record set '${ADDED}' is invalid because the DNS name '${name}' may have either one CNAME resource record set or resource record sets of other types, but not both.`;
const invalidAddition = (field: string, value: string) =>
  `Invalid value for '${ADDED}.${field}': '${value}'`;
const over = (what: string) => `The change would exceed quota for ${what}.`;

type Refusal = [string, object, string, string];

describe('a change is refused, and nothing of it happens:', () => {
  test.for<Refusal>([
    ['empty', {}, 'required', "The 'entity.change' parameter is required but was missing."],
    [
      'adding what is there',
      adding(kept),
      'alreadyExists',
      `The resource '${ADDED}' named 'kept.a.test. (TXT)' already exists`,
    ],
    [
      'deleting what is not there',
      deleting(txtOf('v')),
      'notFound',
      `The '${DELETED}' resource named 'x.a.test. (TXT)' does not exist.`,
    ],
    [
      'deleting other data',
      deleting({ ...kept, rrdatas: ['w'] }),
      'conditionNotMet',
      `Precondition not met for '${DELETED}'`,
    ],
    [
      'deleting with another ttl',
      deleting({ ...kept, ttl: 61 }),
      'conditionNotMet',
      `Precondition not met for '${DELETED}'`,
    ],
    [
      'one bad part among good ones',
      { ...adding(txtOf('new')), ...deleting(kept, kept) },
      'notFound',
      "The 'entity.change.deletions[1]' resource named 'kept.a.test. (TXT)' does not exist.",
    ],
    [
      'without the apex NS',
      deleting(set('a.test.', 'NS', APEX_NS, 21_600)),
      'invalidZoneApex',
      `The resource record set '${DELETED}' is invalid because a zone must contain exactly one resource record set of type 'NS' at the apex.`,
    ],
    [
      'two CNAMEs',
      adding(set('x.a.test.', 'CNAME', ['b.test.', 'c.test.'])),
      'invalidRecordCount',
      `The resource record set '${ADDED}' is only permitted to have one record because it is of type CNAME.`,
    ],
    [
      'a type that is not implemented',
      adding(set('x.a.test.', 'HTTPS', ['1 .'])),
      'notImplemented',
      'the record type HTTPS is not implemented by this stand-in',
    ],
    ...many<Refusal>(2, (n) => {
      const name = ['kept.a.test.', 'a.test.'][n] ?? '';
      return [
        `a CNAME at ${name}, beside other data`,
        adding(set(name, 'CNAME', ['b.test.'])),
        'cnameResourceRecordSetConflict',
        eitherCname(name),
      ];
    }),
    ...[
      ['without the final dot', 'x.a.test'],
      ['outside the zone', 'x.ba.test.'],
      ['with an empty label', 'x..a.test.'],
      ['with a star in the middle', 'x.*.a.test.'],
    ].map<Refusal>(([what, name = '']) => [
      `a name ${what}`,
      adding(set(name, 'TXT', ['v'])),
      'invalid',
      invalidAddition('name', name),
    ]),
    ...[
      ['A', '999.0.0.1'],
      ['A', '::1'],
      ['AAAA', '127.0.0.1'],
      ['CNAME', 'b.test'],
      ['CAA', '0 issue'],
      ['MX', 'mail.a.test.'],
      ['TXT', 'ä'.repeat(128)],
      ['TXT', '"open'],
    ].map<Refusal>(([type = '', value = '']) => [
      `${type} data ${value.slice(0, 20)}`,
      adding(set('x.a.test.', type, [value])),
      'invalid',
      invalidAddition('rrdata[0]', value),
    ]),
    ['no data', adding(txtOf()), 'invalid', invalidAddition('rrdata', '<empty>')],
    ['the same twice', adding(txtOf('v', '"v"')), 'invalid', invalidAddition('rrdata[1]', '"v"')],
    ['a ttl below 0', adding({ ...kept, ttl: -1 }), 'invalid', invalidAddition('ttl', '-1')],
    [
      '101 records in a set',
      adding(txtOf(...many(101, String))),
      'quotaExceeded',
      over('resource records per resource record set'),
    ],
    ['1001 additions', adding(...hosts(1001)), 'quotaExceeded', over('additions per change')],
    [
      'more than 100 000 bytes',
      adding(...hosts(400, 'v'.repeat(249), 'TXT')),
      'quotaExceeded',
      over('total rrdata size per change'),
    ],
  ])('%s', async ([, body, reason, message]) => {
    const { service } = await startWithZone();
    await change(service, { additions: [kept] });
    const before = await rrsets(service);
    const code = CODES[reason];
    expect(await change(service, body)).toEqual({
      status: code,
      body: { error: { code, message, errors: [{ message, domain: 'global', reason }] } },
    });
    expect(await rrsets(service)).toEqual(before);
  });
});

const apexNs = set('a.test.', 'NS', APEX_NS, 21_600);

test.for<[string, object]>([
  ['100 records in a set', adding(txtOf(...many(100, String)))],
  ['1000 additions', adding(...hosts(1000))],
  ['100 000 bytes', adding(...hosts(400, 'v'.repeat(248), 'TXT'))],
  ['the apex NS replaced', { ...deleting(apexNs), ...adding({ ...apexNs, ttl: 60 }) }],
  ['a wildcard', adding(set('*.a.test.', 'CNAME', ['b.test.']))],
])('a change takes %s', async ([, body]) => {
  const { service } = await startWithZone();
  expect((await change(service, body)).status).toBe(200);
});

test.for<[string, string, string, string]>([
  ['bare', 'abc', '"abc"', 'abc'],
  ['quoted', '"a b"', '"a b"', 'a b'],
  ['as two bare words, which are two strings', 'a b', '"a" "b"', 'a|b'],
  ['with escapes', String.raw`"a\"b\\c\065"`, String.raw`"a\"b\\c\065"`, 'a"b\\cA'],
  ['in strings with letters beyond ASCII', '"grün" "blau"', '"grün" "blau"', 'grün|blau'],
])('a TXT value that comes %s is stored quoted', async ([, given, stored, answered]) => {
  const { service } = await startWithZone();
  await change(service, adding(set(NAME, 'TXT', [given])));
  expect(await rrsets(service, OWN)).toMatchObject([{ rrdatas: [stored] }]);
  const { answers } = await recursively(service, NAME.slice(0, -1), 'TXT');
  expect(lines(answers)).toEqual([`${NAME.slice(0, -1)} TXT ${answered}`]);
});

test('every change counts the serial of the zone up, in the API and on the wire', async () => {
  const { service, resolver } = await startWithZone();
  const serials = async () => {
    const [soa] = await rrsets(service, '?name=a.test.&type=SOA');
    return [Number(soa?.rrdatas[0]?.split(' ')[2]), (await resolver.resolveSoa('a.test')).serial];
  };
  expect(await serials()).toEqual([1, 1]);
  await change(service, adding(kept));
  expect(await serials()).toEqual([2, 2]);
});

describe('a change that takes time', () => {
  const slow = async (pendingMs?: number) => {
    const clock = manualClock(new Date('2026-11-21T12:00:00Z'));
    return { clock, ...(await startWithZone({ clock, propagationMs: 5_000, pendingMs })) };
  };
  const statusOf = async (service: CloudDns) =>
    (await api(service, '/managedZones/a-test/changes/1')).body.status;
  const own = set(NAME, 'TXT', ['"v"']);

  test('is pending, shown by the API and not yet served', async () => {
    const { clock, service, resolver } = await slow();
    expect((await change(service, adding(own))).body.status).toBe('pending');
    expect(await rrsets(service, OWN)).toMatchObject([own]);
    clock.advance(4_999);
    expect(await statusOf(service)).toBe('pending');
    await expect(resolver.resolveTxt(NAME)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    clock.advance(1);
    expect(await statusOf(service)).toBe('done');
    expect(await resolver.resolveTxt(NAME)).toEqual([['v']]);
  });

  test('can be done before it is served', async () => {
    const { clock, service, resolver } = await slow(0);
    await change(service, adding(own));
    expect(await statusOf(service)).toBe('done');
    await expect(resolver.resolveTxt(NAME)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    clock.advance(5_000);
    expect(await resolver.resolveTxt(NAME)).toEqual([['v']]);
  });

  test('leaves the old values and the old serial served until then', async () => {
    const { clock, service, resolver } = await slow();
    service.addRecords([{ name: NAME, type: 'TXT', ttl: 60, rrdatas: ['v'] }]);
    const { serial } = await resolver.resolveSoa('a.test');
    await change(service, { ...deleting(own), ...adding(set(NAME, 'TXT', ['new'])) });
    await change(service, deleting(set(NAME, 'TXT', ['new'])));
    expect(await resolver.resolveTxt(NAME)).toEqual([['v']]);
    expect((await resolver.resolveSoa('a.test')).serial).toBe(serial);
    clock.advance(5_000);
    await expect(resolver.resolveTxt(NAME)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect((await resolver.resolveSoa('a.test')).serial).toBe(serial + 2);
  });
});

describe('a zone', () => {
  const wanted = { name: 'z', dnsName: 'z.test.', description: 'd', labels: { a: 'b' } };

  test('is made, found by name and by an id beyond what a number holds, and deleted', async () => {
    const service = await start();
    const body = { ...wanted, privateVisibilityConfig: { networks: [] } };
    const made = await api(service, '/managedZones', { body });
    expect(made.body).toMatchObject({ ...wanted, visibility: 'public', nameServers: APEX_NS });
    expect(made.body).not.toHaveProperty('privateVisibilityConfig');
    expect(Number.isSafeInteger(Number(made.body.id))).toBe(false);
    expect((await api(service, `/managedZones/${made.body.id}`)).body).toEqual(made.body);
    expect((await api(service, '/managedZones', { body })).status).toBe(409);
    expect((await api(service, '/managedZones/z', { method: 'DELETE' })).status).toBe(200);
    expect((await api(service, '/managedZones/z')).body.error).toMatchObject({
      code: 404,
      message: "The 'parameters.managedZone' resource named 'z' does not exist.",
    });
  });

  test('is not deleted while it holds records', async () => {
    const { service } = await startWithZone();
    service.addRecords([{ name: 'a.test', type: 'A', rrdatas: ['127.0.0.1'] }]);
    const refused = await api(service, '/managedZones/a-test', { method: 'DELETE' });
    expect(refused.body.error).toMatchObject({
      code: 400,
      errors: [{ reason: 'containerNotEmpty' }],
    });
  });

  test('is updated as a whole and patched in part, and keeps its identity', async () => {
    const { service } = await startWithZone();
    const at = '/managedZones/a-test';
    const { body: zone } = await api(service, at);
    const put = await api(service, at, { method: 'PUT', body: { ...zone, description: 'new' } });
    expect(put.body).toMatchObject({ kind: 'dns#operation', status: 'done' });
    await api(service, at, { method: 'PATCH', body: { labels: { a: 'b' } } });
    const expected = { id: zone.id, description: 'new', labels: { a: 'b' } };
    expect((await api(service, at)).body).toMatchObject(expected);
    const renamed = await api(service, at, { method: 'PATCH', body: { dnsName: 'b.test.' } });
    expect(renamed.status).toBe(400);
  });

  test('keeps a policy with its conditions and refuses one made from an old one', async () => {
    const { service } = await startWithZone();
    const get = () => api(service, '/managedZones/a-test:getIamPolicy', { method: 'POST' });
    const put = (policy: object) =>
      api(service, '/managedZones/a-test:setIamPolicy', { body: { policy } });
    const condition = { title: 't', expression: 'true' };
    const bindings = [{ role: 'roles/dns.admin', members: ['user:a@b.c'], condition }];
    const policy = { ...(await get()).body, version: 3, bindings };
    const written = await put(policy);
    expect(written.body).toMatchObject({ version: 3, bindings });
    expect((await get()).body).toEqual(written.body);
    expect((await put(policy)).status).toBe(409);
  });

  test('gets name servers of its own, and of two public ones of a name the first is delegated', async () => {
    const { service } = await startWithZone();
    service.addZone({ project: 'p', dnsName: 'a.test', name: 'twin' });
    const { nameServers } = (await api(service, '/managedZones/twin')).body;
    expect(nameServers[0]).toBe('ns-cloud-b1.googledomains.com.');
    const body = adding(set(NAME, 'TXT', ['twin']));
    await api(service, '/managedZones/twin/changes', { body });
    expect((await recursively(service, NAME, 'TXT')).rcode).toBe('NXDOMAIN');
  });

  test('that is delegated takes the records of its name, whichever came first', async () => {
    const service = await start();
    service.addZone({ project: 'p', dnsName: 'b.test', name: 'idle', delegated: false });
    service.addZone({ project: 'p', dnsName: 'b.test', name: 'live', delegated: true });
    service.addRecords([{ name: 'b.test', type: 'TXT', rrdatas: ['v'] }]);
    for (const said of [
      await recursively(service, 'b.test', 'TXT'),
      await ask(service, 'b.test', 'TXT'),
    ])
      expect(lines(said.answers)).toEqual(['b.test TXT v']);
  });

  test('is added once, and under a name that no other one has', async () => {
    const { service } = await startWithZone();
    for (const dnsName of ['a.test', 'A.test.', 'x-y.test', 'x.y.test', '9.test'])
      service.addZone({ project: 'p', dnsName });
    const [zones] = await clientOf(service).getZones();
    expect(zones.map(({ metadata }) => `${metadata.name} ${metadata.dnsName}`)).toEqual([
      'a-test a.test.',
      'x-y-test x-y.test.',
      'x-y-test-2 x.y.test.',
      'zone-9-test 9.test.',
    ]);
  });

  test('that is private is not answered', async () => {
    const service = await start();
    service.addZone({ project: 'p', dnsName: 'b.test', visibility: 'private' });
    expect((await recursively(service, 'b.test', 'SOA')).rcode).toBe('NXDOMAIN');
    expect((await ask(service, 'b.test', 'SOA')).rcode).toBe('REFUSED');
  });

  test('made through the API below another one waits for NS records in that', async () => {
    const { service } = await startWithZone();
    const body = { name: 'sub', dnsName: 'sub.a.test.', description: '' };
    const { nameServers } = (await api(service, '/managedZones', { body })).body;
    const record = adding(set('x.sub.a.test.', 'TXT', ['v']));
    await api(service, '/managedZones/sub/changes', { body: record });
    expect((await recursively(service, 'x.sub.a.test', 'TXT')).rcode).toBe('NXDOMAIN');
    await change(service, adding(set('sub.a.test.', 'NS', [...nameServers])));
    const said = await recursively(service, 'x.sub.a.test', 'TXT');
    expect(lines(said.answers)).toEqual(['x.sub.a.test TXT v']);
  });
});

test.for<[string, string, object | undefined, number]>([
  ['a list by type alone', '/managedZones/a-test/rrsets?type=TXT', undefined, 400],
  ['a page of no size', '/managedZones?maxResults=0', undefined, 400],
  ['a page token never given out', '/managedZones?pageToken=eA', undefined, 400],
  ['capitals in a name', '/managedZones', { name: 'Z', dnsName: 'z.test.' }, 400],
  ['a zone without DNS name', '/managedZones', { name: 'z' }, 400],
  ['a forwarding zone', '/managedZones', { name: 'z', dnsName: 'z.', forwardingConfig: {} }, 501],
  [
    'a signed zone',
    '/managedZones',
    { name: 'z', dnsName: 'z.', dnssecConfig: { state: 'on' } },
    501,
  ],
  ['DNS policies', '/policies', undefined, 501],
])('the API refuses %s', async ([, path, body, code]) => {
  const { service } = await startWithZone();
  const refused = await api(service, path, { body });
  expect(refused).toMatchObject({ status: code, body: { error: { code } } });
});

test('what was answered is there after a restart', async () => {
  let saved: CloudDnsState | undefined;
  const store: Store<CloudDnsState> = {
    load: () => saved,
    save: (state) => {
      saved = structuredClone(state);
    },
  };
  const { service, zone } = await startWithZone({ store });
  await zone.createChange({ add: txt(zone, ['"one"']) });
  const listed = await rrsets(service);
  await service.close();
  const { service: next, resolver } = await startWithZone({ store });
  expect(await rrsets(next)).toEqual(listed);
  expect(await resolver.resolveTxt(NAME)).toEqual([['one']]);
});

test('a change that cannot be saved has not happened', async () => {
  let full = false;
  const save = () => {
    if (full) throw new Error('disk full');
  };
  const { service } = await startWithZone({ store: { load: () => undefined, save } });
  full = true;
  expect((await change(service, adding(kept))).status).toBe(500);
  expect(await rrsets(service)).toHaveLength(2);
});

test('requests are recorded and may be refused before they are heard', async () => {
  const calls: string[] = [];
  const { service } = await startWithZone({
    recorder: (call) => calls.push(`${call.service} ${call.method} ${call.url} ${call.status}`),
    before: ({ method }) => {
      if (method === 'POST') throw new Error('not now');
    },
  });
  await rrsets(service);
  await change(service, adding(kept));
  expect(calls).toEqual([
    'dns GET /dns/v1/projects/p/managedZones/a-test/rrsets 200',
    'dns POST /dns/v1/projects/p/managedZones/a-test/changes 500',
  ]);
  expect(await rrsets(service)).toHaveLength(2);
});

/** Adds or removes a value as a careful client does: 404, 409 and 412 mean that somebody else was quicker. */
async function write(service: CloudDns, action: 'add' | 'remove', value: string): Promise<void> {
  for (;;) {
    const old = await rrsets(service, OWN);
    const others = (old[0]?.rrdatas ?? []).filter((other) => other !== `"${value}"`);
    const wanted = action === 'add' ? [...others, `"${value}"`] : others;
    const additions = wanted.length > 0 ? [set(NAME, 'TXT', wanted)] : [];
    const { status } = await change(service, { deletions: old, additions });
    if (status === 200) return;
    if (![404, 409, 412].includes(status)) throw new Error(`unexpected ${status}`);
  }
}

test('writers that read, compare and swap never lose a value of another', async () => {
  const { service } = await startWithZone();
  const label = fc.stringMatching(/^[a-z]{1,6}$/).filter((value) => value !== 'foreign');
  const values = fc.uniqueArray(label, { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(values, fc.nat({ max: 6 }), async (all, count) => {
      await write(service, 'add', 'foreign');
      await Promise.all(all.map((value) => write(service, 'add', value)));
      await Promise.all(all.slice(0, count).map((value) => write(service, 'remove', value)));
      const left = ['foreign', ...all.slice(count)];
      const { answers } = await recursively(service, NAME, 'TXT');
      const served = lines(answers).map((line) => line.split(' ')[2]);
      expect(served.toSorted()).toEqual(left.toSorted());
      await Promise.all(left.map((value) => write(service, 'remove', value)));
      expect(await rrsets(service, OWN)).toEqual([]);
    }),
    { numRuns: 15 },
  );
});
